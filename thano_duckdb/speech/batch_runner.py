"""Runs windows through the model in batches, and copes with a lack of memory and with clips that the model fails on."""

from __future__ import annotations

import functools
from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Future
from typing import Any

from thano_duckdb.monitoring.monitor import Monitor

from .batching import evenly_shared, plan_batches
from .compute import ComputeThreads, n_streams
from .device import OutOfMemory
from .libraries import first_line
from .recognizer.recognizer import ClipFailure, Recognizer
from .threads import CallThreads, result_of
from .windows import SAMPLE_RATE_HZ

MAX_PASSES = 2
"""Forward passes of each stream: while one is computed, the next waits, or is already prepared (on a GPU)."""

Threads = CallThreads | ComputeThreads

Outcome = tuple[int, Any | ClipFailure]
"""The index of a window, and the model's output for it or the reason why there is none."""


class BatchRunner:
    """Runs a model over any number of windows, and remembers how large a batch fits on the device.

    Attributes:
        max_batch_samples: the highest cost of a batch (see `plan_batches`); halved when the device runs out of memory.
    """

    def __init__(self, recognizer: Recognizer[Any, Any, Any]) -> None:
        self._recognizer = recognizer
        self.max_batch_samples = recognizer.max_batch_samples

    def run(
        self, windows: Sequence[Any], decoder: Any, *, max_clips: int | None, monitor: Monitor
    ) -> Iterator[list[Outcome]]:
        """The model's output for every window, batch by batch as they finish.

        Args:
            windows: windows of any number of clips, from `Recognizer.prepare`.
            decoder: determines what the network has to output.
            max_clips: the most windows in a batch.
            monitor: asked between and within batches whether to stop.

        Returns:
            For each batch a list of pairs: an index into `windows`, and the outcome of that window. Each index occurs
            once.

        Raises:
            RuntimeError: the model fails even on silence, so no clip is to blame.
        """
        is_cuda = self._recognizer.device.is_cuda
        with CallThreads(MAX_PASSES, "thano-forward") if is_cuda else ComputeThreads() as threads:
            yield from _Call(self, self._recognizer, decoder, max_clips, monitor, threads).run(windows)


class _Call:
    """A single call of `BatchRunner.run`."""

    def __init__(
        self,
        runner: BatchRunner,
        recognizer: Recognizer[Any, Any, Any],
        decoder: Any,
        max_clips: int | None,
        monitor: Monitor,
        threads: Threads,
    ) -> None:
        self._runner = runner
        self._recognizer = recognizer
        self._decoder = decoder
        self._max_clips = min((n for n in (max_clips, recognizer.max_clips) if n is not None), default=None)
        self._monitor = monitor
        self._threads = threads
        n_threads = threads.n_threads if isinstance(threads, ComputeThreads) else 1
        self._n_streams = min(n_streams(recognizer.device, n_threads), recognizer.max_passes or n_threads)
        self._n_threads = 1  # of each pass

    def run(self, windows: Sequence[Any]) -> Iterator[list[Outcome]]:
        waiting = self._plan(windows, range(len(windows)))
        running: deque[tuple[list[int], Future[list[Any]]]] = deque()
        while waiting or running:
            self._monitor.raise_if_cancelled()
            while waiting and len(running) < MAX_PASSES * self._n_streams:
                batch = waiting.popleft()
                running.append((batch, self._start([windows[index] for index in batch])))
            batch, future = running.popleft()
            outputs = self._outputs(future)
            if isinstance(outputs, list):
                yield list(zip(batch, outputs, strict=True))
            elif len(batch) == 1:
                yield [(batch[0], self._failure(outputs, windows[batch[0]]))]
            elif isinstance(outputs, OutOfMemory):
                longest = max(self._recognizer.n_samples(windows[index]) for index in batch)
                self._runner.max_batch_samples = min(self._runner.max_batch_samples, len(batch) * longest // 2)
                waiting = self._plan(windows, [*batch, *(index for later in waiting for index in later)])
            else:
                waiting.extendleft([index] for index in batch)

    def _plan(self, windows: Sequence[Any], indices: Sequence[int]) -> deque[list[int]]:
        n_samples = [self._recognizer.n_samples(windows[index]) for index in indices]
        max_batch_samples = evenly_shared(
            n_samples, max_batch_samples=self._runner.max_batch_samples, n_streams=self._n_streams
        )
        batches = plan_batches(n_samples, max_clips=self._max_clips, max_batch_samples=max_batch_samples)
        if isinstance(self._threads, ComputeThreads):
            self._n_threads = self._threads.n_threads // max(1, min(len(batches), self._n_streams))
        return deque([indices[position] for position in batch] for batch in batches)

    def _start(self, batch: Sequence[Any]) -> Future[list[Any]]:
        work = functools.partial(self._recognizer.run, batch, self._decoder, self._monitor)
        if isinstance(self._threads, ComputeThreads):
            return self._threads.submit(self._n_threads, work)
        return self._threads.submit(work)

    def _outputs(self, future: Future[list[Any]]) -> list[Any] | OutOfMemory | RuntimeError:
        """The outputs of a pass, or its error.

        The pass runs on another thread, so this one can respond to an interrupt at once, even though a CPU may need
        seconds for a single layer over 30 s of audio; the pass itself stops at its next layer.
        """
        try:
            return result_of(future, self._monitor)
        except (OutOfMemory, RuntimeError) as error:
            return error

    def _failure(self, error: OutOfMemory | RuntimeError, window: Any) -> ClipFailure:
        """Why there is no output for a window that failed in a batch of its own.

        Raises:
            RuntimeError: silence fails too, so the window is not to blame.
        """
        if isinstance(error, OutOfMemory):
            seconds = self._recognizer.n_samples(window) / SAMPLE_RATE_HZ
            return ClipFailure(f"There is not enough memory for {seconds:.1f} s of audio ({self._recognizer.device}).")
        if not isinstance(self._outputs(self._start([self._recognizer.silence()])), list):
            raise error
        return ClipFailure(f"The model failed on this clip: {first_line(error)}")
