"""Two real Ray nodes on this machine: texts are those of this machine, whatever dies. Needs the extra `ray`."""

from __future__ import annotations

import contextlib
import importlib.util
import json
import os
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import soundfile

import thano_duckdb
from tests.conftest import REPOSITORY
from thano_duckdb.cluster.worker import DEATH_HOOK
from thano_duckdb.models import bundled

pytestmark = [
    pytest.mark.nightly,
    pytest.mark.timeout(1800),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),  # Ray leaves its log files open
    pytest.mark.skipif(not importlib.util.find_spec("ray"), reason="Ray is not installed: pip install '.[ray]'"),
]

N_ROWS = 20_000
RATE_HZ = 8_000
CLIP_S = 0.4
SLOW_S = 600.0
"""What no step of a test may take on a busy machine."""
N_STARTS = 3
ALIKE = "language_model=NULL, precision='float32'"
"""Greedy decoding is fast; in bfloat16 the rounding depends on the number of threads."""


class Nodes:
    """A Ray cluster of two nodes with one CPU each."""

    def __init__(self) -> None:
        from ray.cluster_utils import Cluster  # here, since Ray reads the environment when it is imported

        with socket.create_server(("127.0.0.1", 0)) as server:
            self.client_port = server.getsockname()[1]
        self.cluster = Cluster(
            initialize_head=True,
            head_node_args={"num_cpus": 1, "include_dashboard": False, "ray_client_server_port": self.client_port},
        )
        self.second = self.cluster.add_node(num_cpus=1)

    @property
    def address(self) -> str:
        return str(self.cluster.address)

    def kill_second(self) -> None:
        """All processes of the second node, at once."""
        self.cluster.remove_node(self.second, allow_graceful=False)

    def add_second(self) -> None:
        self.second = self.cluster.add_node(num_cpus=1)


@pytest.fixture(scope="module")
def nodes(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Nodes]:
    environment = {
        "PYTHONPATH": os.pathsep.join([str(REPOSITORY), *filter(None, [os.environ.get("PYTHONPATH")])]),
        "RAY_AUTH_MODE": "token",
        "RAY_AUTH_TOKEN": secrets.token_hex(32),
        "RAY_USAGE_STATS_ENABLED": "0",
        "XDG_CACHE_HOME": str(tmp_path_factory.mktemp("cache")),
        DEATH_HOOK: "poison",
    }
    with pytest.MonkeyPatch.context() as patch:
        for name, value in environment.items():
            patch.setenv(name, value)
        started_s = time.monotonic()
        found = start()
        print(f"\ntwo nodes: {time.monotonic() - started_s:.0f} s")
        yield found
        found.cluster.shutdown()


def start() -> Nodes:
    """On a busy machine Ray's processes give each other up too soon."""
    for attempt in range(N_STARTS):
        try:
            return Nodes()
        except Exception:
            if attempt == N_STARTS - 1:
                raise
    raise AssertionError


@pytest.fixture(scope="module")
def speech() -> np.ndarray[Any, Any]:
    """Many minutes of speech at 8 kHz, int16."""
    pieces = []
    for path in sorted(bundled.dataset_folder("librispeech_data").glob("*.flac")):
        samples, rate_hz = soundfile.read(path, dtype="int16")
        pieces.append(samples[:: rate_hz // RATE_HZ])
    return np.concatenate(pieces)


def prepare(folder: Path, speech: np.ndarray[Any, Any], n_rows: int, poison: int | None = None) -> None:
    """Write a model, clips that all differ, and `rows.parquet`; some rows are NULL, some files bad."""
    (folder / "clips").mkdir(parents=True)
    shutil.copytree(bundled.MODEL_FOLDER, folder / "model")
    n_samples = int(CLIP_S * RATE_HZ)
    paths: list[str | None] = []
    for row in range(n_rows):
        path = folder / "clips" / (f"poison{row}.wav" if row == poison else f"{row}.wav")
        paths.append(None if row % 89 == 88 else str(path))
        if row % 97 == 96:
            continue  # there is no such file
        if row % 101 == 100:
            path.write_bytes(b"no audio at all")
            continue
        start = row * 37 % (len(speech) - n_samples)
        soundfile.write(path, speech[start : start + n_samples], RATE_HZ, subtype="PCM_16")
    pq.write_table(pa.table({"id": range(n_rows), "audio_path": paths}), folder / "rows.parquet")


def read(path: Path) -> list[tuple[Any, ...]]:
    with duckdb.connect() as con:
        return con.execute(f"SELECT id, audio_path, predicted, error FROM '{path}' ORDER BY id").fetchall()


@pytest.fixture(scope="module")
def given(tmp_path_factory: pytest.TempPathFactory, speech: np.ndarray[Any, Any]) -> Path:
    folder = tmp_path_factory.mktemp("rows")
    prepare(folder, speech, N_ROWS)
    return folder


@pytest.fixture(scope="module")
def local(given: Path) -> list[tuple[Any, ...]]:
    """The rows as this process transcribes them."""
    started_s = time.monotonic()
    found = transcribed_here(given)
    print(f"\n{N_ROWS} rows here: {time.monotonic() - started_s:.0f} s")
    return found


def transcribed_here(folder: Path) -> list[tuple[Any, ...]]:
    with thano_duckdb.connect(model_home=folder / "own home") as con, pytest.warns(thano_duckdb.ThanoWarning):
        return con.execute(
            f"SELECT id, audio_path, predicted, error FROM (PREDICT USING '{folder / 'model'}' OPTIONS (device='cpu', "
            f"{ALIKE}, include='error') AS FROM '{folder / 'rows.parquet'}') ORDER BY id"
        ).fetchall()


class Driver:
    """A process that runs a statement on the cluster."""

    def __init__(self, folder: Path, options: str) -> None:
        self.folder = folder
        (folder / "found.parquet").unlink(missing_ok=True)
        (folder / "workers.json").unlink(missing_ok=True)
        self.started_s = time.monotonic()
        self.sessions = ray_sessions()
        self.process = subprocess.Popen(
            [sys.executable, "-m", "tests.cluster.ray_driver", folder, options],
            cwd=REPOSITORY,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def __enter__(self) -> Driver:
        return self

    def __exit__(self, *_error: object) -> None:
        self.process.kill()
        self.process.communicate()

    def workers(self) -> list[tuple[int | None, str, int]]:
        """Of each worker the process, the state and the number of clips."""
        with contextlib.suppress(OSError):
            return [tuple(each) for each in json.loads((self.folder / "workers.json").read_text())]
        return []

    def wait_until(
        self, holds: Callable[[list[tuple[int | None, str, int]]], bool]
    ) -> list[tuple[int | None, str, int]]:
        until_s = time.monotonic() + SLOW_S
        while not holds(found := self.workers()):
            assert time.monotonic() < until_s, found
            assert self.process.poll() is None, self.process.communicate()[0]
            time.sleep(0.05)
        return found

    def wait_for_clips(self, n_clips: int) -> list[tuple[int | None, str, int]]:
        return self.wait_until(lambda workers: sum(clips for _, _, clips in workers) >= n_clips)

    def result(self) -> list[tuple[Any, ...]]:
        """The rows at the end."""
        output, _ = self.process.communicate(timeout=SLOW_S)
        print(f"\n{time.monotonic() - self.started_s:.0f} s in all: {output.strip()[-700:]}")
        assert self.process.returncode == 0, output
        assert ray_sessions() == self.sessions  # it has started no cluster of its own
        return read(self.folder / "found.parquet")


def options(nodes: Nodes) -> str:
    return f"cluster='{nodes.address}', {ALIKE}"


def ray_sessions() -> set[str]:
    """The clusters that were ever started on this machine."""
    return {path.name for path in Path("/tmp/ray").glob("session_2*")}


def gone(pid: int) -> bool:
    try:
        status = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return True
    return status.rpartition(")")[2].split()[0] == "Z"


def test_texts_are_those_of_this_machine(nodes: Nodes, given: Path, local: list[tuple[Any, ...]]) -> None:
    with Driver(given, options(nodes)) as driver:
        found = driver.result()
    assert len({text for _, _, text, _ in local}) > 1000
    assert found == local


def test_a_killed_worker_costs_no_row(nodes: Nodes, given: Path, local: list[tuple[Any, ...]]) -> None:
    with Driver(given, options(nodes)) as driver:
        pid, _, _ = driver.wait_for_clips(3000)[0]
        assert pid is not None
        os.kill(pid, signal.SIGKILL)
        found = driver.result()
        assert "dead" in {state for _, state, _ in driver.workers()}
    assert found == local


def test_a_killed_node_costs_no_row(nodes: Nodes, given: Path, local: list[tuple[Any, ...]]) -> None:
    try:
        with Driver(given, options(nodes)) as driver:
            driver.wait_until(lambda workers: sum(state == "busy" and clips > 0 for _, state, clips in workers) == 2)
            nodes.kill_second()
            found = driver.result()
    finally:
        nodes.add_second()
    assert found == local


def test_a_machine_outside_of_the_cluster_uses_it_through_rays_client(
    nodes: Nodes, tmp_path: Path, speech: np.ndarray[Any, Any]
) -> None:
    prepare(tmp_path, speech, 300)
    expected = transcribed_here(tmp_path)
    with Driver(tmp_path, f"cluster='ray://127.0.0.1:{nodes.client_port}', {ALIKE}") as driver:
        found = driver.result()
    assert found == expected


def test_a_clip_that_kills_workers_is_null_with_that_reason(
    nodes: Nodes, tmp_path: Path, speech: np.ndarray[Any, Any]
) -> None:
    prepare(tmp_path, speech, 300, poison=150)
    expected = transcribed_here(tmp_path)
    with Driver(tmp_path, options(nodes)) as driver:
        found = driver.result()
    [(_, path, text, error)] = [row for row in found if row not in expected]
    assert "poison" in path
    assert text is None
    assert "died, 2 times" in error


def test_a_killed_driver_leaves_no_worker_and_its_work_is_kept(
    nodes: Nodes, given: Path, local: list[tuple[Any, ...]]
) -> None:
    with Driver(given, f"{options(nodes)}, cache=True") as driver:
        workers = driver.wait_for_clips(12_000)
        driver.process.kill()
    assert wait_for(lambda: all(gone(pid) for pid, _, _ in workers if pid is not None))
    with Driver(given, f"{options(nodes)}, cache=True") as driver:
        found = driver.result()
        computed = sum(clips for _, _, clips in driver.workers())
    print(f"computed again: {computed}")
    assert found == local
    assert 0 < computed < 10_500


def test_ctrl_c_leaves_no_worker(nodes: Nodes, given: Path) -> None:
    with Driver(given, options(nodes)) as driver:
        workers = driver.wait_for_clips(1000)
        driver.process.send_signal(signal.SIGINT)
        interrupted_s = time.monotonic()
        assert wait_for(lambda: all(gone(pid) for pid, _, _ in workers if pid is not None))
        print(f"\nworkers gone after {time.monotonic() - interrupted_s:.2f} s")
        assert time.monotonic() - interrupted_s < 5
        output, _ = driver.process.communicate(timeout=30)
    assert "KeyboardInterrupt" in output


def wait_for(holds: Callable[[], bool], limit_s: float = 60.0) -> bool:
    until_s = time.monotonic() + limit_s
    while not holds():
        if time.monotonic() > until_s:
            return False
        time.sleep(0.02)
    return True


def test_blobs_and_language_models_reach_the_workers(nodes: Nodes, tmp_path: Path) -> None:
    speech = bundled.dataset_folder("librispeech_data")
    query = f"SELECT filename, content AS audio_path FROM read_blob('{speech}/00*.flac') ORDER BY filename"
    script = (
        "import sys, thano_duckdb\n"
        "with thano_duckdb.connect(progress=False) as con:\n"
        "    rows = con.execute(sys.argv[1]).fetchall()\n"
        "    print([tuple(row) for row in rows])\n"
    )
    statement = (
        "SELECT filename, predicted FROM "
        "(PREDICT USING '{}' OPTIONS ({}, language_model='en', precision='float32') AS {})"
    )
    run = subprocess.run(
        [sys.executable, "-c", script, statement.format(bundled.MODEL_FOLDER, f"cluster='{nodes.address}'", query)],
        capture_output=True,
        text=True,
        timeout=SLOW_S,
        check=True,
    )
    with thano_duckdb.connect() as con:
        expected = con.execute(statement.format(bundled.MODEL_FOLDER, "device='cpu'", query)).fetchall()
    assert expected
    assert run.stdout.strip().splitlines()[-1] == str(expected)
