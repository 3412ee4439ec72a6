"""`cache` of PREDICT and EVALUATE: where transcripts are kept, who may use them, and what is said of problems."""

from __future__ import annotations

import os
import shutil
import sqlite3
import time
import warnings
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import duckdb
import pytest
import soundfile

import thano_duckdb
from tests.training.kit import write_clips
from thano_duckdb import RegistryError, ThanoError, ThanoWarning
from thano_duckdb.audio.source import FileVersion
from thano_duckdb.connection import running_statement
from thano_duckdb.speech.cache import process_cache
from thano_duckdb.speech.lasting_cache import content_hashes, sqlite_store
from thano_duckdb.speech.lasting_cache.sqlite_store import FILE_NAME, SqliteStore
from thano_duckdb.speech.local_runner import LocalRunner

N_CLIPS = 6


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "clips"
    folder.mkdir()
    write_clips(folder)
    assert len(list(folder.glob("*.wav"))) == N_CLIPS
    return folder


@pytest.fixture
def n_computed(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[], int]]:
    """How many clips were computed since the last call; what the memory knew is then forgotten, as in a new process."""
    compute, found = LocalRunner.run, list[int]()

    def counting(self: LocalRunner, jobs: Sequence[Any], *others: Any) -> Any:
        found.append(len(jobs))
        return compute(self, jobs, *others)

    def n() -> int:
        process_cache().clear()
        total = sum(found)
        found.clear()
        return total

    monkeypatch.setattr(LocalRunner, "run", counting)
    n()
    yield n
    n()


def connect(tmp_path: Path, *args: Any, **settings: Any) -> thano_duckdb.Connection:
    return thano_duckdb.connect(*args, progress=False, model_home=tmp_path / "home", **settings)


def shorten(clip: Path, into: Path) -> None:
    samples, rate_hz = soundfile.read(clip)
    soundfile.write(into, samples[:-2000], rate_hz)


def predict(model: Path, folder: Path, options: str = "") -> str:
    shown = f"OPTIONS ({options})" if options else ""
    return f"PREDICT USING '{model}' {shown} AS SELECT file AS audio_path FROM glob('{folder}/*.wav') ORDER BY ALL"


def thano_warnings(act: Callable[[], object]) -> list[str]:
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        act()
    return [str(each.message) for each in caught if issubclass(each.category, ThanoWarning)]


def _same(rows: object, expected: object) -> None:
    assert rows == expected


def test_nothing_is_kept_unless_it_is_asked_for(
    tmp_path: Path, folder: Path, small_model: Path, n_computed: Callable[[], int]
) -> None:
    with connect(tmp_path) as con:
        con.sql(predict(small_model, folder)).fetchall()
        assert n_computed() == N_CLIPS
        assert con.sql("FROM thano_cache()").fetchall() == []
        con.sql(predict(small_model, folder)).fetchall()
        assert n_computed() == N_CLIPS
    assert not (tmp_path / "home" / FILE_NAME).exists()


@pytest.mark.parametrize("place", [True, "kept"])
@pytest.mark.parametrize("by", ["option", "connect", "set"])
def test_what_is_kept_is_not_computed_again(
    tmp_path: Path, folder: Path, small_model: Path, n_computed: Callable[[], int], place: bool | str, by: str
) -> None:
    value = "True" if place is True else f"'{place}'"
    option = f"cache={value}" if by == "option" else ""
    settings: dict[str, Any] = {"cache": place} if by == "connect" else {}
    with connect(tmp_path, tmp_path / "a.duckdb", **settings) as con:
        con.execute("CREATE SCHEMA kept")
        if by == "set":
            con.execute(f"SET thano_cache = {value}")
        first = con.sql(predict(small_model, folder, option)).fetchall()
        assert n_computed() == N_CLIPS
        assert con.sql(predict(small_model, folder, option)).fetchall() == first
        assert n_computed() == 0
    with connect(tmp_path, tmp_path / "a.duckdb") as con:
        assert con.sql(predict(small_model, folder, f"cache={value}")).fetchall() == first
        assert n_computed() == 0


@pytest.mark.parametrize("option", ["skip_silence=False", "level='exact'", "n_best=2", "precision='int8'", "start=0.1"])
def test_another_option_that_changes_texts_computes_anew(
    tmp_path: Path, folder: Path, small_model: Path, n_computed: Callable[[], int], option: str
) -> None:
    with connect(tmp_path, cache=True) as con:
        con.sql(predict(small_model, folder)).fetchall()
        assert n_computed() == N_CLIPS
        for expected in (N_CLIPS, 0):
            con.sql(predict(small_model, folder, option)).fetchall()
            assert n_computed() == expected


def test_names_times_and_folders_do_not_count_but_contents_do(
    tmp_path: Path, folder: Path, small_model: Path, n_computed: Callable[[], int]
) -> None:
    with connect(tmp_path, cache=True) as con:
        before = con.sql(predict(small_model, folder)).fetchall()
        n_computed()
        moved, model = tmp_path / "moved", shutil.copytree(small_model, tmp_path / "copied model")
        folder.rename(moved)
        for path in moved.iterdir():
            os.utime(path)
        (model / "README.md").write_text("A note.")
        after = con.sql(predict(model, moved)).fetchall()
        assert [text for _, text in after] == [text for _, text in before]
        assert n_computed() == 0

        clips = sorted(moved.glob("*.wav"))
        clips[0].write_bytes(clips[1].read_bytes())
        rows = con.sql(predict(model, moved)).fetchall()
        assert rows[0][1] == rows[1][1] == before[1][1]
        assert n_computed() == 0
        shorten(clips[1], clips[0])
        con.sql(predict(model, moved)).fetchall()
        assert n_computed() == 1

        config = model / "config.json"
        config.write_text(config.read_text().replace("{", "{ ", 1))
        con.sql(predict(model, moved)).fetchall()
        assert n_computed() == N_CLIPS


def test_a_blob_is_the_same_clip_as_its_file(
    tmp_path: Path, folder: Path, small_model: Path, n_computed: Callable[[], int]
) -> None:
    with connect(tmp_path, cache=True) as con:
        con.sql(predict(small_model, folder)).fetchall()
        n_computed()
        blobs = f"SELECT content AS audio_path FROM read_blob('{folder}/*.wav')"
        con.sql(f"PREDICT USING '{small_model}' AS {blobs}").fetchall()
        assert n_computed() == 0


def test_failures_are_not_kept(tmp_path: Path, folder: Path, small_model: Path, n_computed: Callable[[], int]) -> None:
    clip = min(folder.glob("*.wav"))
    good = clip.read_bytes()
    clip.write_bytes(b"no audio")
    with connect(tmp_path, cache=True) as con:
        found = thano_warnings(lambda: con.sql(predict(small_model, folder)).fetchall())
        assert "could not be transcribed" in found[0]
        assert con.sql("SELECT clips FROM thano_cache()").fetchall() == [(N_CLIPS - 1,)]
        clip.write_bytes(good)
        n_computed()
        assert con.sql(predict(small_model, folder)).fetchall()[0][1] is not None
        assert n_computed() == 1


def test_a_file_that_changes_while_it_is_transcribed_is_not_kept(
    tmp_path: Path, folder: Path, small_model: Path, n_computed: Callable[[], int], monkeypatch: pytest.MonkeyPatch
) -> None:
    clips = sorted(folder.glob("*.wav"))
    compute = LocalRunner.run

    def changing(self: LocalRunner, *arguments: Any) -> Any:
        shorten(clips[0], clips[0])
        yield from compute(self, *arguments)

    with connect(tmp_path, cache=True) as con:
        with monkeypatch.context() as patch:
            patch.setattr(LocalRunner, "run", changing)
            con.sql(predict(small_model, folder)).fetchall()
        assert con.sql("SELECT clips FROM thano_cache()").fetchall() == [(N_CLIPS - 1,)]
    n_computed()


def test_a_change_that_the_clock_of_the_file_system_does_not_show_gives_no_wrong_text(
    tmp_path: Path, folder: Path, small_model: Path, n_computed: Callable[[], int], monkeypatch: pytest.MonkeyPatch
) -> None:
    clip = min(folder.glob("*.wav"))
    for other in folder.glob("*.wav"):
        if other != clip:
            other.unlink()
    samples, rate_hz = soundfile.read(clip)
    version_of, compute = FileVersion.of, LocalRunner.run

    def without_times(path: str, status: os.stat_result) -> FileVersion:
        return version_of(path, status)._replace(mtime_ns=1, ctime_ns=1)

    def changing(self: LocalRunner, *arguments: Any) -> Any:
        soundfile.write(clip, samples[::-1], rate_hz)
        yield from compute(self, *arguments)

    def text(con: thano_duckdb.Connection) -> object:
        n_computed()
        return con.sql(predict(small_model, folder)).fetchall()

    with connect(tmp_path) as con:
        expected = text(con)
    monkeypatch.setattr(content_hashes, "SETTLED_NS", 10**20)
    monkeypatch.setattr(FileVersion, "of", without_times)
    with connect(tmp_path, cache=True) as con:
        with monkeypatch.context() as patch:
            patch.setattr(LocalRunner, "run", changing)
            assert text(con) != expected
        soundfile.write(clip, samples, rate_hz)
        assert text(con) == expected


def test_what_the_process_knew_before_is_kept_too(
    tmp_path: Path, folder: Path, small_model: Path, n_computed: Callable[[], int]
) -> None:
    blobs = f"PREDICT USING '{small_model}' AS SELECT content AS audio_path FROM read_blob('{folder}/*.wav')"
    with connect(tmp_path) as con:
        con.sql(blobs).fetchall()
        con.sql(predict(small_model, folder)).fetchall()
        con.execute("SET thano_cache = True")
        con.sql(blobs).fetchall()
        con.sql(predict(small_model, folder)).fetchall()
        assert con.sql("SELECT clips FROM thano_cache()").fetchall() == [(N_CLIPS,)]
        n_computed()
        con.sql(predict(small_model, folder)).fetchall()
        assert n_computed() == 0


def test_a_file_is_hashed_once_and_again_after_a_change_of_the_moment(
    tmp_path: Path, folder: Path, small_model: Path, n_computed: Callable[[], int], monkeypatch: pytest.MonkeyPatch
) -> None:
    hashed: list[str] = []
    hash_of = content_hashes.hash_of

    def counting(version: Any) -> Any:
        hashed.append(version.path)
        return hash_of(version)

    monkeypatch.setattr(content_hashes, "hash_of", counting)
    monkeypatch.setattr(content_hashes, "SETTLED_NS", 0)
    time.sleep(0.02)
    with connect(tmp_path, cache=True) as con:
        for n_files in (N_CLIPS, 0):
            con.sql(predict(small_model, folder)).fetchall()
            n_computed()
            assert sum(path.endswith(".wav") for path in hashed) == n_files
            hashed.clear()
        monkeypatch.setattr(content_hashes, "SETTLED_NS", 10**12)
        for path in folder.iterdir():
            os.utime(path)
        for _ in range(2):  # they may change again within the same tick
            con.sql(predict(small_model, folder)).fetchall()
            n_computed()
            assert sum(path.endswith(".wav") for path in hashed) == N_CLIPS
            hashed.clear()


def test_thano_cache_shows_what_is_kept_and_delete_cache_clears_it(
    tmp_path: Path, folder: Path, small_model: Path, n_computed: Callable[[], int]
) -> None:
    with connect(tmp_path, cache=True) as con:
        con.execute(f"UPLOAD MODEL mine FROM '{small_model}'")
        con.sql(predict(Path("mine"), folder).replace("'mine'", "mine")).fetchall()
        n_computed()
        columns = "model, precision, decoder, clips, hours > 0, bytes > 0, path"
        assert con.sql(f"SELECT {columns} FROM thano_cache()").fetchall() == [
            ("mine@1", "float32", "greedy", N_CLIPS, True, True, str(tmp_path / "home" / FILE_NAME))
        ]
        con.execute("DELETE MODEL mine")  # its transcripts can be deleted afterwards
        assert con.execute("DELETE CACHE FOR MODEL other").fetchall() == []
        assert len(con.execute("DELETE CACHE FOR MODEL mine").fetchall()) == 1
        assert con.sql("FROM thano_cache()").fetchall() == []
        con.sql(predict(small_model, folder)).fetchall()
        assert n_computed() == N_CLIPS
        con.execute("DELETE CACHE")
        con.sql(predict(small_model, folder)).fetchall()
        assert n_computed() == N_CLIPS


def test_a_view_cannot_delete_the_cache(tmp_path: Path) -> None:
    with connect(tmp_path) as con:
        con.execute("CREATE VIEW sly AS FROM thano_models()")
        con.execute("CREATE OR REPLACE VIEW sly AS FROM thano_delete_cache()")
        with pytest.raises(RegistryError, match="called by a view"):
            con.sql("FROM sly").fetchall()


# Problems: the statement goes on, with one warning


def problems(con: thano_duckdb.Connection, query: str) -> list[str]:
    found = thano_warnings(lambda: con.sql(query).fetchall())
    assert len(found) <= 1
    return found


def test_a_full_disk_costs_one_warning(
    tmp_path: Path, folder: Path, small_model: Path, n_computed: Callable[[], int], monkeypatch: pytest.MonkeyPatch
) -> None:
    with connect(tmp_path, cache=True) as con:
        con.sql(predict(small_model, folder, "batch_size=1")).fetchall()  # creates the store
        con.execute("DELETE CACHE")
        n_computed()
        write = SqliteStore.write

        def full(self: SqliteStore, batch: Any) -> None:
            n_pages = self._pragma("page_count")
            self._writer.execute(f"PRAGMA max_page_count = {n_pages}")
            batch.files.update({os.urandom(16): os.urandom(50_000) for _ in range(20)})
            write(self, batch)

        with monkeypatch.context() as patch:
            patch.setattr(SqliteStore, "write", full)
            [warning] = problems(con, predict(small_model, folder))
        assert "there is no space left for the transcript cache" in warning
        assert n_computed() == N_CLIPS


@pytest.mark.parametrize("content", [b"damaged" * 2000, b""])
def test_a_damaged_store_costs_one_warning_and_stays(
    tmp_path: Path, folder: Path, small_model: Path, content: bytes
) -> None:
    home = tmp_path / "home"
    home.mkdir()
    (home / FILE_NAME).write_bytes(content)
    with connect(tmp_path, cache=True) as con:
        found = problems(con, predict(small_model, folder))
        assert [("is damaged" in each and "DELETE CACHE" in each) for each in found] == ([True] if content else [])
        if content:
            assert (home / FILE_NAME).read_bytes() == content
            [moved] = thano_warnings(lambda: con.execute("DELETE CACHE"))
            assert "was moved to" in moved
            assert problems(con, predict(small_model, folder)) == []
            assert [path.read_bytes() for path in home.glob("*damaged*")] == [content]


def test_a_locked_store_costs_one_warning(
    tmp_path: Path, folder: Path, small_model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sqlite_store, "BUSY_S", 0.2)
    with connect(tmp_path, cache=True) as con:
        con.sql(predict(small_model, folder)).fetchall()
        con.execute("DELETE CACHE")
        other = sqlite3.connect(tmp_path / "home" / FILE_NAME, isolation_level=None)
        other.execute("BEGIN IMMEDIATE")
        [warning] = problems(con, predict(small_model, folder))
        assert "another process keeps the transcript cache" in warning
        other.execute("ROLLBACK")
        other.close()


def test_a_database_that_may_not_write_files_keeps_nothing_and_says_so(
    tmp_path: Path, folder: Path, small_model: Path, n_computed: Callable[[], int]
) -> None:
    with connect(tmp_path, cache=True) as con:
        con.execute(f"UPLOAD MODEL mine FROM '{small_model}'")
        con.execute("DELETE CACHE")
    clips = [path.read_bytes() for path in sorted(folder.glob("*.wav"))]
    with connect(tmp_path, cache=True, config={"enable_external_access": "false"}) as con:
        con.execute("CREATE TABLE clips (audio_path BLOB)")
        con.executemany("INSERT INTO clips VALUES (?)", [[clip] for clip in clips])
        [warning] = problems(con, "PREDICT USING mine AS FROM clips")
        assert "may not write files" in warning
        assert "keeping transcripts in the model home" in warning
        assert n_computed() == N_CLIPS
        with pytest.raises(RegistryError, match="may not read the transcript cache"):
            con.sql("FROM thano_cache()").fetchall()
        with pytest.raises(RegistryError, match="DELETE CACHE is refused"):
            con.execute("DELETE CACHE")
        con.execute("CREATE SCHEMA kept")
        for expected in (N_CLIPS, 0):  # its own tables it may write
            con.sql("PREDICT USING mine OPTIONS (cache='kept') AS FROM clips").fetchall()
            assert n_computed() == expected
    assert not (tmp_path / "home" / FILE_NAME).exists()


def test_a_schema_that_is_missing_or_read_only_is_refused(tmp_path: Path, folder: Path, small_model: Path) -> None:
    database = tmp_path / "a.duckdb"
    with connect(tmp_path, database) as con:
        con.execute("CREATE SCHEMA kept")
        with pytest.raises(ThanoError, match=r"there is no schema 'kepd' in the database 'a' .*Did you mean 'kept'\?"):
            con.sql(predict(small_model, folder, "cache='kepd'")).fetchall()
    with (
        connect(tmp_path, database, read_only=True) as con,
        pytest.raises(ThanoError, match="open read-only, so transcripts cannot be kept"),
    ):
        con.sql(predict(small_model, folder, "cache='kept'")).fetchall()


def test_transcripts_in_a_schema_stay_where_the_statement_is_rolled_back(
    tmp_path: Path, folder: Path, small_model: Path, n_computed: Callable[[], int]
) -> None:
    with connect(tmp_path, tmp_path / "a.duckdb") as con:
        query = predict(small_model, folder, "cache='kept'")
        con.execute("CREATE SCHEMA kept")
        con.execute("BEGIN")
        con.execute(f"CREATE TABLE texts AS {query}")
        con.execute("ROLLBACK")
        assert n_computed() == N_CLIPS
        assert con.sql("SELECT count(*), count(DISTINCT clip) FROM kept.thano_transcripts").fetchall() == [
            (N_CLIPS, N_CLIPS)
        ]
        con.execute(f"CREATE TABLE texts AS {query}")
        assert n_computed() == 0


def test_the_schema_is_one_of_the_database_of_the_connection(
    tmp_path: Path, folder: Path, small_model: Path, n_computed: Callable[[], int]
) -> None:
    query = predict(small_model, folder, "cache='kept'")
    with connect(tmp_path) as con:
        con.execute("CREATE SCHEMA kept; ATTACH ':memory:' AS kept; CREATE SCHEMA kept.other; USE kept")
        for expected in (N_CLIPS, 0):
            con.sql(query).fetchall()
            assert n_computed() == expected
        assert con.sql("SELECT count(*) FROM memory.kept.thano_transcripts").fetchall() == [(N_CLIPS,)]
        with pytest.raises(ThanoError, match="there is no schema 'other' in the database 'memory' to keep"):
            con.sql(predict(small_model, folder, "cache='other'")).fetchall()


@pytest.mark.parametrize("change", ["text = NULL", "words = 'ab'::BLOB", "more = '{'", "words_utf8 = 'X'::BLOB"])
def test_rows_that_are_no_transcripts_cost_one_warning(
    tmp_path: Path, folder: Path, small_model: Path, n_computed: Callable[[], int], change: str
) -> None:
    with connect(tmp_path, cache="main") as con:
        first = con.sql(predict(small_model, folder, "include='words'")).fetchall()
        con.execute(f"UPDATE thano_transcripts SET {change}")
        n_computed()
        [warning] = thano_warnings(
            lambda: _same(con.sql(predict(small_model, folder, "include='words'")).fetchall(), first)
        )
        assert '"memory"."main".thano_transcripts holds rows that are not transcripts: DELETE them' in warning
        assert n_computed() == N_CLIPS


@pytest.mark.parametrize("cache", [True, False])
def test_the_message_of_ctrl_c_says_how_long_transcripts_are_kept(
    tmp_path: Path, folder: Path, small_model: Path, n_computed: Callable[[], int], cache: bool,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    compute = LocalRunner.run
    with connect(tmp_path, cache=cache) as con:

        def interrupted(self: LocalRunner, jobs: Sequence[Any], options: Any, monitor: Any) -> Any:
            for number, finished in enumerate(compute(self, jobs, options, monitor)):
                if number == 3:
                    con.interrupt()
                monitor.raise_if_cancelled()
                yield finished

        with monkeypatch.context() as patch:
            patch.setattr(LocalRunner, "run", interrupted)
            with pytest.raises(duckdb.InterruptException) as caught:
                con.sql(predict(small_model, folder, "batch_size=1")).fetchall()
        wanted = running_statement.TRANSCRIPTS_LAST if cache else running_statement.TRANSCRIPTS_KEPT
        assert wanted in str(caught.value)
        n_computed()
        con.sql(predict(small_model, folder)).fetchall()
        assert n_computed() == (N_CLIPS - 3 if cache else N_CLIPS)


def test_a_plain_connection_has_the_cache_too(
    tmp_path: Path, folder: Path, small_model: Path, n_computed: Callable[[], int]
) -> None:
    con = thano_duckdb.load(duckdb.connect(), model_home=tmp_path / "home", progress=False, cache=True)
    query = f"SELECT thano_transcribe('{small_model}', file).text FROM glob('{folder}/*.wav')"
    first = con.sql(query).fetchall()
    assert n_computed() == N_CLIPS
    assert con.sql(query).fetchall() == first
    assert n_computed() == 0
    con.close()


def test_only_new_rows_are_computed_with_and_without_an_anti_join(
    tmp_path: Path, folder: Path, small_model: Path, n_computed: Callable[[], int]
) -> None:
    with connect(tmp_path, cache=True) as con:
        con.execute(f"CREATE VIEW calls AS SELECT file AS audio_path FROM glob('{folder}/*.wav')")
        con.execute("CREATE TABLE texts (audio_path VARCHAR, predicted VARCHAR)")
        for n_new in (N_CLIPS, 0, 1):
            if n_new == 1:
                shorten(min(folder.glob("*.wav")), folder / "new.wav")
            con.execute(
                f"INSERT INTO texts PREDICT USING '{small_model}' AS FROM calls ANTI JOIN texts USING (audio_path)"
            )
            assert n_computed() == n_new
        con.sql(f"PREDICT USING '{small_model}' AS FROM calls").fetchall()
        assert n_computed() == 0
