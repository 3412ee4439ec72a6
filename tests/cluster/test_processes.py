"""Worker processes: the texts of the process itself, whatever happens to the workers, and none that is left behind.

Each start of a worker imports torch, so the tests share a pool where they can.
"""

from __future__ import annotations

import errno
import math
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import psutil
import pytest
import soundfile

import thano_duckdb
from tests.conftest import REPOSITORY
from thano_duckdb.cluster import engines
from thano_duckdb.cluster.dispatcher import Dispatcher
from thano_duckdb.cluster.processes import ProcessPool
from thano_duckdb.cluster.worker import DEATH_HOOK
from thano_duckdb.cluster.worker_pool import ModelSource
from thano_duckdb.functions import engine_calls
from thano_duckdb.models.bundled import dataset_folder
from thano_duckdb.monitoring.monitor import SilentMonitor
from thano_duckdb.speech import processor
from thano_duckdb.speech.cache import NoCache

MODEL = "Wav2Vec2TinyEn"
N_WORKERS = 2
PARTS = """
    SELECT {'path': 'long.wav', 'bytes': NULL::BLOB, 'start': i / 2, 'stop': i / 2 + 20} AS audio FROM range(24) t(i)
"""
PATIENCE_S = 120.0
"""A start of a worker may take this long on a busy machine."""


@pytest.fixture(scope="module", autouse=True)
def _one_torch_thread() -> Iterator[None]:
    """In this process as in its workers: several are many times slower where the machine has other work."""
    import torch

    n_threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(n_threads)


@pytest.fixture(scope="module", autouse=True)
def _no_workers_are_left() -> Iterator[None]:
    yield
    engines.close_all()


@pytest.fixture
def con(
    bundled_model: Path, clips: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> Iterator[thano_duckdb.Connection]:
    monkeypatch.setattr(engine_calls, "process_cache", NoCache)
    monkeypatch.chdir(clips)
    with thano_duckdb.connect(device="cpu", progress=False, model_home=tmp_path / "models") as connection:
        yield connection


@pytest.fixture(scope="module")
def clips(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of clips: short ones, a long one, one of two channels, and one that is none."""
    folder = tmp_path_factory.mktemp("clips")
    found = sorted(dataset_folder("librispeech_data").glob("*.flac"))[:8]
    sounds = [soundfile.read(path)[0] for path in found]
    for number, samples in enumerate(sounds):
        soundfile.write(folder / f"{number:02}.wav", samples, 16_000)
    soundfile.write(folder / "long.wav", np.concatenate(sounds * 4), 16_000)
    n_samples = min(map(len, sounds[:2]))
    soundfile.write(folder / "stereo.wav", np.stack([each[:n_samples] for each in sounds[:2]], axis=1), 16_000)
    soundfile.write(folder / "shortest.wav", min(sounds, key=len)[:8_000], 16_000)
    (folder / "broken.wav").write_bytes(b"no audio at all")
    return folder


def rows(con: thano_duckdb.Connection, query: str, workers: int, options: str = "") -> list[tuple[object, ...]]:
    include = "include=['confidence', 'words', 'duration', 'error', 'hotwords']"
    found = con.sql(f"PREDICT USING {MODEL} OPTIONS ({include}, workers={workers}{options}) AS {query}").fetchall()
    return [tuple(row) for row in found]


def are_same(one: object, other: object) -> bool:
    """Whether rows are equal, but for the rounding of confidences: it depends on which clips share a batch."""
    if isinstance(one, float) and isinstance(other, float):
        return math.isclose(one, other, abs_tol=1e-3)
    if isinstance(one, dict) and isinstance(other, dict):
        return are_same(list(one.items()), list(other.items()))
    if isinstance(one, list | tuple) and isinstance(other, list | tuple):
        return len(one) == len(other) and all(map(are_same, one, other))
    return one == other


def busy_workers() -> list[int]:
    return [info.pid for info in engines.all_workers() if info.pid and info.state == "busy"]


def wait_for(condition: Callable[[], object], timeout_s: float = PATIENCE_S) -> None:
    end_s = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < end_s, "nothing happened"
        time.sleep(0.05)


def is_alive(pid: int) -> bool:
    return bool(psutil.pid_exists(pid) and psutil.Process(pid).status() != psutil.STATUS_ZOMBIE)


@pytest.mark.filterwarnings("ignore:.*:thano_duckdb.ThanoWarning")
def test_texts_are_those_of_the_process_itself(con: thano_duckdb.Connection) -> None:
    con.execute("CREATE TABLE given (id INTEGER, audio_path VARCHAR, names VARCHAR[])")
    files = [f"{number:02}.wav" for number in range(8)]
    paths = [*files[:3], None, "missing.wav", *files[3:], "broken.wav", "long.wav", "00.wav", "stereo.wav", ""]
    names = [None, ["margaret"], ["margaret", "whale"], []]
    con.executemany("INSERT INTO given VALUES (?, ?, ?)", [[i, path, names[i % 4]] for i, path in enumerate(paths)])
    for query, options in (
        ("SELECT * FROM given ORDER BY id", ""),
        ("SELECT * FROM given ORDER BY id", ", hotwords_col='names', language_model=NULL"),
        ("SELECT 'stereo.wav' AS audio_path", ", channel=2"),
        ("SELECT 'long.wav' AS audio_path", ", start=3, stop=9"),
        ("SELECT content AS audio_path FROM read_blob('0*.wav') ORDER BY filename", ", audio_col='audio_path'"),
    ):
        assert are_same(rows(con, query, N_WORKERS, options), rows(con, query, 1, options)), options
    workers = con.sql("SELECT state, clips > 0, kind, device, model FROM thano_workers()").fetchall()
    assert workers == [("ready", True, "process", "cpu", MODEL)] * N_WORKERS
    evaluate = f"EVALUATE USING {MODEL} OPTIONS (workers={{}}) AS SELECT audio_path, 'a b' AS text FROM given"
    scores = [dict(con.sql(evaluate.format(n)).fetchall()) for n in (N_WORKERS, 1)]
    assert scores[0]["wer"] == scores[1]["wer"]


@pytest.mark.nightly
@pytest.mark.filterwarnings("ignore:.*:thano_duckdb.ThanoWarning")
def test_without_a_working_folder_relative_paths_lead_nowhere(
    con: thano_duckdb.Connection, clips: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    query = f"SELECT unnest(['00.wav', '', '~nobody/00.wav', '{clips}/01.wav']) AS audio_path"
    assert rows(con, query, N_WORKERS)[0][1]  # by workers that were started in the folder of the clips
    (tmp_path / "deleted").mkdir()
    monkeypatch.chdir(tmp_path / "deleted")
    (tmp_path / "deleted").rmdir()
    found = rows(con, query, N_WORKERS)
    engines.close_all()
    by_new_workers = rows(con, query, N_WORKERS)
    monkeypatch.chdir(clips)  # or nothing can be undone at the end
    assert [row[1] is not None for row in found] == [False, False, False, True]
    assert found[0][5] == "No such file: '00.wav'."
    assert are_same(found, by_new_workers)


@pytest.mark.nightly
@pytest.mark.filterwarnings("error")
def test_the_warning_of_failed_clips_does_not_depend_on_their_order(con: thano_duckdb.Connection) -> None:
    messages: set[str] = set()
    for workers in (1, N_WORKERS):
        query = "SELECT unnest(['00.wav', 'missing.wav', 'broken.wav', 'other.wav']) AS audio_path"
        with pytest.warns(thano_duckdb.ThanoWarning, match=r"3 clips could not .* \(broken.wav: ") as caught:
            rows(con, query, workers)
        messages.update(str(warning.message) for warning in caught)
    assert len(messages) == 1


def test_the_network_is_not_loaded_here(con: thano_duckdb.Connection, monkeypatch: pytest.MonkeyPatch) -> None:
    from thano_duckdb.speech.recognizer.acoustic_model import AcousticModel

    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("the model was loaded in this process")

    monkeypatch.setattr(AcousticModel, "load", refuse)
    [row] = rows(con, "SELECT '00.wav' AS audio_path", N_WORKERS, ", precision='float32'")
    assert row[1]


def test_a_plan_uses_the_measured_speed_of_the_workers(con: thano_duckdb.Connection) -> None:
    rows(con, PARTS, N_WORKERS, ", audio_col='audio', language_model=NULL")
    plan = (
        f"SELECT text FROM thano_plan('{MODEL}', 'parts', audio_col := 'audio', options := {{}}) WHERE item = 'speed'"
    )
    con.execute(f"CREATE TABLE parts AS {PARTS}")
    [(text,)] = con.sql(plan.format(f'\'{{"language_model": null, "workers": {N_WORKERS}}}\'')).fetchall()
    assert "as measured in this process" in text


def test_a_worker_that_is_killed_in_a_statement_costs_nothing(con: thano_duckdb.Connection) -> None:
    before = rows(con, PARTS, 1, ", audio_col='audio'")
    killed: list[int] = []

    def kill_one() -> None:
        wait_for(busy_workers)
        killed.append(busy_workers()[0])
        os.kill(killed[0], signal.SIGKILL)

    killer = threading.Thread(target=kill_one)
    killer.start()
    after = rows(con, PARTS, N_WORKERS, ", audio_col='audio'")
    killer.join()
    assert are_same(after, before)
    dead = con.sql("SELECT pid FROM thano_workers() WHERE state = 'dead'").fetchall()
    assert (killed[0],) in dead


def test_without_any_worker_left_the_statement_says_why(
    con: thano_duckdb.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ProcessPool, "start_worker", lambda _pool: False)

    def kill_all() -> None:
        wait_for(lambda: len(busy_workers()) == N_WORKERS)
        for pid in busy_workers():
            os.kill(pid, signal.SIGKILL)

    killer = threading.Thread(target=kill_all)
    killer.start()
    with pytest.raises(thano_duckdb.ModelError, match=r"no worker is left: its process \d+ was killed by SIGKILL"):
        rows(con, PARTS, N_WORKERS, ", audio_col='audio'")
    killer.join()


def test_a_clip_that_kills_its_worker_twice_is_null(
    con: thano_duckdb.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    engines.close_all()  # the next workers inherit the variable
    monkeypatch.setenv(DEATH_HOOK, "shortest.wav")
    query = "SELECT audio_path FROM (VALUES ('00.wav'), ('shortest.wav'), ('01.wav')) t(audio_path)"
    with pytest.warns(thano_duckdb.ThanoWarning, match="1 clip could not be transcribed"):
        found = rows(con, query, N_WORKERS)
    engines.close_all()
    assert [row[1] is None for row in found] == [False, True, False]
    error = str(found[1][5])
    assert error.startswith("The worker that transcribed it died, 2 times: its process")
    assert "killed by SIGKILL, as the system does where memory runs out" in error


def test_a_model_that_no_worker_can_load_is_an_error(tmp_path: Path) -> None:
    source = ModelSource(tmp_path / "missing", "cpu", "float32")
    dispatcher = Dispatcher(lambda: ProcessPool(source, ["cpu"], model="m", n_threads=1))
    with pytest.raises(thano_duckdb.ModelError, match="no worker could be started: there is no model folder"):
        dispatcher.facts(SilentMonitor())


@pytest.mark.nightly
def test_a_process_that_the_system_does_not_start_is_an_error(
    bundled_model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise BlockingIOError(errno.EAGAIN, os.strerror(errno.EAGAIN))

    monkeypatch.setattr(subprocess, "Popen", refuse)
    source = ModelSource(bundled_model, "cpu", "float32")
    pool = ProcessPool(source, ["cpu"] * 3, model=MODEL, n_threads=1)
    with pytest.raises(
        thano_duckdb.ModelError, match="worker process 1 of 3 cannot be started: Resource temporarily unavailable"
    ):
        Dispatcher(lambda: pool).facts(SilentMonitor())
    assert not pool.start_worker()  # where one has died, the others go on


WITHOUT_STREAMS = """
import os, queue, sys
os.closerange(0, 3)
from thano_duckdb.cluster.worker_process import WorkerProcess
received = queue.Queue()
process = WorkerProcess("worker", {}, lambda _, message: received.put(message), lambda _, reason: received.put(reason))
open(sys.argv[1], "w").write(type(received.get(timeout=100)).__name__)
process.begin_close()
process.close(5)
"""


@pytest.mark.nightly
def test_a_program_without_stdin_stdout_and_stderr_has_workers(clips: Path, tmp_path: Path) -> None:
    """A pipe gets the lowest free numbers, which would be theirs."""
    process = start(WITHOUT_STREAMS, clips, "-c", WITHOUT_STREAMS, str(tmp_path / "received"))
    process.communicate(timeout=PATIENCE_S)
    assert (tmp_path / "received").read_text() == "Alive"


SCRIPT = """
import thano_duckdb
con = thano_duckdb.connect(device="cpu", progress=False)
query = "SELECT {'path': 'long.wav', 'bytes': NULL::BLOB, 'start': i / 100, 'stop': 60.0} AS audio FROM range(%d) t(i)"
found = con.sql("PREDICT USING Wav2Vec2TinyEn OPTIONS (audio_col='audio', workers=2) AS " + query).fetchall()
print(len(found), all(row[1] for row in found))
"""


def start(source: str, clips: Path, *arguments: str) -> subprocess.Popen[str]:
    environment = {**os.environ, "PYTHONPATH": str(REPOSITORY)}
    process = subprocess.Popen(
        [sys.executable, *arguments],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=clips,
        env=environment,
        start_new_session=True,
    )
    if "-" in arguments:
        assert process.stdin is not None
        process.stdin.write(source)
        process.stdin.close()
        process.stdin = None
    return process


@pytest.mark.nightly
@pytest.mark.parametrize("how", ["stdin", "file"])
def test_a_script_needs_no_main_guard(bundled_model: Path, clips: Path, tmp_path: Path, how: str) -> None:
    source = SCRIPT % 2
    (tmp_path / "script.py").write_text(source)
    process = start(source, clips, "-" if how == "stdin" else str(tmp_path / "script.py"))
    out, err = process.communicate(timeout=PATIENCE_S)
    assert out.split() == ["2", "True"], err


REPORTING = (
    """
import threading, time
from thano_duckdb.cluster import engines
def report():
    while not (found := engines.all_workers()) or any(worker.state != "busy" for worker in found):
        time.sleep(0.05)
    print(*(worker.pid for worker in found), flush=True)
threading.Thread(target=report, daemon=True).start()
"""
    + SCRIPT % 2_000
)
"""Prints the process ids of its workers once they transcribe."""


def start_transcribing(clips: Path) -> tuple[subprocess.Popen[str], list[int]]:
    """A script whose workers transcribe, and their process ids."""
    process = start(REPORTING, clips, "-c", REPORTING)
    assert process.stdout is not None
    workers = [int(pid) for pid in process.stdout.readline().split()]
    assert len(workers) == N_WORKERS
    return process, workers


def test_ctrl_c_ends_a_script_and_its_workers(bundled_model: Path, clips: Path) -> None:
    process, workers = start_transcribing(clips)
    begun_s = time.monotonic()
    os.killpg(process.pid, signal.SIGINT)
    _out, err = process.communicate(timeout=30)
    assert "KeyboardInterrupt" in err
    assert time.monotonic() - begun_s < 5
    wait_for(lambda: not any(map(is_alive, workers)), 5)


def test_workers_end_with_the_process_that_started_them(bundled_model: Path, clips: Path) -> None:
    process, workers = start_transcribing(clips)
    process.kill()
    process.communicate(timeout=10)
    wait_for(lambda: not any(map(is_alive, workers)), 5)


@pytest.mark.nightly
@pytest.mark.parametrize("has_bfloat16", [False, True])
def test_all_workers_compute_in_the_precision_that_this_process_chooses(
    bundled_model: Path, monkeypatch: pytest.MonkeyPatch, has_bfloat16: bool
) -> None:
    """Whatever each of them would take for 'auto': the environment of a process may change what torch says."""
    monkeypatch.setattr(processor, "has_bfloat16", lambda: has_bfloat16)
    precision = "bfloat16" if has_bfloat16 else "float32"
    for asked in ("auto", precision):
        source = ModelSource(bundled_model, "cpu", asked)
        engine = engines.load_engine(source, model=MODEL, workers=N_WORKERS, monitor=SilentMonitor())
        assert engine.recognizer.precision == precision
    assert sum(info.state != "dead" for info in engines.all_workers()) == N_WORKERS  # both are one pool
    engines.close_all()
