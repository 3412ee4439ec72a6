"""Statements that take every row read their clips ahead, which shows in nothing but the time that they take."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any
from unittest import mock

import duckdb
import pytest

import thano_duckdb
from tests.functions.written_calls import N_ROWS, Calls, ahead_threads, without_reading_ahead
from thano_duckdb import ThanoWarning
from thano_duckdb.errors import AudioError
from thano_duckdb.functions import rows_ahead
from thano_duckdb.monitoring.monitor import Monitor
from thano_duckdb.speech.job_runner import Job
from thano_duckdb.speech.jobs_ahead import MAX_ROWS_AHEAD, JobsAhead

COLUMNS = "SELECT id, audio_path FROM clips"


@pytest.mark.parametrize(
    "statements",
    [
        [f"CREATE OR REPLACE TABLE t AS PREDICT USING M OPTIONS (include='error') AS {COLUMNS}", "FROM t"],
        [f"CREATE OR REPLACE TABLE t AS PREDICT USING M AS {COLUMNS} WHERE id % 5 > 0 ORDER BY id DESC", "FROM t"],
        ["CREATE OR REPLACE TABLE t AS PREDICT USING M AS SELECT *, id, 1 AS id FROM clips WHERE id > 100", "FROM t"],
        [
            "CREATE OR REPLACE TABLE t (id BIGINT, path VARCHAR, predicted VARCHAR)",
            "INSERT INTO t (id, path, predicted) PREDICT USING M OPTIONS (audio_col='a') AS "
            "SELECT id, audio_path AS a FROM clips",
            "FROM t",
        ],
        [f"COPY (PREDICT USING M AS {COLUMNS}) TO 'FILE' (FORMAT parquet)", "FROM 'FILE'"],
        ["EVALUATE USING M AS FROM clips WHERE audio_path IS NOT NULL"],
        ["EVALUATE USING M OPTIONS (by='half') AS SELECT *, id % 2 AS half FROM clips"],
    ],
    ids=["create", "sorted", "duplicates", "insert", "copy", "evaluate", "by"],
)
def test_the_result_is_the_same_with_and_without(
    table: Callable[..., list[Any]], calls: Calls, tmp_path: Path, statements: list[str]
) -> None:
    results, warnings = [], []
    for context in (without_reading_ahead(), mock.MagicMock()):
        calls.threads.clear()
        with context, pytest.warns(ThanoWarning) as warned:
            rows = table(*(sql.replace("FILE", str(tmp_path / "t.parquet")) for sql in statements))
        results.append([row for row in rows if row[0] != "speed"])
        warnings.append([str(each.message) for each in warned])
    assert calls.reads_ahead
    assert results[0] == results[1]
    assert warnings[0] == warnings[1]
    assert ahead_threads() == []


def test_one_thread_of_duckdb_asks_for_the_rows_in_the_order_in_which_they_are_read(
    con: thano_duckdb.Connection, table: Callable[..., list[Any]], calls: Calls
) -> None:
    con.execute("SET threads = 4")
    con.execute("CREATE OR REPLACE TABLE clips AS SELECT i, 'c' || i || '.wav' AS audio_path FROM range(130_000) t(i)")
    table("CREATE TABLE t AS PREDICT USING M AS FROM clips")
    assert len(calls.locations) == 130_000
    assert calls.threads.count("thano-ahead") > len(calls.threads) / 2
    assert con.sql("SELECT bool_and(i = rowid AND predicted = 'c' || i) FROM t").fetchall() == [(True,)]


def test_select_stays_lazy(
    con: thano_duckdb.Connection, table: Callable[..., list[Any]], calls: Calls, small_model: Path
) -> None:
    table(f"PREDICT USING M AS {COLUMNS} LIMIT 3")
    assert calls.locations == ["clip0.wav"]
    calls.locations.clear()
    con.sql(f"PREDICT USING '{small_model}' AS {COLUMNS}")
    assert calls.locations == []
    assert not calls.reads_ahead


def test_a_statement_of_one_vector_is_not_read_twice(table: Callable[..., list[Any]], calls: Calls) -> None:
    with mock.patch.object(rows_ahead.RowsAhead, "_read", side_effect=AssertionError):
        table(f"CREATE TABLE t AS PREDICT USING M AS {COLUMNS} WHERE id BETWEEN 100 AND 200")
    assert not calls.reads_ahead


@pytest.mark.parametrize(
    "query",
    [
        "SELECT *, nextval('s') AS n FROM clips",
        "FROM clips USING SAMPLE 5000",
        "SELECT id, audio_path::BLOB AS audio_path FROM clips",
        "SELECT id, {'path': audio_path, 'bytes': NULL::BLOB} AS audio_path FROM clips",
        "FROM temporary",
        "FROM frame",
        "PREDICT USING M OPTIONS (result_col='other') AS FROM clips",
    ],
)
def test_what_must_not_or_need_not_be_read_twice_is_not(
    con: thano_duckdb.Connection, table: Callable[..., list[Any]], calls: Calls, query: str
) -> None:
    con.execute("CREATE SEQUENCE s")
    con.execute("UPDATE clips SET audio_path = 'clip1.wav'")
    con.execute("CREATE TEMP TABLE temporary AS FROM clips")
    con.register("frame", con.sql("FROM clips").to_arrow_table())
    table(f"CREATE TABLE t AS PREDICT USING M AS {query}")
    assert not calls.reads_ahead
    if "nextval" in query:
        assert con.sql("SELECT min(n), max(n), count(*) FROM t").fetchall() == [(1, N_ROWS, N_ROWS)]


def test_own_changes_within_a_transaction_are_seen(
    con: thano_duckdb.Connection, table: Callable[..., list[Any]], calls: Calls
) -> None:
    con.begin()
    table("UPDATE clips SET audio_path = 'new' || id || '.wav'", "CREATE TABLE t AS PREDICT USING M AS FROM clips")
    con.commit()
    assert con.sql("SELECT count(*) FROM t WHERE predicted = 'new' || id").fetchall() == [(N_ROWS,)]
    assert not calls.reads_ahead


def test_the_first_failure_ends_a_statement_that_asks_for_it(
    con: thano_duckdb.Connection, table: Callable[..., list[Any]], calls: Calls
) -> None:
    con.execute(
        "CREATE OR REPLACE TABLE clips AS SELECT i AS id, 'c' || i || '.wav' AS audio_path FROM range(60_000) t(i)"
    )
    con.execute("UPDATE clips SET audio_path = 'bad.wav' WHERE id = 5000")
    with pytest.raises(AudioError, match=r"bad\.wav"):
        table("CREATE TABLE t AS PREDICT USING M OPTIONS (on_error='fail') AS FROM clips ORDER BY id")
    assert calls.reads_ahead
    assert len(calls.locations) <= 5000 + 2048 + 2 * MAX_ROWS_AHEAD
    assert ahead_threads() == []
    assert con.execute("SELECT 1").fetchall() == [(1,)]


def test_an_error_of_the_model_is_that_of_the_statement(table: Callable[..., list[Any]], calls: Calls) -> None:
    def fail(job: Job, _monitor: Monitor) -> None:
        if job.clip.location == "clip2000.wav":
            raise RuntimeError("the device is lost")

    calls.before = fail
    with pytest.raises(duckdb.Error, match="the device is lost"):
        table(f"CREATE TABLE t AS PREDICT USING M AS {COLUMNS}")
    assert ahead_threads() == []


def test_an_error_of_the_query_is_that_of_the_statement(table: Callable[..., list[Any]]) -> None:
    with pytest.raises(duckdb.ConversionException, match="CLIP"):
        table("CREATE TABLE t AS PREDICT USING M AS FROM clips WHERE id < 2000 OR text::INT > 0")
    assert ahead_threads() == []


def hang_at(calls: Calls, location: str) -> threading.Event:
    hangs = threading.Event()

    def before(job: Job, monitor: Monitor) -> None:
        while job.clip.location == location:
            hangs.set()
            time.sleep(0.01)
            monitor.raise_if_cancelled()

    calls.before = before
    return hangs


@pytest.mark.parametrize("how", ["ctrl-c", "interrupt", "close"])
def test_a_statement_that_waits_for_clips_ahead_is_stopped_within_a_second(
    con: thano_duckdb.Connection, table: Callable[..., list[Any]], calls: Calls, how: str
) -> None:
    hangs = hang_at(calls, "clip2000.wav")
    pressed_s = []

    def stop() -> None:
        hangs.wait(30)
        time.sleep(0.3)
        pressed_s.append(time.monotonic())
        {"ctrl-c": lambda: os.kill(os.getpid(), signal.SIGINT), "interrupt": con.interrupt, "close": con.close}[how]()

    stopper = threading.Thread(target=stop)
    stopper.start()
    with pytest.raises((KeyboardInterrupt, duckdb.Error)):
        table(f"CREATE TABLE t AS PREDICT USING M AS {COLUMNS}")
    assert time.monotonic() - pressed_s[0] < 1.5
    stopper.join()
    assert calls.reads_ahead
    assert ahead_threads() == []


def test_what_was_transcribed_ahead_is_kept_after_ctrl_c(
    table: Callable[..., list[Any]], calls: Calls, tmp_path: Path
) -> None:
    for number in range(20):
        (tmp_path / f"real{number}.wav").touch()
    files = f"(SELECT i AS id, '{tmp_path}/real' || (i // 300) || '.wav' AS audio_path FROM range(6000) t(i))"
    hangs = hang_at(calls, f"{tmp_path}/real19.wav")

    def press() -> None:
        if hangs.wait(30):
            os.kill(os.getpid(), signal.SIGINT)

    stopper = threading.Thread(target=press)
    stopper.start()
    with pytest.raises(KeyboardInterrupt):
        table(f"CREATE TABLE t AS PREDICT USING M AS FROM {files}")
    stopper.join()
    calls.before = lambda _job, _monitor: None
    calls.locations.clear()
    table(f"CREATE TABLE t AS PREDICT USING M AS FROM {files}")
    assert f"{tmp_path}/real19.wav" in calls.locations
    assert len(calls.locations) < 20  # what was under way beside it was not finished


def real_files(folder: Path, n_files: int) -> str:
    """A query of 512 rows for each of some files, four of them in a vector."""
    for number in range(n_files):
        (folder / f"real{number}.wav").touch()
    return f"SELECT i AS id, '{folder}/real' || (i // 512) || '.wav' AS audio_path FROM range({512 * n_files}) t(i)"


def test_rows_whose_transcripts_are_all_known_are_not_read_twice(
    table: Callable[..., list[Any]], calls: Calls, tmp_path: Path
) -> None:
    statement = f"CREATE OR REPLACE TABLE t AS PREDICT USING M AS {real_files(tmp_path, 24)}"
    first = table(statement, "FROM t")
    assert calls.reads_ahead
    calls.threads.clear()
    with mock.patch.object(rows_ahead.RowsAhead, "_read", side_effect=AssertionError):
        assert table(statement, "FROM t") == first
    assert calls.threads == []


def test_reading_begins_after_the_vector_with_the_first_unknown_clip(
    table: Callable[..., list[Any]], calls: Calls, tmp_path: Path
) -> None:
    query = real_files(tmp_path, 24)
    table(f"CREATE TABLE known AS PREDICT USING M AS FROM ({query}) WHERE id < 4096")
    calls.locations.clear()
    read: list[str] = []
    original = JobsAhead.read

    def watched(ahead: JobsAhead, *arguments: Any) -> bool:
        read.extend(Path(job.clip.location).stem for job in arguments[-1])
        return original(ahead, *arguments)

    with mock.patch.object(JobsAhead, "read", watched):
        rows = table(f"CREATE TABLE t AS PREDICT USING M AS {query}", "FROM t")
    assert read == [f"real{number}" for number in range(12, 24)]
    assert sorted(calls.locations) == sorted(f"{tmp_path}/real{number}.wav" for number in range(8, 24))
    assert [text for *_, text in rows] == [f"real{i // 512}" for i in range(512 * 24)]
