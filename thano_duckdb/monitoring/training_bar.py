"""The progress bar of a build: clips while they are read, then epoch, step, loss, speed, time left."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .statement_bar import close_bar, open_bar
from .training_monitor import EpochMetrics, StepProgress

if TYPE_CHECKING:
    from tqdm import tqdm


class TrainingBar:
    """Drawn on standard error, where somebody can see it; use it from one thread."""

    def __init__(self, *, shown: bool) -> None:
        """Draw only if `shown`."""
        self._shown = shown
        self._bar: tqdm[Any] | None = None
        self._is_training = False
        self._wer = ""

    def expect_clips(self, n_clips: int) -> None:
        """That many are going to be read."""
        if self._shown:
            self._bar = open_bar(total=n_clips, unit="clip", desc="reading")

    def count_clips(self, n_clips: int) -> None:
        """That many more are read."""
        if self._bar is not None:
            self._bar.update(n_clips)

    def show(self, progress: StepProgress) -> None:
        """Move to where the training stands."""
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
        """Keep the latest word error rate in sight."""
        self._wer = f"WER {metrics.wer:.3f}, " if metrics.wer is not None else ""

    def close(self) -> None:
        """Take the bar away."""
        if self._bar is not None:
            close_bar(self._bar)
            self._bar = None
