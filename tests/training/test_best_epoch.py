"""Which epoch is published, when a training stops early, and what a stopped build keeps of it."""

from __future__ import annotations

import math
import multiprocessing
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from safetensors.numpy import load_file

from tests.training.kit import NotingMonitor, run_build, run_build_and_die
from thano_duckdb.errors import Cancelled, ThanoError
from thano_duckdb.monitoring.training_monitor import EpochMetrics
from thano_duckdb.training.best_epoch import best_epoch, is_out_of_patience
from thano_duckdb.training.comparison import Evaluation
from thano_duckdb.training.training_options import Example, TrainingOptions
from thano_duckdb.training.validation import Validation

NAN = math.nan


def epochs(*figures: tuple[float | None, float | None, float | None]) -> list[EpochMetrics]:
    """Epochs of these WER, CER and loss."""
    return [EpochMetrics(n, 1.0, loss, wer, cer, 1e-4, 0.1, 0, 1.0) for n, (wer, cer, loss) in enumerate(figures, 1)]


@pytest.mark.parametrize(
    ("figures", "best"),
    [
        ([(0.5, 0.1, 1.0), (0.4, 0.9, 9.0), (0.6, 0.0, 0.1)], 2),  # WER counts first
        ([(0.5, 0.2, 1.0), (0.5, 0.3, 0.1), (0.5, 0.1, 9.0)], 3),  # then CER
        ([(0.5, 0.2, 1.0), (0.5, 0.2, 0.9), (0.5, 0.2, 0.9)], 2),  # then loss; of equal ones the first
        ([(None, None, NAN), (None, None, 3.0)], 2),
        ([(NAN, 0.1, 1.0), (1.0, 1.0, 9.0)], 2),
        ([(1.0, 1.0, NAN)], 1),
    ],
)
def test_the_best_epoch_is_that_of_the_lowest_wer_then_cer_then_loss(figures: list[Any], best: int) -> None:
    assert best_epoch(epochs(*figures)) == best


def test_patience_counts_the_epochs_since_the_best() -> None:
    falling = epochs((0.5, 0.1, 1.0), (0.4, 0.1, 1.0), (0.4, 0.1, 1.0), (0.45, 0.1, 1.0))
    stops = [[is_out_of_patience(falling[:n], patience) for n in range(5)] for patience in (1, 2, None)]
    assert stops == [[False, False, False, True, True], [False, False, False, False, True], [False] * 5]


# Builds whose evaluations are given


class Recorder(NotingMonitor):
    """Also keeps the weights of each epoch, as its checkpoint has them, and counts the epochs that are on disk."""

    def __init__(self, home: Path, stop_after: int | None = None) -> None:
        super().__init__(stop_after)
        self._home = home
        self.weights: list[dict[str, NDArray[Any]]] = []
        self.n_on_disk: list[int] = []

    def epoch_done(self, metrics: EpochMetrics) -> None:
        super().epoch_done(metrics)
        checkpoints = sorted(self._home.glob(".staging/*/*/checkpoint-*/model.safetensors"))
        self.weights.append(load_file(checkpoints[-1]))
        self.n_on_disk.append(len(list(self._home.glob(".staging/**/*.safetensors"))))


GiveWers = Callable[..., list[str]]


@pytest.fixture
def give_wers(monkeypatch: pytest.MonkeyPatch) -> GiveWers:
    """Make the evaluations of a build give these WERs: the first for the base, then one for each epoch."""

    def give(*wers: float) -> list[str]:
        left, asked = iter(wers), []

        def evaluate(_self: Validation, *_args: Any, shown_as: str | None = None) -> Evaluation:
            asked.append(shown_as or "an epoch")
            return Evaluation(1.0, next(left), 0.5)

        monkeypatch.setattr(Validation, "evaluate", evaluate)
        return asked

    return give


OPTIONS = TrainingOptions(epochs=4, validation_split=0.3, batch_size=2, learning_rate=3e-3)


def assert_same(path: Path, expected: dict[str, NDArray[Any]]) -> None:
    weights = load_file(path / "model.safetensors")
    assert weights.keys() == expected.keys()
    assert all(np.array_equal(weights[name], expected[name]) for name in weights)


@pytest.mark.parametrize(("keep", "kept"), [(None, 2), ("best", 2), ("last", 4)])
def test_the_kept_epoch_is_published(
    tmp_path: Path, small_model: Path, clips: list[Example], give_wers: GiveWers, keep: str | None, kept: int
) -> None:
    give_wers(0.9, 0.7, 0.5, 0.6, 0.55)
    monitor = Recorder(tmp_path)
    options = TrainingOptions(**{**OPTIONS.influential(), "keep": keep})
    result = run_build(tmp_path, small_model, clips, options, monitor=monitor)
    assert_same(result.entry.path, monitor.weights[kept - 1])
    assert result.kept_epoch == result.entry.lineage["kept_epoch"] == kept
    assert [each.wer for each in result.metrics] == [0.7, 0.5, 0.6, 0.55]
    assert monitor.n_on_disk == ([1, 1, 2, 2] if kept == 2 else [1, 1, 1, 1])


def test_without_held_out_rows_the_last_epoch_is_published(
    tmp_path: Path, small_model: Path, clips: list[Example]
) -> None:
    monitor = Recorder(tmp_path)
    result = run_build(tmp_path, small_model, clips, TrainingOptions(epochs=2), monitor=monitor)
    assert result.kept_epoch == 2
    assert_same(result.entry.path, monitor.weights[1])


@pytest.mark.parametrize("stop_after", [1, 2, 3])
def test_a_build_that_was_stopped_keeps_the_best_epoch_of_all(
    tmp_path: Path, small_model: Path, clips: list[Example], give_wers: GiveWers, stop_after: int
) -> None:
    wers = [0.7, 0.5, 0.6, 0.5]
    first, second = Recorder(tmp_path, stop_after), Recorder(tmp_path)
    give_wers(0.9, *wers[:stop_after])
    with pytest.raises(Cancelled):
        run_build(tmp_path, small_model, clips, OPTIONS, monitor=first)
    asked = give_wers(*wers[stop_after:])
    result = run_build(tmp_path, small_model, clips, OPTIONS, monitor=second)
    assert asked == ["an epoch"] * (4 - stop_after)  # the base is not evaluated again
    assert result.kept_epoch == 2
    assert_same(result.entry.path, (first.weights + second.weights)[1])
    assert result.comparison is not None
    assert (result.comparison.base.wer, result.comparison.model.wer) == (0.9, 0.5)
    assert max(first.n_on_disk + second.n_on_disk) <= 2


def test_patience_stops_the_training_and_leaves_the_schedule_as_it_was(
    tmp_path: Path, small_model: Path, clips: list[Example], give_wers: GiveWers
) -> None:
    give_wers(0.9, 0.7, 0.5, 0.6, 0.55)
    whole = run_build(tmp_path / "whole", small_model, clips, OPTIONS)
    give_wers(0.9, 0.7, 0.5, 0.6)
    monitor = Recorder(tmp_path)
    options = TrainingOptions(**{**OPTIONS.influential(), "patience": 1})
    result = run_build(tmp_path, small_model, clips, options, monitor=monitor)
    assert [each.epoch for each in result.metrics] == [1, 2, 3]
    assert [each.learning_rate for each in result.metrics] == [each.learning_rate for each in whole.metrics[:3]]
    assert result.kept_epoch == 2
    assert_same(result.entry.path, monitor.weights[1])


@pytest.mark.parametrize("keep", ["best", pytest.param("last", marks=pytest.mark.nightly)])
def test_a_build_that_ran_out_of_patience_does_not_go_on_when_it_is_resumed(
    tmp_path: Path, small_model: Path, clips: list[Example], give_wers: GiveWers, keep: str
) -> None:
    options = TrainingOptions(**{**OPTIONS.influential(), "epochs": 9, "patience": 1, "learning_rate": 1.0})
    options = TrainingOptions(**{**options.influential(), "keep": keep})
    context = multiprocessing.get_context("forkserver")
    arguments = (tmp_path, small_model, clips, options, "before the model is published")
    process = context.Process(target=run_build_and_die, args=arguments)
    process.start()
    process.join()
    assert process.exitcode == -signal.SIGKILL
    asked = give_wers()
    result = run_build(tmp_path, small_model, clips, options)
    assert asked == []
    n_epochs = len(result.metrics)
    assert n_epochs < 9
    assert result.kept_epoch == (n_epochs - 1 if keep == "best" else n_epochs)


def test_patience_and_keep_best_need_held_out_rows() -> None:
    for given in ({"patience": 2}, {"keep": "best"}):
        with pytest.raises(ThanoError, match=r"compares the epochs on rows that are held out: add a validation_split"):
            TrainingOptions(**given)
    assert not TrainingOptions(keep="last").keeps_best
