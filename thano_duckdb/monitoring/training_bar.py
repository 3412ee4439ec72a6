"""The progress bar of a build: clips while they are read or evaluated, then epoch, step, loss, speed and time left."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .bar import close_bar, open_bar
from .training_monitor import EpochMetrics, StepProgress

if TYPE_CHECKING:
    from tqdm import tqdm


class TrainingBar:
    """Drawn on standard error. To be used from one thread."""

    def __init__(self, *, shown: bool) -> None:
        """Draw nothing unless `shown`."""
        self._shown = shown
        self._bar: tqdm[Any] | None = None
        self._is_training = False
        self._wer = ""

    def expect_clips(self, n_clips: int, what: str = "reading") -> None:
        """`n_clips` are going to be read, or whatever else `what` is."""
        if self._shown:
            self.close()
            self._bar, self._is_training = open_bar(total=n_clips, unit="clip", desc=what), False

    def count_clips(self, n_clips: int) -> None:
        """`n_clips` more are done."""
        if self._bar is not None:
            self._bar.update(n_clips)

    def show(self, progress: StepProgress) -> None:
        """Show how far the training is."""
        if not self._shown:
            return
        if self._bar is None or not self._is_training:
            self.close()
            self._bar, self._is_training = open_bar(total=progress.n_steps, initial=progress.step, unit="step"), True
        self._bar.set_description_str(f"training, epoch {progress.epoch}/{progress.n_epochs}", refresh=False)
        self._bar.set_postfix_str(
            f"loss {progress.loss:.3f}, {self._wer}{progress.audio_s_per_s:.0f} x real time, "
            f"{self._bar.format_interval(round(progress.left_s))} left",
            refresh=False,
        )
        self._bar.n = progress.step
        self._bar.refresh()

    def note(self, metrics: EpochMetrics) -> None:
        """Show the word error rate of the latest epoch from now on."""
        self._wer = f"WER {metrics.wer:.3f}, " if metrics.wer is not None else ""

    def close(self) -> None:
        """Remove the bar."""
        if self._bar is not None:
            close_bar(self._bar)
            self._bar = None
