"""Windows through the model in batches, whatever happens to a batch: not enough memory, or one bad clip in it."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Future
from typing import Any

from thano_duckdb.monitoring.monitor import Monitor

from .batching import plan_batches
from .compute import ComputeThread
from .decoding.decoder import Decoder
from .device import OutOfMemory
from .libraries import first_line
from .recognizer.recognizer import Recognizer, Refusal
from .threads import CallThreads, result_of
from .windows import SAMPLE_RATE_HZ

PASSES = 2
"""Under way at a time: one is computed; the other, on a GPU, is prepared meanwhile."""

Threads = CallThreads | ComputeThread


Outcome = tuple[int, Any | Refusal]
"""A window, by its index, and what the model gives for it, or the reason why it gives nothing."""


class BatchRunner:
    """Runs a model over any number of windows, and remembers how much the device can hold.

    Attributes:
        max_batch_samples: cost of a batch at most (see `plan_batches`); halved whenever the device runs out of memory.
    """

    def __init__(self, recognizer: Recognizer[Any, Any]) -> None:
        self._recognizer = recognizer
        self.max_batch_samples = recognizer.max_batch_samples

    def run(
        self, windows: Sequence[Any], decoder: Decoder, *, max_clips: int | None, monitor: Monitor
    ) -> Iterator[list[Outcome]]:
        """What the model gives for every window, batch by batch as they are done.

        Args:
            windows: of any number of clips, as `Recognizer.prepare` gives them.
            decoder: says what is needed of the network.
            max_clips: windows in a batch at most.
            monitor: asked between batches and within them.

        Returns:
            Pairs of an index into `windows` and its outcome, each index once.

        Raises:
            RuntimeError: the model cannot compute even silence, so no clip is at fault.
        """
        with CallThreads(PASSES, "thano-forward") if self._recognizer.device.is_cuda else ComputeThread() as threads:
            yield from _Call(self, self._recognizer, decoder, max_clips, monitor, threads).run(windows)


class _Call:
    """One call of `BatchRunner.run`."""

    def __init__(
        self,
        runner: BatchRunner,
        recognizer: Recognizer[Any, Any],
        decoder: Decoder,
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

    def run(self, windows: Sequence[Any]) -> Iterator[list[Outcome]]:
        todo = self._plan(windows, range(len(windows)))
        under_way: deque[tuple[list[int], Future[list[Any]]]] = deque()
        while todo or under_way:
            self._monitor.raise_if_cancelled()
            while todo and len(under_way) < PASSES:
                batch = todo.popleft()
                under_way.append((batch, self._start([windows[index] for index in batch])))
            batch, future = under_way.popleft()
            outputs = self._outputs(future)
            if isinstance(outputs, list):
                yield list(zip(batch, outputs, strict=True))
            elif len(batch) == 1:
                yield [(batch[0], self._reason(outputs, windows[batch[0]]))]
            elif isinstance(outputs, OutOfMemory):
                longest = max(self._recognizer.n_samples(windows[index]) for index in batch)
                self._runner.max_batch_samples = min(self._runner.max_batch_samples, len(batch) * longest // 2)
                todo = self._plan(windows, [*batch, *(index for later in todo for index in later)])
            else:
                todo.extendleft([index] for index in batch)

    def _plan(self, windows: Sequence[Any], which: Sequence[int]) -> deque[list[int]]:
        batches = plan_batches(
            [self._recognizer.n_samples(windows[index]) for index in which],
            max_clips=self._max_clips,
            max_batch_samples=self._runner.max_batch_samples,
        )
        return deque([which[position] for position in batch] for batch in batches)

    def _start(self, batch: Sequence[Any]) -> Future[list[Any]]:
        return self._threads.submit(self._recognizer.run, batch, self._decoder, self._monitor)

    def _outputs(self, future: Future[list[Any]]) -> list[Any] | OutOfMemory | RuntimeError:
        """The outputs of a pass, or its error.

        A pass runs on a thread, so that an interrupt is answered at once, though a single layer over 30 s may take a
        CPU seconds; the pass itself stops at its next layer.
        """
        try:
            return result_of(future, self._monitor)
        except (OutOfMemory, RuntimeError) as error:
            return error

    def _reason(self, error: OutOfMemory | RuntimeError, window: Any) -> Refusal:
        """Why a window that failed by itself has no output.

        Raises:
            RuntimeError: silence fails too, so the window is not at fault.
        """
        if isinstance(error, OutOfMemory):
            seconds = self._recognizer.n_samples(window) / SAMPLE_RATE_HZ
            return Refusal(f"There is not enough memory on {self._recognizer.device} for {seconds:.1f} s of audio.")
        if not isinstance(self._outputs(self._start([self._recognizer.silence()])), list):
            raise error
        return Refusal(f"The model failed on it: {first_line(error)}")
