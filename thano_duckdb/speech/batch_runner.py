"""Windows through the model in batches, whatever becomes of a batch: no room for it, or one bad clip in it."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence

import numpy as np

from thano_duckdb.monitor import Monitor
from thano_duckdb.speech.batching import plan_batches
from thano_duckdb.speech.device import OutOfMemory
from thano_duckdb.speech.features import Features
from thano_duckdb.speech.libraries import first_line
from thano_duckdb.speech.model import AcousticModel, FrameScores
from thano_duckdb.speech.threads import CallThreads, result_of
from thano_duckdb.speech.windows import SAMPLE_RATE_HZ


class BatchRunner:
    """Runs a model over any number of inputs, and remembers how much the device holds.

    Attributes:
        max_batch_samples: cost of a batch at most (see `plan_batches`); halved whenever the device runs out of memory.
    """

    def __init__(self, model: AcousticModel) -> None:
        self._model = model
        self.max_batch_samples = model.max_batch_samples

    def run(
        self, inputs: Sequence[Features], *, max_clips: int | None, monitor: Monitor
    ) -> Iterator[tuple[int, FrameScores | str]]:
        """The scores of every input, or the reason why it has none, as they come.

        Args:
            inputs: clips or windows.
            max_clips: inputs in a batch at most.
            monitor: asked between batches and within them.

        Returns:
            Pairs of an index into `inputs` and what became of it, each index once.

        Raises:
            RuntimeError: the model cannot compute even silence, so no clip is at fault.
        """
        with CallThreads(1, "thano-forward") as thread:
            yield from self._run(inputs, max_clips, monitor, thread)

    def _run(
        self, inputs: Sequence[Features], max_clips: int | None, monitor: Monitor, thread: CallThreads
    ) -> Iterator[tuple[int, FrameScores | str]]:
        todo = self._plan(inputs, range(len(inputs)), max_clips)
        while todo:
            monitor.raise_if_cancelled()
            batch = todo.popleft()
            outcome = self._forward([inputs[index] for index in batch], monitor, thread)
            if isinstance(outcome, list):
                for index, scores in zip(batch, outcome, strict=True):
                    is_sound = np.isfinite(scores.log_probs).all()
                    yield index, scores if is_sound else f"The model's scores ({self._model.device}) are not numbers."
            elif len(batch) == 1:
                yield batch[0], self._reason(outcome, inputs[batch[0]], monitor, thread)
            elif isinstance(outcome, OutOfMemory):
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

    def _forward(
        self, batch: Sequence[Features], monitor: Monitor, thread: CallThreads
    ) -> list[FrameScores] | OutOfMemory | RuntimeError:
        """One pass, on a thread of its own: a single convolution over 30 s may take a CPU seconds.

        An interrupt is answered at once; the pass stops at its next layer.
        """
        try:
            return result_of(thread.submit(self._model.forward, batch, monitor), monitor)
        except (OutOfMemory, RuntimeError) as error:
            return error

    def _reason(self, error: OutOfMemory | RuntimeError, clip: Features, monitor: Monitor, thread: CallThreads) -> str:
        """Why a clip that failed by itself has no scores."""
        if isinstance(error, OutOfMemory):
            seconds = len(clip.samples) / SAMPLE_RATE_HZ
            return f"There is not enough memory on {self._model.device} for {seconds:.1f} s of audio."
        silence = self._model.features(np.zeros(max(SAMPLE_RATE_HZ, self._model.grid.receptive_field), np.float32))
        if not isinstance(self._forward([silence], monitor, thread), list):
            raise error
        return f"The model failed on it: {first_line(error)}"
