"""What reading ahead of DuckDB's vectors gains: `python -m benchmarks wide [--rows=20000]`.

`CREATE TABLE AS PREDICT` over 20,000 rows by default, with devices of known speed that sleep in place of computing. One
device stands behind this process: clips are really read, decoded and batched. Several devices stand for a cluster,
whose workers decode elsewhere: what is timed is only whether they always have work.
"""

from __future__ import annotations

import contextlib
import os
import tempfile
import threading
import time
from collections.abc import Generator, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np
import soundfile as sf

import thano_duckdb
from benchmarks.host import answering_at_once
from benchmarks.report import progress, report
from benchmarks.scale import resident_mib
from benchmarks.without_cache import without_cache
from thano_duckdb.connection import request
from thano_duckdb.models import bundled
from thano_duckdb.monitoring.monitor import Monitor
from thano_duckdb.speech.job_runner import CallOptions, Job
from thano_duckdb.speech.local_runner import LocalRunner
from thano_duckdb.speech.recognizer.acoustic_model import AcousticModel
from thano_duckdb.speech.transcript import Transcript

N_ROWS = 20_000
N_CLIPS = 20
RATE_HZ = 16_000
CLIP_S = (0.2, 0.5)
"""The shortest and the longest clip, of those that are read."""
CLUSTER_CLIP_S = (2.0, 15.0)
"""Of those that workers of a cluster would read."""
BATCH_CLIPS = 32
SIMULATED = ((1, 150.0), (8, 1500.0), (32, 375.0))
"""Devices, and the seconds of audio that each computes in a second."""


@dataclass
class Device:
    """A device that computes nothing, as fast as it is said to."""

    audio_s_per_s: float
    lock: threading.Lock = field(default_factory=threading.Lock)
    busy_s: float = 0.0

    def compute(self, audio_s: float) -> None:
        """Take the time that `audio_s` seconds of audio take; one batch at a time."""
        with self.lock:
            time.sleep(audio_s / self.audio_s_per_s)
            self.busy_s += audio_s / self.audio_s_per_s


def main(rows_option: str = f"--rows={N_ROWS}") -> None:
    """Each of `SIMULATED`, with and without reading ahead."""
    n_rows = int(rows_option.removeprefix("--rows="))
    rows: list[dict[str, object]] = []
    with tempfile.TemporaryDirectory() as folder, without_cache(), answering_at_once():
        _write_clips(Path(folder), n_rows)
        for n_devices, speed in SIMULATED:
            tables = []
            for reads_ahead in (False, True):
                devices = [Device(speed) for _ in range(n_devices)]
                patched = _one_device(devices[0]) if n_devices == 1 else _cluster(devices)
                with patched as calls, _ahead(reads_ahead):
                    elapsed_s, table = _measure(folder, n_rows)
                tables.append(table)
                rows.append(
                    {
                        "devices": n_devices,
                        "device_audio_s_per_s": speed,
                        "read_ahead": reads_ahead,
                        "rows": n_rows,
                        "seconds": round(elapsed_s, 2),
                        "busy_percent": round(100 * sum(each.busy_s for each in devices) / n_devices / elapsed_s, 1),
                        "calls": len(calls),
                        "clips_per_call": round(sum(calls) / len(calls)),
                        "resident_mib": round(resident_mib()),
                    }
                )
                progress("wide: " + ", ".join(f"{key} {value}" for key, value in rows[-1].items()))
            if tables[0] != tables[1]:
                raise SystemExit("the tables differ")
    report("wide", rows)


def _measure(folder: str, n_rows: int) -> tuple[float, list[Any]]:
    with thano_duckdb.connect(progress=False) as con:
        paths = f"'{folder}/' || i || '.wav' AS audio_path"
        con.execute(f"CREATE TABLE clips AS SELECT i, {paths} FROM range({n_rows}) t(i)")
        predict = f"PREDICT USING '{bundled.MODEL_FOLDER}' OPTIONS (language_model=NULL) AS FROM clips"
        con.execute(f"{predict} LIMIT 1").fetchall()  # loads the model
        begun_s = time.perf_counter()
        con.execute(f"CREATE TABLE t AS {predict}")
        elapsed_s = time.perf_counter() - begun_s
        return elapsed_s, con.execute("FROM t").fetchall()


def _write_clips(folder: Path, n_rows: int) -> None:
    """A link for each row to one of some clips."""
    random = np.random.default_rng(0)
    for number, duration_s in enumerate(random.uniform(*CLIP_S, N_CLIPS)):
        samples = random.normal(0, 0.1, int(duration_s * RATE_HZ)).astype(np.float32)
        sf.write(folder / f"clip{number}.wav", samples, RATE_HZ)
    for row in range(n_rows):
        os.symlink(folder / f"clip{row % N_CLIPS}.wav", folder / f"{row}.wav")


def _ahead(reads_ahead: bool) -> contextlib.AbstractContextManager[Any]:
    if reads_ahead:
        return contextlib.nullcontext()
    return mock.patch.object(request, "find_second_reading", return_value=None)


@contextlib.contextmanager
def _one_device(device: Device) -> Iterator[list[int]]:
    """`device` behind the runner of this process; gives the clips of each call."""
    calls: list[int] = []
    answer, run = AcousticModel.forward, LocalRunner.run

    def forward(model: AcousticModel, batch: Sequence[Any], *args: Any, **kwargs: Any) -> Any:
        device.compute(len(batch) * max(len(clip.samples) for clip in batch) / RATE_HZ)
        return answer(model, batch, *args, **kwargs)

    def counted(runner: LocalRunner, jobs: Sequence[Job], *args: Any) -> Any:
        calls.append(len(jobs))
        return run(runner, jobs, *args)

    with mock.patch.object(AcousticModel, "forward", forward), mock.patch.object(LocalRunner, "run", counted):
        yield calls


@contextlib.contextmanager
def _cluster(devices: list[Device]) -> Iterator[list[int]]:
    """`devices` in place of the runner of this process: each takes the next batch when it has finished one."""
    calls: list[int] = []
    idle = list(devices)
    durations_s: list[float] = np.random.default_rng(0).uniform(*CLUSTER_CLIP_S, 1_000_000).tolist()

    def audio_s(job: Job) -> float:
        return durations_s[int(Path(job.clip.location).stem)]

    def work(batch: list[Job]) -> list[Job]:
        device = idle.pop()
        try:
            device.compute(len(batch) * max(map(audio_s, batch)))
        finally:
            idle.append(device)
        return batch

    def run(
        _runner: LocalRunner, jobs: Sequence[Job], _options: CallOptions, monitor: Monitor
    ) -> Generator[tuple[Job, Transcript], None, None]:
        calls.append(len(jobs))
        longest_first = sorted(jobs, key=audio_s, reverse=True)
        batches = [longest_first[at : at + BATCH_CLIPS] for at in range(0, len(jobs), BATCH_CLIPS)]
        for finished in as_completed([pool.submit(work, batch) for batch in batches]):
            monitor.raise_if_cancelled()
            for job in finished.result():
                yield job, Transcript(Path(job.clip.location).stem, 1.0, audio_s(job), None, None)

    with ThreadPoolExecutor(len(devices)) as pool, mock.patch.object(LocalRunner, "run", run):
        yield calls
