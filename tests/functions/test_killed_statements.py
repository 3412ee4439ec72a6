"""A statement that is killed loses at most its last seconds: the same one afterwards computes only the rest."""

from __future__ import annotations

import os
import random
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

import thano_duckdb
from tests.conftest import REPOSITORY
from tests.functions.killed_statement import BATCH_S
from thano_duckdb.speech.cache import process_cache
from thano_duckdb.speech.lasting_cache.sqlite_store import FILE_NAME
from thano_duckdb.speech.local_runner import LocalRunner

N_CLIPS = 200
LOST_S = BATCH_S + 2.0
"""What a kill may lose: a batch that waits, and a slow disk."""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Clips of tones and noise, each of its own content."""
    folder, noise = tmp_path_factory.mktemp("clips"), np.random.default_rng(5)
    for number in range(N_CLIPS):
        n_samples = 3000 + 20 * number
        tone = np.sin(np.arange(n_samples) * (0.02 + number / 300)) + 0.5 * noise.standard_normal(n_samples)
        soundfile.write(folder / f"{number:03}.wav", 0.2 * tone, 16_000)
    return folder


@pytest.fixture(scope="module")
def expected(folder: Path, small_model: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """The texts without any lasting cache, by the name of the file."""
    with thano_duckdb.connect(progress=False, model_home=tmp_path_factory.mktemp("no_cache")) as con:
        rows = con.sql(predict(small_model, folder)).fetchall()
    texts = {Path(path).name: text for path, text in rows}
    assert len(set(texts.values())) > N_CLIPS / 2  # else a wrong row would not be seen
    return texts


@pytest.fixture
def n_computed(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[int]]:
    """How many clips each call computes in this process, which has none in its memory."""
    compute, found = LocalRunner.run, list[int]()

    def counting(self: LocalRunner, jobs: Sequence[Any], *others: Any) -> Any:
        found.append(len(jobs))
        return compute(self, jobs, *others)

    monkeypatch.setattr(LocalRunner, "run", counting)
    process_cache().clear()
    yield found
    process_cache().clear()


def predict(model: Path, folder: Path, order: str = "") -> str:
    return f"PREDICT USING '{model}' AS SELECT file AS audio_path FROM glob('{folder}/*.wav') {order}"


def start(home: Path, log: Path, statement: str, seconds_per_clip: float) -> subprocess.Popen[bytes]:
    log.write_text("")
    command = [
        sys.executable,
        "-m",
        "tests.functions.killed_statement",
        str(home),
        str(log),
        str(seconds_per_clip),
        statement,
    ]
    return subprocess.Popen(command, cwd=REPOSITORY, env={**os.environ, "PYTHONPATH": str(REPOSITORY)})


def kill_after(process: subprocess.Popen[bytes], log: Path, n_clips: int, delay_s: float = 0.0) -> list[float]:
    """Kill a process once it has computed so many clips; returns when it computed each, with the time of its death."""
    while len(log.read_text().splitlines()) < n_clips and process.poll() is None:
        time.sleep(0.01)
    time.sleep(delay_s)
    killed_s = time.time()
    process.send_signal(signal.SIGKILL)
    process.wait(60)
    return [float(line) for line in log.read_text().splitlines() if line != "end"] + [killed_s]


def stored(home: Path) -> int:
    """How many transcripts a store holds, which must be whole."""
    with sqlite3.connect(home / FILE_NAME) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        n_clips: int = connection.execute("SELECT count(*) FROM transcripts").fetchone()[0]
        assert connection.execute("SELECT sum(clips) FROM recognitions").fetchone()[0] in (n_clips, None)
    return n_clips


def _create(con: thano_duckdb.Connection, query: str, _folder: Path) -> Any:
    con.execute(f"CREATE TABLE texts AS {query}")
    return con.sql("FROM texts").fetchall()


def _insert(con: thano_duckdb.Connection, query: str, _folder: Path) -> Any:
    con.execute("CREATE TABLE texts (audio_path VARCHAR, predicted VARCHAR)")
    con.execute(f"INSERT INTO texts {query}")
    return con.sql("FROM texts").fetchall()


def _copy(con: thano_duckdb.Connection, query: str, folder: Path) -> Any:
    con.execute(f"COPY ({query}) TO '{folder}/again.parquet'")
    return con.sql(f"FROM '{folder}/again.parquet'").fetchall()


def _select(con: thano_duckdb.Connection, query: str, _folder: Path) -> Any:
    return con.sql(query).fetchall()


@pytest.mark.parametrize(
    ("before", "after", "again"),
    [
        pytest.param("CREATE TABLE texts AS ", "", _create, id="CREATE TABLE AS"),
        pytest.param(
            "CREATE TABLE texts (audio_path VARCHAR, predicted VARCHAR); INSERT INTO texts ",
            "",
            _insert,
            id="INSERT",
            marks=pytest.mark.nightly,
        ),
        pytest.param("COPY (", ") TO '{folder}/texts.parquet'", _copy, id="COPY TO", marks=pytest.mark.nightly),
        pytest.param("", "", _select, id="SELECT"),
    ],
)
def test_the_same_statement_computes_only_the_rest_after_a_kill(
    before: str,
    after: str,
    again: Callable[[thano_duckdb.Connection, str, Path], Any],
    folder: Path,
    small_model: Path,
    expected: dict[str, str],
    n_computed: list[int],
    tmp_path: Path,
) -> None:
    home, log = tmp_path / "home", tmp_path / "log"
    statement = f"{before}{predict(small_model, folder)}{after.format(folder=tmp_path)}"
    times_s = kill_after(start(home, log, statement, 0.03), log, 6 * N_CLIPS // 10)
    n_stored = stored(home)
    assert sum(time_s < times_s[-1] - LOST_S for time_s in times_s[:-1]) <= n_stored < N_CLIPS

    # In a new process, with the files and the model elsewhere, in another order.
    moved = shutil.copytree(folder, tmp_path / "moved")
    model = shutil.copytree(small_model, tmp_path / "the model")
    with thano_duckdb.connect(progress=False, model_home=home, cache=True) as con:
        rows = again(con, predict(model, moved, "ORDER BY audio_path DESC"), tmp_path)
    assert {Path(path).name: text for path, text in rows} == expected
    assert len(rows) == N_CLIPS
    assert sum(n_computed) == N_CLIPS - n_stored
    assert stored(home) == N_CLIPS


@pytest.mark.parametrize(
    "seed", [pytest.param(seed, marks=[pytest.mark.nightly] if seed else []) for seed in range(20)]
)
def test_a_kill_at_a_random_moment_damages_nothing(
    seed: int, folder: Path, small_model: Path, expected: dict[str, str], n_computed: list[int], tmp_path: Path
) -> None:
    home, log, moment = tmp_path / "home", tmp_path / "log", random.Random(seed)
    query = predict(small_model, folder)
    process = start(home, log, query, 0.004)
    kill_after(process, log, moment.randrange(1, N_CLIPS), moment.random() / 20)
    n_stored = stored(home)
    with thano_duckdb.connect(progress=False, model_home=home, cache=True) as con:
        rows = con.sql(query).fetchall()
        assert {Path(path).name: text for path, text in rows} == expected
        assert sum(n_computed) == N_CLIPS - n_stored
        process_cache().clear()
        assert con.sql(query).fetchall() == rows
        assert sum(n_computed) == N_CLIPS - n_stored
