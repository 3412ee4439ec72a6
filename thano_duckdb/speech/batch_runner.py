"""Windows through the model in batches, whatever becomes of a batch: no room for it, or one bad clip in it."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Future

import numpy as np

from thano_duckdb.monitoring.monitor import Monitor

from .batching import plan_batches
from .compute import ComputeThread
from .device import OutOfMemory
from .libraries import first_line
from .recognizer.acoustic_model import AcousticModel, FrameScores
from .recognizer.features import Features
from .threads import CallThreads, result_of
from .windows import SAMPLE_RATE_HZ

PASSES = 2
"""Under way at a time: one is computed; the other, on a GPU, is prepared meanwhile."""

Outcome = tuple[int, FrameScores | str]
"""An input, by its index, and its scores, or the reason why it has none."""


class BatchRunner:
    """Runs a model over any number of inputs, and remembers how much the device holds.

    Attributes:
        max_batch_samples: cost of a batch at most (see `plan_batches`); halved whenever the device runs out of memory.
    """

    def __init__(self, model: AcousticModel) -> None:
        self._model = model
        self.max_batch_samples = model.max_batch_samples

    def run(self, inputs: Sequence[Features], *, max_clips: int | None, monitor: Monitor) -> Iterator[list[Outcome]]:
        """The scores of every input, or the reason why it has none, batch by batch as they come.

        Args:
            inputs: clips or windows.
            max_clips: inputs in a batch at most.
            monitor: asked between batches and within them.

        Returns:
            Pairs of an index into `inputs` and what became of it, each index once.

        Raises:
            RuntimeError: the model cannot compute even silence, so no clip is at fault.
        """
        with CallThreads(PASSES, "thano-forward") if self._model.device.is_cuda else ComputeThread() as threads:
            yield from self._run(inputs, max_clips, monitor, threads)

    def _run(
        self, inputs: Sequence[Features], max_clips: int | None, monitor: Monitor, threads: CallThreads | ComputeThread
    ) -> Iterator[list[Outcome]]:
        todo = self._plan(inputs, range(len(inputs)), max_clips)
        under_way: deque[tuple[list[int], Future[list[FrameScores]]]] = deque()
        while todo or under_way:
            monitor.raise_if_cancelled()
            while todo and len(under_way) < PASSES:
                clips = [inputs[index] for index in todo[0]]
                under_way.append((todo.popleft(), threads.submit(self._model.forward, clips, monitor)))
            batch, future = under_way.popleft()
            scores = _scores(future, monitor)
            if isinstance(scores, list):
                yield [(index, self._checked(one)) for index, one in zip(batch, scores, strict=True)]
            elif len(batch) == 1:
                yield [(batch[0], self._reason(scores, inputs[batch[0]], monitor, threads))]
            elif isinstance(scores, OutOfMemory):
                longest = max(len(inputs[index].samples) for index in batch)
                self.max_batch_samples = min(self.max_batch_samples, len(batch) * longest // 2)
                todo = self._plan(inputs, [*batch, *(index for later in todo for index in later)], max_clips)
            else:
                todo.extendleft([index] for index in batch)

    def _plan(self, inputs: Sequence[Features], which: Sequence[int], max_clips: int | None) -> deque[list[int]]:
        limits = [limit for limit in (max_clips, self._model.max_clips) if limit is not None]
        batches = plan_batches(
            [len(inputs[index].samples) for index in which],
            max_clips=min(limits, default=None),
            max_batch_samples=self.max_batch_samples,
        )
        return deque([which[position] for position in batch] for batch in batches)

    def _checked(self, scores: FrameScores) -> FrameScores | str:
        is_sound = np.isfinite(scores.log_probs).all()
        return scores if is_sound else f"The model's scores ({self._model.device}) are not numbers."

    def _reason(
        self, error: OutOfMemory | RuntimeError, clip: Features, monitor: Monitor, threads: CallThreads | ComputeThread
    ) -> str:
        """Why a clip that failed by itself has no scores."""
        if isinstance(error, OutOfMemory):
            seconds = len(clip.samples) / SAMPLE_RATE_HZ
            return f"There is not enough memory on {self._model.device} for {seconds:.1f} s of audio."
        silence = self._model.features(np.zeros(max(SAMPLE_RATE_HZ, self._model.grid.receptive_field), np.float32))
        if not isinstance(_scores(threads.submit(self._model.forward, [silence], monitor), monitor), list):
            raise error
        return f"The model failed on it: {first_line(error)}"


def _scores(future: Future[list[FrameScores]], monitor: Monitor) -> list[FrameScores] | OutOfMemory | RuntimeError:
    """What became of a pass.

    It runs on a thread, so that an interrupt is answered at once, though a single layer over 30 s may take a CPU
    seconds; the pass itself stops at its next layer.
    """
    try:
        return result_of(future, monitor)
    except (OutOfMemory, RuntimeError) as error:
        return error
