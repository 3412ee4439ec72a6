"""What a build tells while it runs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from thano_duckdb.monitor import Monitor, SilentMonitor
from thano_duckdb.speech.training.options import EpochMetrics


@dataclass(frozen=True)
class StepProgress:
    """Where a build stands.

    Attributes:
        epoch: the one under way, from 1.
        n_epochs: of the build.
        step: steps done since its start, those of an earlier run that it resumed included.
        n_steps: of the build.
        loss: of the batches since the last report.
        audio_s_per_s: audio heard in a second, since this run started.
        left_s: time left, evaluations not counted.
    """

    epoch: int
    n_epochs: int
    step: int
    n_steps: int
    loss: float
    audio_s_per_s: float
    left_s: float


class TrainingMonitor(Monitor, Protocol):
    """A `Monitor` that also hears of the training. All on the thread of the build, but for `raise_if_cancelled`."""

    def warned(self, sentence: str) -> None:
        """Something is off: with the rows, told before the training starts, or with an epoch, told at its end."""

    def step_done(self, progress: StepProgress) -> None:
        """Another step is done; told at most a few times a second."""

    def epoch_done(self, metrics: EpochMetrics) -> None:
        """An epoch is done and kept in a checkpoint."""


class SilentTrainingMonitor(SilentMonitor):
    """Reports nothing, never stops."""

    def warned(self, sentence: str) -> None:
        """Ignored."""

    def step_done(self, progress: StepProgress) -> None:
        """Ignored."""

    def epoch_done(self, metrics: EpochMetrics) -> None:
        """Ignored."""
