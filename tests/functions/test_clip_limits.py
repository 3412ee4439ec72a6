"""The limits of reading a clip, and hostile paths, in every statement that reads audio."""

from __future__ import annotations

import _thread
import base64
import json
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import duckdb
import pytest

import thano_duckdb
from tests.audio.sounds import encode, hum
from tests.audio.test_decode import _without_length
from tests.audio.web_server import serving
from thano_duckdb import ThanoError, ThanoWarning

LONG_TEXT = base64.b64encode(bytes(60_000)).decode()
MODEL = "Wav2Vec2TinyEn"
TEMPLATE = "{{ cycler.__init__.__globals__.os.system('touch pwned') }}"
HOSTILE = ["reference://x::r.json", "simplecache::reference://x::r.json", "local://r.json", "S3://b/x::r.json"]


@pytest.fixture
def con(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[thano_duckdb.Connection]:
    """A table `long` of a clip of two seconds whose header does not say so, in a folder with a hostile reference."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "long.flac").write_bytes(_without_length(encode(hum(2), "FLAC", "PCM_16")))
    (tmp_path / "r.json").write_text(json.dumps({"version": 1, "templates": {"u": TEMPLATE}, "refs": {"x": "{{u}}"}}))
    with thano_duckdb.connect(model_home=tmp_path / "models", progress=False) as connection:
        connection.execute("CREATE TABLE long AS SELECT 'long.flac' AS audio_path, 'a b' AS text")
        connection.execute("CREATE TABLE hostile (audio_path VARCHAR, text VARCHAR)")
        connection.executemany("INSERT INTO hostile VALUES (?, 'a b')", [[path] for path in HOSTILE])
        yield connection


def error_of(con: thano_duckdb.Connection, options: str, table: str = "long") -> str | None:
    ((error,),) = con.sql(f"SELECT error FROM (PREDICT USING {MODEL} OPTIONS ({options}) AS FROM {table})").fetchall()
    return None if error is None else str(error)


@pytest.mark.filterwarnings("ignore:.*could not be transcribed:thano_duckdb.ThanoWarning")
@pytest.mark.parametrize(
    ("option", "words"),
    [("max_bytes=1000", "larger than 1,000 bytes"), ("max_duration=1.5", "lasts more than 1.5 s")],
)
def test_every_statement_takes_the_limits(con: thano_duckdb.Connection, option: str, words: str) -> None:
    assert words in (error_of(con, f"include='error', {option}") or "")
    scores = con.sql(f"EVALUATE USING {MODEL} OPTIONS ({option}) AS FROM long").fetchall()
    assert ("failed", 1) in scores
    ((error,),) = con.sql(f"PRINT AUDIO OPTIONS ({option}) AS SELECT audio_path FROM long")["error"].fetchall()
    assert words in error
    name, _, value = option.partition("=")
    in_json = json.dumps({name: float(value) if "." in value else int(value)})
    for call in (f"thano_transcribe('{MODEL}', audio_path, '{in_json}')", f"thano_audio_info(audio_path, '{in_json}')"):
        ((error,),) = con.sql(f"SELECT {call}.error FROM long").fetchall()
        assert words in error
    with pytest.raises(ThanoError, match=words):
        con.sql(f"BUILD MODEL mine USING {MODEL} OPTIONS (epochs=1, {option}) AS FROM long")
    assert error_of(con, "include='error'") is None


@pytest.mark.filterwarnings("ignore:.*could not be transcribed:thano_duckdb.ThanoWarning")
def test_a_statement_overrides_its_connection_and_null_lifts_a_limit(
    con: thano_duckdb.Connection, tmp_path: Path
) -> None:
    with thano_duckdb.connect(max_duration=1, max_bytes=100) as narrow:
        narrow.execute("CREATE TABLE long AS SELECT 'long.flac' AS audio_path")
        ((error,),) = narrow.sql("SELECT thano_audio_info(audio_path).error FROM long").fetchall()
        assert "larger than 100 bytes" in error
        assert "lasts more than 1 s" in (error_of(narrow, "include='error', max_bytes=100000") or "")
        assert error_of(narrow, "include='error', max_bytes=100000, max_duration=3") is None
        ((error,),) = narrow.sql("PRINT AUDIO OPTIONS (max_bytes=NULL, max_duration=NULL) AS FROM long")[
            "error"
        ].fetchall()
        assert error is None
    with duckdb.connect() as plain:
        thano_duckdb.load(plain, max_bytes=100)
        ((error,),) = plain.sql("SELECT thano_audio_info('long.flac').error").fetchall()
        assert "larger than 100 bytes" in error
        thano_duckdb.load(plain, max_bytes=None, max_duration=None, timeout=None)
        ((error,),) = plain.sql("SELECT thano_audio_info('long.flac').error").fetchall()
        assert error is None


def test_options_may_differ_from_row_to_row(con: thano_duckdb.Connection) -> None:
    rows = con.sql(
        "SELECT thano_audio_info('long.flac', options).error IS NULL FROM "
        "(VALUES ('{\"max_bytes\": 100}'), (NULL), ('{}')) AS t(options)"
    ).fetchall()
    assert rows == [(False,), (True,), (True,)]
    struct = "SELECT thano_audio_info('long.flac', {'max_bytes': 100}).error IS NULL"
    assert con.sql(struct).fetchall() == [(False,)]
    with pytest.raises(ThanoError, match="neither JSON text nor a STRUCT"):
        con.sql("SELECT thano_audio_info('long.flac', [100])").fetchall()


@pytest.mark.filterwarnings("ignore:.*could not be transcribed:thano_duckdb.ThanoWarning")
def test_a_slow_server_is_given_up(con: thano_duckdb.Connection) -> None:
    with serving() as port:
        con.execute(f"CREATE TABLE slow AS SELECT 'http://127.0.0.1:{port}/slow' AS audio_path")
        assert error_of(con, "include='error', timeout=0.5", "slow") == (
            "It did not arrive within 0.5 s; the option 'timeout' allows more."
        )


@pytest.mark.parametrize(
    "statement",
    [
        f"PREDICT USING {MODEL} AS FROM slow",
        "PRINT AUDIO AS FROM slow",
        "SELECT thano_audio_info(audio_path) FROM slow",
    ],
)
def test_ctrl_c_does_not_wait_for_a_slow_server(con: thano_duckdb.Connection, statement: str) -> None:
    con.sql(f"PREDICT USING {MODEL} AS FROM long").fetchall()  # the model is loaded
    with serving() as port:
        con.execute(f"CREATE TABLE slow AS SELECT 'http://127.0.0.1:{port}/slow' AS audio_path")
        timer = threading.Timer(1, _thread.interrupt_main)
        timer.start()
        started = time.monotonic()
        with pytest.raises(KeyboardInterrupt):
            con.sql(statement).fetchall()
        assert time.monotonic() - started < 4
        timer.join()


@pytest.mark.parametrize("path", [LONG_TEXT, "x\n" * 50_000, "https://h/" + "a" * 50_000])
def test_a_name_of_any_length_is_shown_briefly(con: thano_duckdb.Connection, path: str) -> None:
    """Such as the content of a file in base64 that is taken for its path."""
    con.execute("CREATE TABLE odd AS SELECT ? AS audio_path, 'a b' AS text", [path])
    with pytest.warns(ThanoWarning, match="1 clip could not be transcribed") as warned:
        error = error_of(con, "include='error', timeout=1", "odd")
    assert len(error or "") < 400
    message = str(warned[0].message)
    assert len(message) < 800
    assert "\n" not in message
    for statement in (
        "PREDICT USING {} OPTIONS (on_error='fail')",
        "BUILD MODEL b USING {}",
    ):
        with pytest.raises(ThanoError) as refused:
            con.sql(statement.format(MODEL) + " AS FROM odd").fetchall()
        assert len(str(refused.value)) < 900
    ((error,),) = con.sql("SELECT thano_audio_info(audio_path, '{\"timeout\": 1}').error FROM odd").fetchall()
    assert len(error) < 400


def test_hostile_paths_run_nothing_in_any_statement(con: thano_duckdb.Connection, tmp_path: Path) -> None:
    with pytest.warns(ThanoWarning, match="4 clips could not be transcribed"):
        result = con.sql(f"PREDICT USING {MODEL} OPTIONS (include='error') AS FROM hostile").df()
    assert set(result["error"].str.slice(0, 12)) == {"URLs chained", "The protocol"}
    with pytest.warns(ThanoWarning, match="4 clips could not be transcribed"):
        con.sql(f"EVALUATE USING {MODEL} AS FROM hostile").fetchall()
    assert None not in con.sql("PRINT AUDIO AS FROM hostile").df()["error"].tolist()
    with pytest.raises(ThanoError, match="URLs chained"):
        con.sql(f"BUILD MODEL mine USING {MODEL} OPTIONS (epochs=1) AS FROM hostile")
    page = tmp_path / "page.html"
    thano_duckdb.show(result).save(page)
    assert "URLs chained by" in page.read_text(encoding="utf-8")
    assert not (tmp_path / "pwned").exists()
