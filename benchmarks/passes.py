"""Passes of systems over the same clips, in rounds whose order rotates, with the time and memory of each."""

from __future__ import annotations

import gc
import os
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import Protocol, Self

import psutil

from benchmarks.report import progress
from benchmarks.stages import Stages
from thano_duckdb.speech.heap import trim

SAMPLING_S = 0.02


@dataclass(frozen=True)
class Pass:
    """One pass of a system over all clips.

    Attributes:
        texts: one for each clip, in their order.
        elapsed_s: time from paths to texts.
        rise_mib: peak resident memory during the pass, above that before it.
        others_percent: share of the processors' time that other processes took meanwhile.
        shares: percent of `elapsed_s` spent in each stage, where known.
    """

    texts: list[str]
    elapsed_s: float
    rise_mib: float
    others_percent: float
    shares: dict[str, float]


class Runner(Protocol):
    """A system, in this process or in its own."""

    @property
    def name(self) -> str:
        """Its name in the table."""

    def run_pass(self, paths: Sequence[str]) -> Pass:
        """Time one pass."""


class PeakMemory:
    """The peak resident memory of this process within a context, sampled by a thread every 20 ms."""

    def __enter__(self) -> Self:
        self._process = psutil.Process()
        self._ended = threading.Event()
        self._before_bytes = self._peak_bytes = self._resident_bytes()
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._ended.set()
        self._thread.join()

    @property
    def rise_mib(self) -> float:
        """The peak above the memory at the beginning."""
        return (self._peak_bytes - self._before_bytes) / 2**20

    def _watch(self) -> None:
        while not self._ended.wait(SAMPLING_S):
            self._peak_bytes = max(self._peak_bytes, self._resident_bytes())

    def _resident_bytes(self) -> int:
        return int(self._process.memory_info().rss)


def run_pass(transcribe: Callable[[Sequence[str]], list[str]], stages: Stages | None, paths: Sequence[str]) -> Pass:
    """Time one pass. Memory that earlier passes freed is returned to the system first."""
    gc.collect()
    trim()
    with PeakMemory() as memory:
        others_s = _others_cpu_s()
        begun_s = time.perf_counter()
        texts = transcribe(paths)
        elapsed_s = time.perf_counter() - begun_s
        others_s = _others_cpu_s() - others_s
    others_percent = max(0.0, 100 * others_s / elapsed_s / (os.cpu_count() or 1))
    shares = {}
    if stages is not None:
        shares = {
            "decode_percent": 100 * stages.decode_s / elapsed_s,
            "device_percent": 100 * stages.device_s / elapsed_s,
            "text_percent": 100 * stages.text_s / elapsed_s,
            "waiting_percent": 100 * (1 - stages.device_s / elapsed_s),
        }
    return Pass(texts, elapsed_s, memory.rise_mib, others_percent, shares)


def _others_cpu_s() -> float:
    """CPU time that other processes and the kernel have used since the machine started, up to a constant."""
    times = psutil.cpu_times()
    idle_s = times.idle + getattr(times, "iowait", 0.0)
    # Linux counts guest time as user time too.
    busy_s = sum(times) - idle_s - getattr(times, "guest", 0.0) - getattr(times, "guest_nice", 0.0)
    return float(busy_s) - time.process_time()


def run_rounds(
    systems: Sequence[Runner], paths: Sequence[str], n_rounds: int, *, n_warm_up: int | None = None, label: str
) -> Iterator[list[Pass]]:
    """Warm every system up, then run each once per round; each round begins with another system.

    Args:
        systems: the systems to compare.
        paths: the clips.
        n_rounds: number of timed rounds.
        n_warm_up: number of clips in the warm-up pass; None for all.
        label: what the lines of progress begin with.

    Returns:
        The passes of each round as it ends, in the order of `systems`.
    """
    for system in systems:
        progress(f"{label}: warming up {system.name}")
        system.run_pass(paths[:n_warm_up])
    for number in range(n_rounds):
        passes: dict[int, Pass] = {}
        for turn in range(len(systems)):
            which = (number + turn) % len(systems)
            passes[which] = systems[which].run_pass(paths)
            progress(
                f"{label}: round {number + 1} of {n_rounds}, {systems[which].name}: {passes[which].elapsed_s:.2f} s"
            )
        yield [passes[which] for which in range(len(systems))]
