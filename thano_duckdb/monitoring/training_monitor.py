"""What a build reports while it runs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from .monitor import Monitor, SilentMonitor


@dataclass(frozen=True)
class EpochMetrics:
    """The results of one epoch: one pass over the training rows.

    Attributes:
        epoch: from 1.
        train_loss: CTC loss per label, mean over the clips.
        eval_loss: the same on the held-out rows, after the epoch; None where none are held out.
        wer: word error rate on the held-out rows, greedy decoding, errors pooled over all words.
        cer: character error rate, likewise.
        learning_rate: of the last step.
        audio_hours: audio trained on in this epoch, at its recorded speed.
        skipped: rows that could not be used.
        seconds: wall time, including the evaluation and the checkpoint before it.
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
    """How far a build is.

    Attributes:
        epoch: the current one, from 1.
        n_epochs: all that the build will do.
        step: steps done, including those of an earlier run that this one resumed.
        n_steps: all that the build will do.
        loss: mean over the batches since the last report.
        audio_s_per_s: seconds of audio trained on per second, since this run started.
        left_s: estimated time left, without evaluations.
    """

    epoch: int
    n_epochs: int
    step: int
    n_steps: int
    loss: float
    audio_s_per_s: float
    left_s: float


class TrainingMonitor(Monitor, Protocol):
    """A `Monitor` that also receives the progress of a training.

    All methods but `raise_if_cancelled` are called on the thread of the build.
    """

    def warned(self, sentence: str) -> None:
        """Something is wrong with the rows (reported before the training) or with an epoch (reported at its end)."""

    def evaluation_started(self, what: str, n_clips: int) -> None:
        """`what` (the base, or the new model) is going to be evaluated on `n_clips`, which `clips_done` reports."""

    def step_done(self, progress: StepProgress) -> None:
        """Another step is done; reported at most a few times per second."""

    def epoch_done(self, metrics: EpochMetrics) -> None:
        """An epoch is done and saved in a checkpoint."""


class SilentTrainingMonitor(SilentMonitor):
    """Ignores everything, and never stops the build."""

    def warned(self, sentence: str) -> None:
        """Ignored."""

    def evaluation_started(self, what: str, n_clips: int) -> None:
        """Ignored."""

    def step_done(self, progress: StepProgress) -> None:
        """Ignored."""

    def epoch_done(self, metrics: EpochMetrics) -> None:
        """Ignored."""
