"""What a build tells while it runs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from .monitor import Monitor, SilentMonitor


@dataclass(frozen=True)
class EpochMetrics:
    """One pass over the training rows.

    Attributes:
        epoch: from 1.
        train_loss: CTC loss per label, mean over the clips.
        eval_loss: the same on the held-out rows, after the epoch; None where none are held out.
        wer: word error rate on the held-out rows, greedy decoding, errors pooled over all words.
        cer: character error rate, likewise.
        learning_rate: of the last step.
        audio_hours: audio heard, as it was recorded.
        skipped: rows that could not be used.
        seconds: wall time, the evaluation and the checkpoint before it included.
    """

    epoch: int
    train_loss: float
    eval_loss: float | None
    wer: float | None
    cer: float | None
    learning_rate: float
    audio_hours: float
    skipped: int
    seconds: float


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
