"""`thano_plan`, and EXPLAIN of PREDICT and EVALUATE: what a statement will take, without running a model."""

from __future__ import annotations

import shutil
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pytest
import soundfile

import thano_duckdb
from thano_duckdb.audio.failure import AudioFailure
from thano_duckdb.audio.info import AudioInfo
from thano_duckdb.functions import survey
from thano_duckdb.functions.schema_store import SchemaStore
from thano_duckdb.speech.batch_runner import BatchRunner
from thano_duckdb.speech.cache import process_cache
from thano_duckdb.speech.lasting_cache.sqlite_store import SqliteStore
from thano_duckdb.speech.speeds import SPEEDS_FILE, process_speeds

MODEL = "Wav2Vec2TinyEn"
PREDICT = f"PREDICT USING {MODEL} OPTIONS (language_model=NULL)"


def write_clips(folder: Path, durations_s: list[float], channels: int = 1) -> list[str]:
    """Clips of noise, each of its own."""
    folder.mkdir(exist_ok=True)
    chance = np.random.default_rng(len(durations_s))
    paths = []
    for number, duration_s in enumerate(durations_s):
        path = folder / f"{number}.wav"
        noise = chance.normal(0, 0.1, (round(16_000 * duration_s), channels))
        soundfile.write(path, noise, 16_000, subtype="PCM_16")
        paths.append(str(path))
    return paths


@pytest.fixture
def clips(tmp_path: Path, any_small_model: Path) -> list[str]:
    """Twenty clips of one to two seconds, half a minute together."""
    return write_clips(tmp_path / "clips", [1 + number / 19 for number in range(20)])


@pytest.fixture
def con(clips: list[str]) -> Iterator[thano_duckdb.Connection]:
    """A connection with a table `clips`."""
    with thano_duckdb.connect() as connection:
        connection.execute("CREATE TABLE clips AS SELECT unnest(?) AS audio_path", [clips])
        yield connection


@pytest.fixture(autouse=True)
def _fresh_process(monkeypatch: pytest.MonkeyPatch) -> None:
    """No transcript and no speed of an earlier test is known."""
    process_cache.cache_clear()
    process_speeds.cache_clear()


@pytest.fixture
def _no_model(monkeypatch: pytest.MonkeyPatch) -> None:
    def run(*_: Any, **__: Any) -> None:
        raise AssertionError("a plan runs no model")

    monkeypatch.setattr(BatchRunner, "run", run)


Items = dict[str, tuple[Any, Any, Any, str]]


def plan(con: Any, arguments: str) -> Items:
    rows = con.execute(f"FROM thano_plan('{MODEL}', {arguments})").fetchall()
    return {item: (value, low, high, text) for item, value, low, high, text in rows}


def explain(con: Any, sql: str, parameters: object = None) -> str:
    """The plan of the only statement of ours."""
    rows = con.execute(f"EXPLAIN {sql}", parameters).fetchall()
    (text,) = [value for key, value in rows if key == "thano_plan"]
    assert rows[0][0] == "physical_plan"
    return str(text)


def line(text: str, label: str) -> str:
    (found,) = [each.split(None, 1)[1] for each in text.splitlines()[1:] if each.split()[0] == label]
    return found


@pytest.mark.usefixtures("_no_model")
def test_a_plan_counts_rows_clips_and_audio(con: thano_duckdb.Connection) -> None:
    con.execute("CREATE TABLE rows AS FROM clips UNION ALL FROM clips UNION ALL SELECT NULL FROM range(3)")
    items = plan(con, "'rows'")
    assert items["rows"] == (43, 43, 43, "43, 3 of them without audio (NULL)")
    assert items["clips"] == (20, 20, 20, "20 distinct")
    assert items["sampled"][0] == 20
    assert items["unreadable"] == (0, 0, 0, "none")
    assert items["audio_hours"][0] == pytest.approx(30 / 3600)
    assert items["cached"] == (0, 0, 0, "0 of the clips")
    assert items["new_audio_hours"] == items["audio_hours"]
    assert items["parameters"][0] == int(items["parameters"][3].replace(",", ""))
    assert items["device"][3].startswith(("cpu", "cuda", "mps"))
    assert items["model"][3].startswith(MODEL)


@pytest.mark.usefixtures("_no_model")
def test_what_cannot_be_read_is_counted_with_its_reason(con: thano_duckdb.Connection, clips: list[str]) -> None:
    Path(clips[0]).write_bytes(b"no audio")
    con.execute("INSERT INTO clips VALUES ('/missing.wav'), ('')")
    items = plan(con, "'clips'")
    assert items["unreadable"][:3] == (3, 3, 3)
    assert items["unreadable"][3].startswith("3, such as ")
    assert items["audio_hours"][0] == pytest.approx(29 / 3600)


@pytest.mark.usefixtures("_no_model")
def test_options_select_what_is_counted(con: thano_duckdb.Connection) -> None:
    assert plan(con, "'clips', options := '{\"stop\": 0.5}'")["audio_hours"][0] == pytest.approx(10 / 3600)
    too_long = plan(con, "'clips', options := '{\"max_duration\": 1.5}'")
    assert too_long["unreadable"][0] == 10
    batches = plan(con, "'clips', options := {'batch_size': 3, 'device': 'cpu', 'precision': 'int8'}")
    assert batches["batch_s"][3].endswith("and 3 clips")
    assert batches["precision"][3] == "int8"
    with pytest.raises(thano_duckdb.ThanoError, match="has no option 'bach_size'"):
        plan(con, "'clips', options := {'bach_size': 3}")


def test_what_was_transcribed_is_known(con: thano_duckdb.Connection) -> None:
    con.execute(f"{PREDICT} AS FROM clips LIMIT 5").fetchall()
    assert plan(con, "'clips', options := '{\"language_model\": null}'")["cached"][0] == 5
    con.execute(f"{PREDICT} AS FROM clips").fetchall()
    items = plan(con, "'clips', options := '{\"language_model\": null}'")
    assert (items["cached"][0], items["new_audio_hours"][0], items["seconds"][0]) == (20, 0, 0)
    assert items["cached"][3] == "20 of the clips, which leaves 0 s to transcribe"
    for other in ('{"language_model": null, "level": "exact"}', '{"language_model": null, "channel": 1}'):
        assert plan(con, f"'clips', options := '{other}'")["cached"][0] == 0, other


def test_the_estimate_is_that_of_the_measured_speed(con: thano_duckdb.Connection, tmp_path: Path) -> None:
    options = "options := '{\"language_model\": null}'"
    assert plan(con, f"'clips', {options}")["speed"][3].split(", ", 1)[1].startswith("roughly")
    longer = write_clips(tmp_path / "longer", [5.0] * 10)
    con.execute("CREATE TABLE longer AS SELECT unnest(?) AS audio_path", [longer])
    begun_s = time.perf_counter()
    con.execute(f"{PREDICT} AS FROM longer").fetchall()
    elapsed_s = time.perf_counter() - begun_s
    items = plan(con, f"'clips', {options}")
    per_s = items["speed"][0]
    assert items["speed"][3].endswith("as measured in this process")
    assert per_s >= 50 / elapsed_s
    assert items["seconds"][0] == pytest.approx(30 / per_s)


def test_a_later_process_remembers_the_speed(con: thano_duckdb.Connection, clips: list[str], tmp_path: Path) -> None:
    home = tmp_path / "home"
    options = "options := '{\"language_model\": null}'"
    for exists in (False, True):
        if exists:
            home.mkdir()
        process_speeds.cache_clear()
        process_cache.cache_clear()
        with thano_duckdb.connect(model_home=home) as other:
            longer = write_clips(tmp_path / "longer", [5.0] * 10)
            other.execute("CREATE TABLE longer AS SELECT unnest(?) AS audio_path", [longer])
            other.execute(f"{PREDICT} AS FROM longer").fetchall()
        assert (home / SPEEDS_FILE).exists() == exists  # no home is created for it
    process_speeds.cache_clear()
    with thano_duckdb.connect(model_home=home) as later:
        later.execute("CREATE TABLE clips AS SELECT unnest(?) AS audio_path", [clips])
        assert plan(later, f"'clips', {options}")["speed"][3].endswith("as remembered from an earlier process")
        later.execute("SET enable_external_access = false")
        assert "roughly" in plan(later, f"'clips', {options}")["speed"][3]


@pytest.mark.usefixtures("_no_model")
def test_many_clips_are_sampled(
    con: thano_duckdb.Connection, clips: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    looked_at = []

    def probe(clip: Any, *, limits: Any) -> Any:
        looked_at.append(clip.location)
        number = int(clip.location.removeprefix("/clip"))
        if number % 10 == 0:
            return AudioFailure("It is broken.")
        return AudioInfo(number % 7 + 1, 16_000, 1, 16_000, "WAV", "PCM_16")

    monkeypatch.setattr(survey, "probe", probe)
    con.execute("CREATE TABLE many AS SELECT '/clip' || i // 2 AS audio_path FROM range(200000) r(i)")
    items = plan(con, "'many'")
    assert items["rows"][0] == 200_000
    assert items["clips"][0] == 100_000
    assert items["sampled"][0] == len(looked_at) == len(set(looked_at)) == 1000
    for item, truth in (("audio_hours", 100.0), ("unreadable", 10_000.0)):
        _value, low, high, text = items[item]
        assert low < truth < high
        assert high - low < 0.5 * truth
        assert text.startswith("about ")
    assert items["sampled"][3] == "the headers of 1,000 clips, drawn at random"


@pytest.mark.usefixtures("_no_model")
def test_contents_of_files_are_planned(con: thano_duckdb.Connection, clips: list[str]) -> None:
    con.execute("CREATE TABLE blobs AS SELECT content AS audio_path FROM read_blob(?)", [clips])
    con.execute("CREATE TABLE structs AS SELECT {'bytes': audio_path, 'path': 'x.wav'} AS audio_path FROM blobs")
    for table in ("blobs", "structs"):
        items = plan(con, f"'{table}'")
        assert (items["clips"][0], items["audio_hours"][0]) == (20, pytest.approx(30 / 3600)), table
    con.execute("CREATE TABLE parts AS SELECT {'path': audio_path, 'start': s} AS audio_path FROM clips, range(2) r(s)")
    parts = plan(con, "'parts'")
    assert (parts["clips"][0], parts["audio_hours"][0]) == (40, pytest.approx((30 + 10) / 3600))


@pytest.mark.usefixtures("_no_model")
def test_what_the_database_may_not_read_is_not_looked_at(
    con: thano_duckdb.Connection, clips: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    looked_at: list[str] = []
    monkeypatch.setattr(survey, "probe", lambda clip, **_: looked_at.append(clip.location))
    con.execute("SET enable_external_access = false")
    items = plan(con, "'clips'")
    assert items["unreadable"][0] == 20
    assert "may not read files" in items["unreadable"][3]
    assert looked_at == []


@pytest.mark.usefixtures("_no_model")
def test_an_empty_query_takes_nothing(con: thano_duckdb.Connection) -> None:
    con.execute("CREATE TABLE none AS FROM clips LIMIT 0")
    con.execute("CREATE TABLE nulls AS SELECT NULL::VARCHAR AS audio_path FROM range(2)")
    for table, n_rows in (("none", 0), ("nulls", 2)):
        items = plan(con, f"'{table}'")
        assert [items[item][0] for item in ("rows", "clips", "sampled", "audio_hours", "seconds")] == [
            n_rows,
            0,
            0,
            0,
            0,
        ]


def test_a_wrong_column_or_model_is_an_error(con: thano_duckdb.Connection) -> None:
    with pytest.raises(thano_duckdb.ThanoError, match="thano_plan reads the column 'recording'"):
        plan(con, "'clips', audio_col := 'recording'")
    with pytest.raises(thano_duckdb.ModelError, match="there is no model 'nobody'"):
        con.execute("FROM thano_plan('nobody', 'clips')").fetchall()
    with pytest.raises(thano_duckdb.DialectError, match="line 1, column 23"):
        con.execute("EXPLAIN PREDICT USING nobody AS FROM clips")
    with pytest.raises(thano_duckdb.DialectError, match="PREDICT reads the column 'recording'"):
        con.execute("EXPLAIN PREDICT USING Wav2Vec2TinyEn OPTIONS (audio_col='recording') AS FROM clips")


def test_a_plain_connection_has_it_too(clips: list[str]) -> None:
    with duckdb.connect() as raw:
        thano_duckdb.load(raw)
        raw.execute("CREATE TABLE clips AS SELECT unnest(?) AS recording", [clips])
        assert plan(raw, "'clips', audio_col := 'Recording'")["clips"][0] == 20


@pytest.mark.usefixtures("_no_model")
def test_explain_gives_duckdbs_plan_and_ours(con: thano_duckdb.Connection) -> None:
    text = explain(con, f"{PREDICT} AS SELECT * FROM clips WHERE audio_path LIKE '%1.wav'")
    assert text.splitlines()[0] == f"PREDICT USING {MODEL}"
    assert line(text, "rows") == "2"
    assert line(text, "decoder") == "greedy: the likeliest label of each frame"
    for statement in (
        f"CREATE TABLE t AS {PREDICT} AS FROM clips",
        f"SELECT * FROM ({PREDICT} AS FROM clips) LIMIT 1",
        f"WITH c AS (FROM clips) {PREDICT} AS FROM c",
        f"EVALUATE USING {MODEL} AS SELECT audio_path, 'a' AS text FROM clips",
    ):
        assert line(explain(con, statement), "clips") == "20 distinct", statement
    assert con.sql("SHOW TABLES").fetchall() == [("clips",)]


@pytest.mark.usefixtures("_no_model")
def test_explain_takes_parameters_and_a_script(con: thano_duckdb.Connection, clips: list[str]) -> None:
    text = explain(con, f"{PREDICT} AS SELECT ? AS audio_path", [clips[0]])
    assert (line(text, "clips"), line(text, "audio")) == ("1 distinct", "1 s")
    named = con.sql(f"EXPLAIN {PREDICT} AS SELECT $clip AS audio_path", params={"clip": clips[0]}).fetchall()
    assert line(named[-1][1], "audio") == "1 s"
    rows = con.sql(f"CREATE TABLE two AS FROM clips LIMIT 2; EXPLAIN {PREDICT} AS FROM two").fetchall()
    assert line(rows[-1][1], "rows") == "2"


@pytest.mark.usefixtures("_no_model")
def test_a_query_that_transcribes_is_not_run(con: thano_duckdb.Connection) -> None:
    inner = f"{PREDICT} AS FROM clips"
    rows = con.execute(f"EXPLAIN {PREDICT} AS SELECT audio_path FROM ({inner}) WHERE predicted <> ''").fetchall()
    outer_plan, inner_plan = (value for key, value in rows if key == "thano_plan")
    assert "EXPLAIN runs no model" in outer_plan
    assert line(inner_plan, "clips") == "20 distinct"
    con.execute("CREATE VIEW heard AS SELECT thano_channels(audio_path) AS c, audio_path FROM clips")
    assert "EXPLAIN runs no model" in explain(con, f"{PREDICT} AS SELECT audio_path FROM heard WHERE len(c) = 1")


@pytest.mark.usefixtures("_no_model")
def test_each_channel_is_counted(con: thano_duckdb.Connection, tmp_path: Path) -> None:
    stereo = write_clips(tmp_path / "stereo", [1.0, 2.0], channels=2)
    con.execute("CREATE TABLE calls AS SELECT unnest(?) AS audio_path", [stereo])
    each = f"PREDICT USING {MODEL} OPTIONS (channel='each') AS FROM calls"
    text = explain(con, each)
    assert line(text, "channels").startswith("4 rows at most")
    assert line(text, "audio") == "6 s"


def test_a_plan_knows_the_transcript_of_each_channel(con: thano_duckdb.Connection, tmp_path: Path) -> None:
    stereo = write_clips(tmp_path / "stereo", [1.0, 2.0], channels=2)
    con.execute("CREATE TABLE calls AS SELECT unnest(?) AS audio_path", [stereo])
    each = f"PREDICT USING {MODEL} OPTIONS (channel='each') AS FROM calls"
    con.execute(each).fetchall()
    assert line(explain(con, each), "cached").startswith("2 of the clips")


@pytest.mark.usefixtures("_no_model")
def test_a_model_that_is_not_here_is_not_downloaded(con: thano_duckdb.Connection, no_hub: Path) -> None:
    for model in ("Wav2Vec2En", "tutorial_audio_recognition", "'hf://someone/something'"):
        text = explain(con, f"PREDICT USING {model} AS FROM clips")
        assert "is not on this machine" in line(text, "model")
        assert line(text, "audio") == "30 s"


@pytest.mark.usefixtures("_no_model")
def test_clips_without_an_answer_are_said(con: thano_duckdb.Connection, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(survey, "PATIENCE_S", 0.1)
    hanging = threading.Event()
    monkeypatch.setattr(survey, "probe", lambda *_, **__: hanging.wait(20))
    try:
        items = plan(con, "'clips'")
    finally:
        hanging.set()
    assert items["sampled"][3] == "no header was read; 20 gave no answer in time"
    assert items["audio_hours"][:2] == (None, None)
    assert items["seconds"][3].startswith("unknown")


def test_ctrl_c_ends_a_plan(con: thano_duckdb.Connection, monkeypatch: pytest.MonkeyPatch) -> None:
    hanging = threading.Event()

    def probe(*_: Any, **__: Any) -> None:
        con.interrupt()
        hanging.wait(20)

    monkeypatch.setattr(survey, "PATIENCE_S", 30)
    monkeypatch.setattr(survey, "probe", probe)
    begun_s = time.perf_counter()
    try:
        with pytest.raises(duckdb.InterruptException):
            con.execute(f"EXPLAIN {PREDICT} AS FROM clips")
    finally:
        hanging.set()
    assert time.perf_counter() - begun_s < 15


def test_show_prints_the_text_as_it_is(con: thano_duckdb.Connection, capsys: pytest.CaptureFixture[str]) -> None:
    relation = con.sql(f"EXPLAIN {PREDICT} AS FROM clips")
    relation.show()
    shown = capsys.readouterr().out
    assert shown.splitlines()[0].startswith("╭─ Projection")
    assert f"PREDICT USING {MODEL}\n  rows        20\n" in shown
    assert str(relation) == repr(relation) == shown.removesuffix("\n")
    assert relation.columns == ["explain_key", "explain_value"]
    assert "physical_plan" in str(relation.filter("explain_key <> ''"))
    con.sql("EXPLAIN SELECT 1").show()
    assert "explain_key" in capsys.readouterr().out  # DuckDB's own is as ever


def test_explain_analyze_runs_the_statement(con: thano_duckdb.Connection) -> None:
    rows = con.execute(f"EXPLAIN ANALYZE {PREDICT} AS FROM clips LIMIT 2").fetchall()
    assert [key for key, _ in rows] == ["analyzed_plan"]
    assert line(explain(con, f"{PREDICT} AS FROM clips"), "cached").startswith("2 of the clips")


def test_a_registered_model_is_named_with_its_version(
    con: thano_duckdb.Connection, tmp_path: Path, any_small_model: Path
) -> None:
    shutil.copytree(any_small_model, tmp_path / "copy")
    con.execute(f"UPLOAD MODEL mine FROM '{tmp_path / 'copy'}'")
    assert line(explain(con, "PREDICT USING mine AS FROM clips"), "model").startswith("mine@1, in ")


@pytest.mark.parametrize("cache", ["TRUE", "'kept'"])
def test_transcripts_of_an_earlier_process_are_known(
    con: thano_duckdb.Connection, clips: list[str], tmp_path: Path, cache: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    con.execute("CREATE SCHEMA kept")
    kept = f"PREDICT USING {MODEL} OPTIONS (language_model=NULL, cache={cache})"
    home = con._session.registry.home
    assert line(explain(con, f"{kept} AS FROM clips"), "cached").startswith("0 of the clips")
    assert not home.exists()  # a plan makes no store
    assert con.sql("SELECT table_name FROM duckdb_tables() WHERE schema_name = 'kept'").fetchall() == []
    con.execute(f"{kept} AS FROM clips LIMIT 6").fetchall()
    process_cache.cache_clear()
    moved = tmp_path / "moved"
    shutil.copytree(Path(clips[0]).parent, moved)
    con.execute("CREATE TABLE moved AS SELECT replace(audio_path, '/clips/', '/moved/') AS audio_path FROM clips")
    with monkeypatch.context() as patch:
        for store in (SqliteStore, SchemaStore):
            patch.setattr(store, "write", lambda _store, batch: pytest.fail(f"a plan writes {batch}"))
        for table in ("clips", "moved"):
            text = explain(con, f"{kept} AS FROM {table}")
            assert line(text, "cached").startswith("6 of the clips"), table
    assert line(explain(con, f"{PREDICT} AS FROM clips"), "cached").startswith("0 of the clips")


@pytest.mark.parametrize("other", ["", ", cluster='ray'"])
def test_a_schema_that_predict_refuses_is_refused(con: thano_duckdb.Connection, other: str) -> None:
    con.execute("CREATE SCHEMA kept")
    statement = f"PREDICT USING {MODEL} OPTIONS (cache='kepd'{other}) AS FROM clips"
    text = explain(con, statement)
    assert "cached" not in text
    assert line(text, "not").startswith("planned")
    assert "there is no schema 'kepd' in the database 'memory' to keep transcripts in" in text
    with pytest.raises(thano_duckdb.ThanoError, match=r"there is no schema 'kepd' .*Did you mean 'kept'\?"):
        plan(con, "'clips', options := {'cache': 'kepd'}")
    con.execute("SET thano_cache = 'kepd'")
    with pytest.raises(thano_duckdb.ThanoError, match="there is no schema 'kepd'"):
        plan(con, "'clips'")


def test_a_schema_of_a_read_only_database_is_refused(clips: list[str], tmp_path: Path) -> None:
    with thano_duckdb.connect(tmp_path / "a.duckdb") as con:
        con.execute("CREATE SCHEMA kept; CREATE TABLE clips AS SELECT unnest(?) AS audio_path", [clips])
    with thano_duckdb.connect(tmp_path / "a.duckdb", read_only=True) as con:
        text = explain(con, f"PREDICT USING {MODEL} OPTIONS (cache='kept') AS FROM clips")
        assert "the database is open read-only, so transcripts cannot be kept in its schema 'kept'" in text


def test_workers_count_in_the_plan(con: thano_duckdb.Connection) -> None:
    def planned(options: str) -> dict[str, Any]:
        found = con.sql(f"SELECT item, value, text FROM thano_plan('{MODEL}', 'clips', options := '{options}')")
        return {item: (value, text) for item, value, text in found.fetchall()}

    alone, two = planned('{"language_model": null}'), planned('{"language_model": null, "workers": 2}')
    assert two["device"][1] == "cpu (2 workers)"
    assert two["memory_bytes"][0] > 2 * alone["memory_bytes"][0]
    assert two["memory_bytes"][1].endswith("in 3 processes")
    assert two["speed"][0] == pytest.approx(alone["speed"][0], rel=0.5)  # they share the processor
    con.execute("SET thano_workers = 2")
    assert planned('{"language_model": null}')["device"] == two["device"]


@pytest.mark.parametrize("cluster", ["ray", "auto", "ray://head:10001"])
def test_a_plan_says_that_it_does_not_know_a_cluster(con: thano_duckdb.Connection, cluster: str) -> None:
    text = explain(
        con, f"PREDICT USING {MODEL} OPTIONS (cluster='{cluster}', workers=4, device='cuda', cache=TRUE) AS FROM clips"
    )
    for label in ("speed", "time", "memory"):
        assert line(text, label).startswith("unknown: a plan does not ask the cluster"), label
    assert line(text, "device") == f"those of the cluster '{cluster}'"
    assert line(text, "cached").startswith("not looked up")
    assert line(text, "audio") == "30 s"
    assert "precision" not in text.replace("which precision", "")
