"""Recognizers for tests: a real one that tests can observe or disturb, and one that computes nothing."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from thano_duckdb.monitoring.monitor import Monitor
from thano_duckdb.speech.decoding.decoder import Decoder, FrameScores
from thano_duckdb.speech.recognizer.ctc_recognizer import CtcRecognizer, CtcWindow
from thano_duckdb.speech.recognizer.features import Features
from thano_duckdb.speech.recognizer.level import Level
from thano_duckdb.speech.recognizer.recognizer import ClipFailure, PreparedClip

Batch = Sequence[CtcWindow]


def cost(batch: Batch) -> int:
    """The number of windows times the length of the longest, in samples."""
    return len(batch) * max(len(window.features.samples) for window in batch)


@dataclass(frozen=True)
class WatchedRecognizer(CtcRecognizer):
    """A real model whose passes are recorded.

    Attributes:
        before: called before each pass; if it raises an error, the pass raises it too.
        sizes: the number of windows of each pass that ran.
        costs: the cost of each pass that ran.
    """

    before: Callable[[Batch], None] = lambda _batch: None
    sizes: list[int] = field(default_factory=list)
    costs: list[int] = field(default_factory=list)

    def run(self, batch: Batch, decoder: Decoder, monitor: Monitor) -> list[FrameScores | ClipFailure]:
        """Record the pass and run it."""
        self.before(batch)
        self.sizes.append(len(batch))
        self.costs.append(cost(batch))
        return super().run(batch, decoder, monitor)


@dataclass(frozen=True)
class InstantRecognizer(CtcRecognizer):
    """Computes nothing: every frame has the same label."""

    @property
    def max_batch_samples(self) -> int:
        """No limit."""
        return 10**9

    def prepare(
        self, samples: NDArray[np.float32], *, skip_silence: bool = True, level: Level = "robust"
    ) -> PreparedClip[CtcWindow] | ClipFailure:
        """The samples as they are, in one window."""
        window = CtcWindow(Features(samples, None), slice(None), slice(None))
        return PreparedClip((window,), samples.nbytes, len(samples))

    def run(self, batch: Batch, decoder: Decoder, monitor: Monitor) -> list[FrameScores | ClipFailure]:
        """The fifth label in every frame."""
        counts = [self.model.grid.n_frames(len(window.features.samples)) for window in batch]
        return [FrameScores(np.full((count, 1), 5, np.int16), np.zeros((count, 1), np.float32)) for count in counts]
