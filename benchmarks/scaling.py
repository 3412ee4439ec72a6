"""Whether several workers are as many times as fast as one, and how much audio this process can hand out at most.

The workers are real processes behind the real pipes and the real dispatcher; only their model is an actor: it waits for
as long as a device of a known speed would take, and answers with a text of usual length. So 64 GPUs fit on a laptop.
"""

from __future__ import annotations

import os
import sys
import tempfile
import time
from collections.abc import Generator, Sequence
from pathlib import Path
from unittest import mock

import numpy as np

from benchmarks.report import progress, report
from thano_duckdb.audio.source import Clip
from thano_duckdb.cluster import worker, worker_process
from thano_duckdb.cluster.dispatcher import Dispatcher
from thano_duckdb.cluster.processes import ProcessPool
from thano_duckdb.cluster.worker_pool import ModelFacts, ModelSource
from thano_duckdb.monitoring.monitor import Monitor, SilentMonitor
from thano_duckdb.speech.decoding.greedy import GreedyDecoder
from thano_duckdb.speech.decoding.vocabulary import Vocabulary
from thano_duckdb.speech.job_runner import CallOptions, Job, JobRunner
from thano_duckdb.speech.transcript import Transcript, Words

N_WORKERS = (1, 2, 4, 8, 64)
SPEED = 1_000.0
"""Seconds of audio that a worker transcribes in a second; infinite in the last rows."""
AT_MOST = float("inf")
MOST_PER_S = 60_000.0
"""About what this process can hand out; how many clips the last rows have."""
CLIP_S = 10.0
SECONDS = float(os.environ.get("BENCH_SCALE", "1")) * 15.0
"""That each run should take."""
N_FILES = 2_000
WORDS = ("transcript", "of", "a", "clip", "as", "people", "speak") * 4
_SPEED_VARIABLE = "BENCH_WORKER_SPEED"
_PROGRAM = "import sys; sys.path[:] = sys.argv[2:]; from benchmarks.scaling import worker_main; worker_main()"


class WaitingRunner:
    """A `JobRunner` that takes as long as a device of a given speed."""

    def __init__(self, speed: float) -> None:
        """Transcribe `speed` seconds of audio in a second."""
        self._speed = speed

    def run(
        self, jobs: Sequence[Job], options: CallOptions, monitor: Monitor
    ) -> Generator[tuple[Job, Transcript], None, None]:
        """See `JobRunner`."""
        end_s = time.perf_counter() + len(jobs) * CLIP_S / self._speed
        times_s = np.linspace(0, CLIP_S, 2 * len(WORDS)).reshape(-1, 2)
        for job in jobs:
            words = Words.of(WORDS, times_s, [0.9] * len(WORDS))
            yield job, Transcript(" ".join(WORDS), 0.9, CLIP_S, words, None)
        time.sleep(max(0.0, end_s - time.perf_counter()))


def worker_main() -> None:
    """What runs in a worker process."""
    speed = float(os.environ[_SPEED_VARIABLE])

    def load(_source: ModelSource, _n_threads: int | None) -> tuple[JobRunner, ModelFacts]:
        facts = ModelFacts(
            fingerprint="none",
            vocabulary=Vocabulary(("",), frozenset()),
            default_decoder=GreedyDecoder(),
            precision="float32",
            hardware="a clock",
        )
        return WaitingRunner(speed), facts

    with mock.patch.object(worker, "load", load):
        worker.main()


def measure(n_workers: int, speed: float, paths: Sequence[str]) -> dict[str, object]:
    """Throughput of one pool."""
    with (
        mock.patch.dict(os.environ, {_SPEED_VARIABLE: str(speed)}),
        mock.patch.object(worker_process, "_PROGRAM", _PROGRAM),
    ):
        source = ModelSource(Path(), "cuda", "float32")
        devices = [f"cuda:{number}" for number in range(n_workers)]
        dispatcher = Dispatcher(lambda: ProcessPool(source, devices, model="clock", n_threads=1))
        options = CallOptions(GreedyDecoder())
        try:
            while sum(info.state == "ready" for info in dispatcher.workers()) < n_workers:
                run(dispatcher, paths[:1], options)
                time.sleep(0.1)
            n_clips = int((MOST_PER_S if speed == AT_MOST else n_workers * speed) * SECONDS / CLIP_S)
            clips = [paths[number % len(paths)] for number in range(n_clips)]
            begun_s, begun_cpu_s = time.perf_counter(), time.process_time()
            run(dispatcher, clips, options)
            elapsed_s, cpu_s = time.perf_counter() - begun_s, time.process_time() - begun_cpu_s
        finally:
            dispatcher.close()
    audio_s_per_s = n_clips * CLIP_S / elapsed_s
    return {
        "workers": n_workers,
        "audio_s_per_s_of_a_worker": "any" if speed == AT_MOST else round(speed),
        "clips": n_clips,
        "seconds": round(elapsed_s, 2),
        "clips_per_s": round(n_clips / elapsed_s),
        "audio_s_per_s": round(audio_s_per_s),
        "percent_of_linear": "" if speed == AT_MOST else round(100 * audio_s_per_s / (n_workers * speed), 1),
        "driver_busy_percent": round(100 * cpu_s / elapsed_s),
        "driver_us_per_clip": round(1e6 * cpu_s / n_clips, 1),
    }


def run(dispatcher: Dispatcher, paths: Sequence[str], options: CallOptions) -> None:
    """Let the workers transcribe some files."""
    jobs = [Job(Clip(path), None, options.decoder, [row]) for row, path in enumerate(paths)]
    n_found = sum(transcript.error is None for _, transcript in dispatcher.run(jobs, options, SilentMonitor()))
    if n_found != len(jobs):
        raise SystemExit(f"{n_found} of {len(jobs)} clips have a transcript")


def main() -> None:
    """Measure 1 to 64 workers of a known speed, and then workers that take no time."""
    rows: list[dict[str, object]] = []
    sys.path.insert(0, str(Path(__file__).resolve().parent.parent))  # of the workers too
    with tempfile.TemporaryDirectory() as folder:
        paths = [f"{folder}/{number}.wav" for number in range(N_FILES)]
        for path in paths:
            Path(path).touch()
            os.truncate(path, int(CLIP_S * 32_000))  # takes no room on the disk
        for n_workers, speed in [*((n, SPEED) for n in N_WORKERS), (2, AT_MOST), (8, AT_MOST)]:
            progress(f"scaling: {n_workers} workers")
            rows.append(measure(n_workers, speed, paths))
    report("scaling", rows)
