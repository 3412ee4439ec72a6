"""A connection begins and ends as DuckDB's own: at once, without a trace, and without waiting for anything."""

from __future__ import annotations

import contextlib
import copy
import gc
import os
import shutil
import subprocess
import sys
import threading
import time
import weakref
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import duckdb
import pytest

import thano_duckdb
from thano_duckdb.functions.installation import FUNCTIONS


@pytest.fixture
def no_collector() -> Iterator[None]:
    """Switch the garbage collector off: what is freed is freed by its last reference."""
    gc.collect()
    gc.disable()
    yield
    gc.enable()


def used(con: thano_duckdb.Connection) -> None:
    """What creates objects that know the connection: relations, rows left to fetch, cursors, errors, statements."""
    con.execute("CREATE TABLE t AS FROM range(5) t(i)")
    assert con.sql("FROM t").filter("i > 1").project("thano_normalize(i::VARCHAR)").fetchall()
    assert next(iter(con.table("t").iter_rows()))
    with con.cursor() as cursor:
        cursor.sql("SELECT thano_normalize('A')").fetchall()
    with pytest.raises(duckdb.Error):
        con.sql("FROM nowhere")
    with pytest.raises(thano_duckdb.DialectError):
        con.sql("PREDICT USING nothing AS FROM t")
    con.sql("PREDICT USING Wav2Vec2TinyEn AS SELECT NULL::VARCHAR AS audio_path").fetchall()
    con.execute("LIST MODEL").fetchone()


@pytest.mark.usefixtures("no_collector")
def test_a_dropped_connection_unlocks_its_file_at_once(tmp_path: Path, any_small_model: Path) -> None:
    database = tmp_path / "my.duckdb"
    con = thano_duckdb.connect(database)
    used(con)
    raw, session = weakref.ref(con._raw), weakref.ref(con._session)
    del con
    assert (raw(), session()) == (None, None)
    check = f"import duckdb; duckdb.connect('{database}').close()"
    subprocess.run([sys.executable, "-c", check], check=True)


@pytest.mark.usefixtures("no_collector")
def test_dropped_connections_leave_no_threads() -> None:
    def n_threads() -> int:
        return len(os.listdir("/proc/self/task"))

    thano_duckdb.connect().execute("SELECT 1")
    before = n_threads()
    for _ in range(20):
        thano_duckdb.connect().execute("SELECT 1")
        duckdb.connect().close()
    assert n_threads() <= before


@pytest.mark.usefixtures("no_collector")
def test_a_plain_connection_is_freed_too(tmp_path: Path) -> None:
    database = tmp_path / "my.duckdb"
    con = thano_duckdb.load(duckdb.connect(database))
    con.sql("FROM thano_models()").fetchall()
    con.close()  # closed and still referenced: none of our objects keeps the database open
    check = f"import duckdb; duckdb.connect('{database}').close()"
    subprocess.run([sys.executable, "-c", check], check=True)


def test_a_relation_keeps_its_connection() -> None:
    assert thano_duckdb.connect().sql("SELECT thano_normalize('A')").fetchall() == [("a",)]


def test_the_functions_outlive_the_connection_that_registered_them(tmp_path: Path) -> None:
    first = thano_duckdb.connect(tmp_path / "my.duckdb")
    second = thano_duckdb.connect(tmp_path / "my.duckdb")  # the same database in this process
    first.close()
    del first
    gc.collect()
    overwritten = [lambda number=number: number for number in range(10_000)]
    for function in FUNCTIONS:
        call = f"SELECT {function.name}('a', 'b', 'c', 'd', 'e')"
        with contextlib.suppress(duckdb.Error, thano_duckdb.ThanoError):  # the types are wrong for most
            second.execute(call).fetchall()
    assert second.execute("SELECT thano_normalize('A')").fetchall() == [("a",)]
    assert len(overwritten) == 10_000
    second.close()


# Installing leaves no trace


def test_a_new_connection_has_no_result() -> None:
    with thano_duckdb.connect() as con, con.cursor() as cursor:
        assert con.description is None
        assert cursor.description is None
        assert con.rowcount == duckdb.connect().rowcount


def test_loading_keeps_the_rows_that_are_left_to_fetch() -> None:
    with duckdb.connect() as con:
        con.execute("FROM range(5)")
        assert con.fetchone() == (0,)
        with pytest.raises(thano_duckdb.ThanoError, match="rows of its last execute"):
            thano_duckdb.load(con)
        assert con.fetchall() == [(1,), (2,), (3,), (4,)]
        thano_duckdb.load(con).sql("SELECT thano_normalize('A')").fetchall()


def test_loading_in_a_transaction_is_refused_and_later_works() -> None:
    with duckdb.connect() as con:
        con.begin()
        with pytest.raises(thano_duckdb.ThanoError, match="inside a transaction"):
            thano_duckdb.load(con)
        con.rollback()
        assert thano_duckdb.load(con).sql("SELECT thano_normalize('A')").fetchall() == [("a",)]


@pytest.mark.parametrize("begin", ["BEGIN", "begin transaction", "START TRANSACTION", None])
def test_our_functions_survive_a_rollback(con: thano_duckdb.Connection, begin: str | None) -> None:
    with con.cursor() as cursor:  # which gets its macros only when something needs them
        cursor.execute(begin) if begin else cursor.begin()
        assert cursor.execute("SELECT thano_audio_info(NULL)").fetchall() == [(None,)]
        cursor.rollback()
        assert cursor.execute("SELECT thano_audio_info(NULL)").fetchall() == [(None,)]


def test_a_new_cursor_runs_every_statement_once(con: thano_duckdb.Connection) -> None:
    con.execute("CREATE TABLE t (info VARCHAR)")
    con.execute("CREATE VIEW v AS SELECT thano_audio_info(NULL) IS NULL AS n")
    uses: list[Callable[[thano_duckdb.Connection], Any]] = [
        lambda cursor: cursor.execute("INSERT INTO t VALUES ('a'); SELECT thano_audio_info(NULL)").fetchall(),
        lambda cursor: cursor.execute("INSERT INTO t VALUES ('a'); FROM v").fetchall(),
        lambda cursor: cursor.sql("INSERT INTO t VALUES ('a'); FROM v").fetchall(),
        lambda cursor: cursor.execute("INSERT INTO t SELECT thano_normalize('a') FROM v"),
        lambda cursor: cursor.executemany("INSERT INTO t SELECT ? FROM v", [["a"]]),
        lambda cursor: cursor.execute("INSERT INTO t SELECT n FROM v"),
        lambda cursor: cursor.table("v").fetchall() and cursor.execute("INSERT INTO t VALUES ('a')"),
        lambda cursor: (
            cursor.sql("SELECT NULL::VARCHAR AS a").project("thano_audio_info(a)").fetchall()
            and cursor.execute("INSERT INTO t VALUES ('a')")
        ),
        lambda cursor: cursor.execute("INSERT INTO t SELECT min(name) FROM (LIST THANOSQL DATASET)"),
        lambda cursor: cursor.raw.execute("INSERT INTO t SELECT n FROM v"),
    ]
    for number, use in enumerate(uses, 1):
        with con.cursor() as cursor:
            use(cursor)
        assert con.execute("SELECT count(*) FROM t").fetchall() == [(number,)], number


# Transactions and read-only databases


def model_statements(folder: Path) -> list[str]:
    return [
        f"UPLOAD MODEL m FROM '{folder}'",
        "DELETE MODEL m",
        "BUILD MODEL m USING Wav2Vec2TinyEn AS SELECT ''::BLOB AS audio_path, 'a' AS text",
        "FIT MODEL m USING m AS SELECT ''::BLOB AS audio_path, 'a' AS text",
        "GET THANOSQL MODEL Wav2Vec2TinyEn OPTIONS (model_name='m')",
        "GET THANOSQL DATASET librispeech_data",
        "FROM thano_delete_model('m')",
        "BUILD LANGUAGE MODEL m AS SELECT 'a b' AS text",
        "SELECT thano_build_language_model('m', '{}', text) FROM (SELECT 'a b' AS text)",
        f"UPLOAD LANGUAGE MODEL m FROM '{folder}'",
    ]


def test_model_statements_are_refused_in_a_transaction(
    con: thano_duckdb.Connection, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for statement in model_statements(tmp_path):
        con.execute("BEGIN")
        for run in (con.execute, con.sql, lambda text: con.sql(text).fetchall(), con.executemany):
            with pytest.raises(thano_duckdb.RegistryError, match="inside a transaction"):
                run(statement)
        con.rollback()
        for text in (f"BEGIN; {statement}; ROLLBACK", f"{statement}; COMMIT"):
            with pytest.raises(thano_duckdb.RegistryError, match="inside a transaction"):
                con.execute(text)
    assert list(tmp_path.iterdir()) == []
    con.begin()
    con.sql("PREDICT USING Wav2Vec2TinyEn AS SELECT NULL::VARCHAR AS audio_path").fetchall()
    con.sql("LIST MODEL").fetchall()
    con.commit()


def test_model_statements_are_refused_on_a_read_only_database(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, any_small_model: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    database = tmp_path / "my.duckdb"
    duckdb.connect(database).close()
    with thano_duckdb.connect(database, read_only=True) as con:
        for statement in model_statements(any_small_model):
            with pytest.raises(thano_duckdb.ThanoError, match="open read-only"):
                con.sql(statement).fetchall()
        assert con.sql("LIST MODEL").fetchall() == []
    assert [path.name for path in tmp_path.iterdir()] == ["my.duckdb"]


# The model of a statement


def test_a_statement_goes_on_with_the_model_that_it_began_with(
    con: thano_duckdb.Connection, an4_model: Path, an4_clip: str, tmp_path: Path
) -> None:
    folder = shutil.copytree(an4_model, tmp_path / "model")
    n_calls = 0

    def clip_of(number: int) -> str:
        nonlocal n_calls
        n_calls += 1
        if n_calls == 5000:  # another vector than the first
            shutil.rmtree(folder)
        return an4_clip

    con.create_function("clip_of", clip_of, ["BIGINT"], "VARCHAR")
    con.execute("SET threads = 1")
    predict = f"PREDICT USING '{folder}' AS SELECT clip_of(i) AS audio_path FROM range(10000) t(i)"
    found = con.sql(f"SELECT predicted, count(*) FROM ({predict}) GROUP BY ALL").fetchall()
    assert len(found) == 1
    assert found[0][1] == 10_000
    assert not folder.exists()


# DuckDB's own API


def test_what_duckdb_takes_by_position_and_by_name(tmp_path: Path) -> None:
    with thano_duckdb.connect(":memory:", False, {"threads": 1}) as con:
        assert con.execute("SELECT current_setting('threads')").fetchall() == [(1,)]
        con.create_function(name="f", function=lambda x: x + 1, parameters=["INTEGER"], return_type="INTEGER")
        con.create_function("g", function=lambda x: x + 2, parameters=["INTEGER"], return_type="INTEGER")
        assert con.sql(query="SELECT f(1), g(1)").fetchall() == [(2, 3)]
        assert con.execute(query="SELECT ?", parameters=[1]).fetchall() == [(1,)]
        run: Any = duckdb.sql
        assert run("SELECT thano_normalize('A')", connection=con).fetchall() == [("a",)]
        assert ("librispeech_data",) in run("SELECT name FROM (LIST THANOSQL DATASET)", connection=con).fetchall()
        with pytest.raises(TypeError, match="cursor"):
            copy.copy(con)
    duckdb.connect(tmp_path / "a.duckdb").close()
    with thano_duckdb.connect(tmp_path / "a.duckdb", True) as con, pytest.raises(duckdb.Error, match="read-only"):
        con.execute("CREATE TABLE t (a INTEGER)")


# Another thread


class Worker(threading.Thread):
    """Runs a call, and keeps what it raised and when."""

    def __init__(self, call: Callable[[], Any]) -> None:
        super().__init__()
        self.call = call
        self.error: BaseException | None = None
        self.ended_s = 0.0

    def run(self) -> None:
        try:
            self.call()
        except BaseException as error:  # noqa: BLE001 - the test looks at it
            self.error = error
        self.ended_s = time.monotonic()


SLOW = "SELECT count(*) FROM range(100000000000)"


@pytest.mark.parametrize("run", [lambda con: con.execute(SLOW).fetchall(), lambda con: con.sql(SLOW).fetchall()])
def test_interrupt_and_close_from_another_thread(run: Callable[[thano_duckdb.Connection], Any]) -> None:
    con = thano_duckdb.connect()
    for stop, error in ((con.interrupt, duckdb.InterruptException), (con.close, duckdb.ConnectionException)):
        worker = Worker(lambda: run(con))
        worker.start()
        time.sleep(0.3)
        started_s = time.monotonic()
        stop()
        worker.join()
        assert worker.ended_s - started_s < 2
        assert type(worker.error) is error
        if stop == con.interrupt:
            assert con.execute("SELECT 1").fetchall() == [(1,)]
    assert "closed by another thread" in str(worker.error)
    con.close()


def test_no_statement_begins_once_another_thread_closes() -> None:
    con = thano_duckdb.connect()
    errors: list[duckdb.Error] = []

    def work() -> None:
        while len(errors) < 3:  # one that reports an error, and goes on with the next statement
            try:
                con.execute(SLOW).fetchall()
            except duckdb.ConnectionException as error:
                errors.append(error)

    worker = Worker(work)
    worker.start()
    time.sleep(0.3)
    con.close()
    worker.join()
    assert worker.error is None
    with pytest.raises(duckdb.ConnectionException, match="already closed"):
        con.execute("SELECT 1")


@pytest.mark.parametrize("delay_ms", [0, 1, 2, 4, 8, 12, 20])
@pytest.mark.parametrize("stop", ["interrupt", "close"])
def test_the_first_statement_of_a_cursor_can_be_stopped_at_any_moment(stop: str, delay_ms: int) -> None:
    """Our functions are installed before it, which takes some milliseconds."""
    with thano_duckdb.connect() as con:
        cursor = con.cursor()
        begun = threading.Event()

        def work() -> None:
            begun.set()
            cursor.execute(SLOW).fetchall()

        worker = Worker(work)
        worker.start()
        begun.wait()
        time.sleep(delay_ms / 1000)
        while worker.is_alive():  # DuckDB's own interrupt does nothing before a statement has begun, either
            getattr(cursor, stop)()
            worker.join(1)
        assert type(worker.error) in (duckdb.InterruptException, duckdb.ConnectionException)


INTERRUPTED_WHILE_LOADING = """
import sys, threading, time, duckdb, thano_duckdb
con = thano_duckdb.connect()
statement = "{statement}"
ended = []
def work():
    try:
        con.execute(statement).fetchall()
    except BaseException as error:
        ended.append((time.monotonic(), type(error).__name__))
thread = threading.Thread(target=work)
thread.start()
while "torch" not in sys.modules:
    time.sleep(0.01)
started = time.monotonic()
con.{stop}()
thread.join()
print(ended[0][1], ended[0][0] - started)
"""
PREDICT_A_CLIP = "PREDICT USING '{model}' AS SELECT '{clip}' AS audio_path"
BUILD_FROM_A_CLIP = "BUILD MODEL m USING '{model}' AS SELECT '{clip}' AS audio_path, 'a' AS text"


@pytest.mark.parametrize(
    ("statement", "stop"),
    [
        (PREDICT_A_CLIP, "interrupt"),
        (BUILD_FROM_A_CLIP, "close"),
        pytest.param(PREDICT_A_CLIP, "close", marks=pytest.mark.nightly),
        pytest.param(BUILD_FROM_A_CLIP, "interrupt", marks=pytest.mark.nightly),
    ],
)
def test_neither_waits_while_torch_is_imported(
    statement: str, stop: str, an4_model: Path, an4_clip: str, tmp_path: Path
) -> None:
    text = statement.format(model=an4_model, clip=an4_clip)
    code = INTERRUPTED_WHILE_LOADING.format(statement=text, stop=stop)
    environment = {**os.environ, "THANO_HOME": str(tmp_path)}
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, env=environment)
    name, seconds = run.stdout.split()
    assert name == {"interrupt": "InterruptException", "close": "ConnectionException"}[stop]
    assert float(seconds) < 1.5
    assert run.stderr == ""


@pytest.mark.parametrize(
    "call",
    [
        lambda con: con.get_table_names("FROM t"),
        lambda con: con.execute("SELECT 1"),
        lambda con: con.sql("SELECT 1"),
        lambda con: con.cursor(),
        lambda con: con.extract_statements("SELECT 1"),
    ],
    ids=["get_table_names", "execute", "sql", "cursor", "extract_statements"],
)
def test_a_closed_connection_says_what_duckdb_says(call: Callable[[Any], object]) -> None:
    errors = []
    for con in (duckdb.connect(), thano_duckdb.connect()):
        con.close()
        with pytest.raises(duckdb.ConnectionException) as caught:
            call(con)
        errors.append(str(caught.value))
    assert errors[0] == errors[1]
