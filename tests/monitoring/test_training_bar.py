"""What a person sees while a build runs."""

from __future__ import annotations

import pytest

from thano_duckdb.monitoring.training_bar import TrainingBar
from thano_duckdb.monitoring.training_monitor import EpochMetrics, StepProgress

PROGRESS = StepProgress(epoch=2, n_epochs=3, step=17, n_steps=30, loss=1.2345, audio_s_per_s=41.6, left_s=83.2)
METRICS = EpochMetrics(1, 2.0, 2.1, 0.456, 0.2, 1e-4, 0.5, 0, 12.0)


def test_the_bar_shows_epoch_step_loss_speed_and_time_left(capsys: pytest.CaptureFixture[str]) -> None:
    bar = TrainingBar(shown=True)
    bar.expect_clips(2)
    bar.count_clips(2)
    bar.expect_clips(3, "evaluating the base")
    bar.count_clips(1)
    bar.note(METRICS)
    bar.show(PROGRESS)
    bar.close()
    drawn = capsys.readouterr().err
    assert "evaluating the base" in drawn
    for part in (
        "reading",
        "0/2",
        "0/3",
        "epoch 2/3",
        "17/30",
        "loss 1.234",
        "WER 0.456",
        "42 x real time",
        "01:23 left",
    ):
        assert part in drawn


def test_nothing_is_drawn_unless_it_is_shown(capsys: pytest.CaptureFixture[str]) -> None:
    bar = TrainingBar(shown=False)
    bar.expect_clips(2)
    bar.show(PROGRESS)
    bar.close()
    assert capsys.readouterr().err == ""
