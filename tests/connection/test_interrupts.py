"""Ctrl-C, or another thread, is answered within a second, and nothing that was transcribed is lost."""

from __future__ import annotations

import itertools
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pytest
import soundfile as sf

import thano_duckdb
from thano_duckdb.connection import connection as connection_module
from thano_duckdb.connection import request as request_module
from thano_duckdb.connection.running_statement import RunningStatement
from thano_duckdb.connection.running_statements import RunningStatements
from thano_duckdb.errors import Cancelled
from thano_duckdb.monitoring.monitor import Monitor
from thano_duckdb.monitoring.statement_bar import Progress
from thano_duckdb.speech import loading
from thano_duckdb.speech.decoding.decoder import FrameScores
from thano_duckdb.speech.recognizer.acoustic_model import AcousticModel

N_CLIPS = 6


@pytest.fixture
def clips(tmp_path: Path) -> str:
    """A query over clips that no other test transcribes."""
    rng = np.random.default_rng(int.from_bytes(os.urandom(4)))
    for index in range(N_CLIPS):
        sf.write(tmp_path / f"{index}.wav", rng.normal(0, 0.1, 16_000 * (index + 1)).astype(np.float32), 16_000)
    return f"SELECT audio_path FROM thano_audio('{tmp_path}')"


@pytest.fixture
def stuck(monkeypatch: pytest.MonkeyPatch) -> Iterator[threading.Event]:
    """A model that hangs after its first batch until it is cancelled; the event is set when it hangs."""
    hangs, released, is_first_done = threading.Event(), threading.Event(), threading.Event()
    forward, numbers = AcousticModel.forward, itertools.count()

    def slow(self: AcousticModel, batch: list[object], monitor: Monitor, **options: Any) -> list[FrameScores]:
        if next(numbers) == 0:
            scores = forward(self, batch, monitor, **options)
            is_first_done.set()
            return scores
        is_first_done.wait(60)  # several batches are computed at a time
        hangs.set()
        while not released.wait(0.01):
            monitor.raise_if_cancelled()
        return forward(self, batch, monitor, **options)

    monkeypatch.setattr(AcousticModel, "forward", slow)
    yield hangs
    released.set()


def press_ctrl_c_once(hangs: threading.Event) -> threading.Thread:
    def press() -> None:
        if hangs.wait(60):
            os.kill(os.getpid(), signal.SIGINT)

    thread = threading.Thread(target=press)
    thread.start()
    return thread


@pytest.mark.parametrize("how", ["execute", "relation", "create"])
def test_ctrl_c_stops_a_statement_and_its_transcripts_are_kept(
    con: thano_duckdb.Connection,
    an4_model: Path,
    clips: str,
    stuck: threading.Event,
    how: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    statement = f"PREDICT USING '{an4_model}' OPTIONS (batch_size=1) AS {clips}"
    presser = press_ctrl_c_once(stuck)
    run = {
        "execute": lambda: con.execute(statement),
        "relation": lambda: con.sql(statement).fetchall(),
        "create": lambda: con.execute(f"CREATE TABLE t AS {statement}"),
    }[how]
    with pytest.raises(KeyboardInterrupt, match="run the same statement again to continue"):
        run()
    presser.join()
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    assert con.execute("SELECT 1").fetchall() == [(1,)]

    monkeypatch.undo()
    n_computed = 0
    forward = AcousticModel.forward

    def counting(self: AcousticModel, batch: list[object], monitor: Monitor, **options: Any) -> list[FrameScores]:
        nonlocal n_computed
        n_computed += len(batch)
        return forward(self, batch, monitor, **options)

    monkeypatch.setattr(AcousticModel, "forward", counting)
    assert len(con.sql(statement).fetchall()) == N_CLIPS
    assert n_computed == N_CLIPS - 1  # the first batch was kept


@pytest.mark.parametrize("how", ["execute", "relation"])
@pytest.mark.parametrize(
    ("stop", "error"), [("interrupt", "INTERRUPT Error: Interrupted"), ("close", "closed by another")]
)
def test_another_thread_stops_a_statement_with_a_loaded_model(
    an4_model: Path, clips: str, stuck: threading.Event, stop: str, error: str, how: str
) -> None:
    con = thano_duckdb.connect()
    statement = f"PREDICT USING '{an4_model}' OPTIONS (batch_size=1) AS {clips}"
    raised: list[BaseException] = []

    def work() -> None:
        try:
            con.execute(statement) if how == "execute" else con.sql(statement).fetchall()
        except duckdb.Error as caught:
            raised.append(caught)

    worker = threading.Thread(target=work)
    worker.start()
    assert stuck.wait(60)
    started_s = time.monotonic()
    getattr(con, stop)()
    worker.join()
    assert time.monotonic() - started_s < 2
    assert error in str(raised[0])
    con.close()


@pytest.mark.parametrize("how", ["execute", "relation", "cursor"])
def test_a_connection_that_is_closed_accepts_no_further_statement(
    an4_model: Path, clips: str, stuck: threading.Event, how: str
) -> None:
    con = thano_duckdb.connect()
    statement = f"PREDICT USING '{an4_model}' OPTIONS (batch_size=1) AS {clips}"
    outcomes: list[object] = []

    def run(worked_on: thano_duckdb.Connection) -> object:
        rows = worked_on.sql(statement) if how == "relation" else worked_on.execute(statement)
        return rows.fetchall()

    def work() -> None:
        for _ in range(200):  # some of them begin while the connection is being closed
            try:
                outcomes.append(run(closed))
            except duckdb.Error as error:
                outcomes.append(error)

    closed = con.cursor() if how == "cursor" else con
    worker = threading.Thread(target=work)
    worker.start()
    assert stuck.wait(60)
    closed.close()
    worker.join()
    assert [type(outcome) for outcome in outcomes] == [duckdb.ConnectionException] * 200
    assert "closed by another thread" in str(outcomes[0])
    assert "already" in str(outcomes[1])
    with pytest.raises(duckdb.ConnectionException, match="already closed"):
        closed.execute("SELECT 1")
    con.close()


def test_close_succeeds_while_another_thread_begins_statement_after_statement() -> None:
    for _ in range(20):
        con = thano_duckdb.connect()
        outcomes: list[object] = []
        begun = threading.Event()

        def work(con: thano_duckdb.Connection, outcomes: list[object], begun: threading.Event) -> None:
            while not outcomes:
                try:
                    con.execute("SELECT thano_normalize(range::VARCHAR) FROM range(100)").fetchall()
                    con.sql("SELECT 1").fetchall()
                except duckdb.Error as error:
                    outcomes.append(error)
                begun.set()

        worker = threading.Thread(target=work, args=(con, outcomes, begun))
        worker.start()
        assert begun.wait(60)
        con.close()
        worker.join()
        assert isinstance(outcomes[0], duckdb.ConnectionException), outcomes


def test_a_statement_is_not_taken_for_running_after_two_threads_overlapped() -> None:
    statements = RunningStatements()
    first, second = (RunningStatement("", Progress(shown=False)) for _ in range(2))
    one, other = statements.running(first), statements.running(second)
    one.__enter__()
    other.__enter__()
    one.__exit__(None, None, None)
    assert statements.all() == [second]
    other.__exit__(None, None, None)
    assert statements.current is None


def test_the_bar_says_that_a_model_is_loaded(
    an4_model: Path, an4_clip: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    load = loading.load_engine

    def slow(*args: Any, **kwargs: Any) -> Any:
        time.sleep(0.5)
        return load(*args, **kwargs)

    monkeypatch.setattr(loading, "load_engine", slow)
    monkeypatch.setattr(loading, "loaded_engine", lambda *_: None)
    with thano_duckdb.connect(progress=True) as con:
        con.sql(f"PREDICT USING '{an4_model}' AS SELECT '{an4_clip}' AS audio_path").fetchall()
    assert f"loading model {an4_model} .." in capsys.readouterr().err


@pytest.mark.parametrize(
    ("where", "name", "work"),
    [
        (duckdb, "connect", lambda _: thano_duckdb.connect()),
        (connection_module, "open_session", lambda _: thano_duckdb.connect()),
        (connection_module, "understand", lambda con: con.sql("SELECT 1")),
        (request_module, "in_transaction", lambda con: con.sql("DELETE MODEL nobody")),
        (thano_duckdb, "install", lambda _: thano_duckdb.connect().raw),
    ],
    ids=["open", "session", "understand", "transaction", "install"],
)
def test_ctrl_c_outside_a_run_is_a_keyboard_interrupt_too(
    monkeypatch: pytest.MonkeyPatch,
    con: thano_duckdb.Connection,
    where: Any,
    name: str,
    work: Callable[[thano_duckdb.Connection], object],
) -> None:
    original = getattr(where, name)

    def interrupted(*args: Any, **kwargs: Any) -> Any:
        """As DuckDB answers Ctrl-C."""
        try:
            signal.raise_signal(signal.SIGINT)
        except KeyboardInterrupt:
            raise RuntimeError("Query interrupted") from None
        return original(*args, **kwargs)

    monkeypatch.setattr(where, name, interrupted)
    with pytest.raises(KeyboardInterrupt):
        work(con)
    monkeypatch.undo()
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    assert con.execute("SELECT 1").fetchall() == [(1,)]


def test_what_is_kept_is_said_only_where_something_is() -> None:
    statement = RunningStatement("", Progress(shown=False))
    statement.cancel()
    with pytest.raises(Cancelled, match=r"^Interrupted\.$"):
        statement.raise_if_cancelled()
    statement.clips_cached(0, 0.0)
    statement.clip_advanced(0.5, 100.0)  # of a long clip, which has no transcript yet
    with pytest.raises(Cancelled, match=r"^Interrupted\.$"):
        statement.raise_if_cancelled()
    statement.clips_done(1, 1.0)
    with pytest.raises(Cancelled, match="run the same statement again"):
        statement.raise_if_cancelled()


def test_ctrl_c_stops_a_statement_of_duckdb(con: thano_duckdb.Connection) -> None:
    timer = threading.Timer(0.5, lambda: os.kill(os.getpid(), signal.SIGINT))
    timer.start()
    with pytest.raises(KeyboardInterrupt):
        con.execute("SELECT count(*) FROM range(1000000) a, range(1000000) b WHERE a.range % 7 = b.range % 5")
    timer.join()
    assert con.execute("SELECT 1").fetchall() == [(1,)]


def test_ctrl_c_stops_a_build_and_the_same_statement_resumes_it(
    an4_con: thano_duckdb.Connection, an4_model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from thano_duckdb.training.trainer import CtcTrainer

    rows = an4_con.sql("SELECT audio_path, text FROM an4 WHERE id < 8").df()  # noqa: F841 - DuckDB finds it by its name
    statement = f"BUILD MODEL mine USING '{an4_model}' OPTIONS (epochs=3, batch_size=4) AS SELECT * FROM rows"
    with thano_duckdb.connect(model_home=tmp_path / "uninterrupted") as con:
        expected = [row[2:4] for row in con.sql(statement).fetchall()]  # epoch, train_loss

    step = CtcTrainer.training_step

    def step_that_is_interrupted(self: CtcTrainer, *args: Any, **kwargs: Any) -> Any:
        if len(self.metrics) == 1:
            os.kill(os.getpid(), signal.SIGINT)
        return step(self, *args, **kwargs)

    monkeypatch.setattr(CtcTrainer, "training_step", step_that_is_interrupted)
    with thano_duckdb.connect(model_home=tmp_path / "home") as con:
        with pytest.raises(KeyboardInterrupt, match=r"(?i)the same statement.*epoch 1"):
            con.execute(statement)
        assert con.sql("LIST MODEL").fetchall() == []
        monkeypatch.undo()
        resumed = con.sql(statement).fetchall()
    assert [row[2] for row in resumed] == [1, 2, 3]
    assert [row[2:4] for row in resumed] == [(epoch, pytest.approx(loss, rel=1e-4)) for epoch, loss in expected]


@pytest.mark.timeout(60)
@pytest.mark.parametrize(
    "work",
    [
        "con.execute(\"SELECT thano_audio_info('{url}')\")",
        "con.execute(\"SELECT thano_transcribe('Wav2Vec2TinyEn', '{url}')\")",
        "thano_duckdb.show([dict(audio='{url}', predicted='a')])",
    ],
    ids=["header", "transcript", "player"],
)
def test_after_ctrl_c_the_process_ends_although_a_download_hangs(work: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:  # accepts connections, and never answers
        url = f"http://127.0.0.1:{server.getsockname()[1]}/a.wav"
        script = (
            "import thano_duckdb\ncon = thano_duckdb.connect()\nprint('begun', flush=True)\n"
            f"try:\n    {work.format(url=url)}\nexcept KeyboardInterrupt:\n    print('interrupted', flush=True)\n"
        )
        with subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True) as process:
            assert process.stdout is not None
            assert process.stdout.readline() == "begun\n"
            connection, _ = server.accept()
            with connection:
                process.send_signal(signal.SIGINT)
                assert process.stdout.readline() == "interrupted\n"
                assert process.wait(timeout=10) == 0
