"""A build that is stopped, in whatever way, damages nothing and can be resumed."""

from __future__ import annotations

import errno
import multiprocessing
import os
import signal
from pathlib import Path

import pytest
from safetensors.numpy import load_file

from tests.training.kit import NotingMonitor, run_build, run_build_and_die
from thano_duckdb.errors import Cancelled, RegistryError, ThanoError
from thano_duckdb.models.registry import Registry
from thano_duckdb.training.build import BuildResult
from thano_duckdb.training.build_folder import BuildFolder
from thano_duckdb.training.training_options import Example, TrainingOptions

OPTIONS = TrainingOptions(
    epochs=4, batch_size=2, learning_rate=3e-3, validation_split=0.3, freeze_feature_encoder=False, augment=True
)


@pytest.fixture(scope="module")
def uninterrupted(tmp_path_factory: pytest.TempPathFactory, small_model: Path, clips: list[Example]) -> BuildResult:
    return run_build(tmp_path_factory.mktemp("uninterrupted"), small_model, clips, OPTIONS)


def test_an_interrupted_build_resumes_with_the_same_result(
    tmp_path: Path, small_model: Path, clips: list[Example], uninterrupted: BuildResult
) -> None:
    with pytest.raises(Cancelled, match="run the same statement again to continue after epoch 2 of 4"):
        run_build(tmp_path, small_model, clips, OPTIONS, monitor=NotingMonitor(stop_after=2))
    assert Registry(tmp_path).entries(report_damaged=pytest.fail) == []
    monitor = NotingMonitor()
    resumed = run_build(tmp_path, small_model, clips[::-1], OPTIONS, monitor=monitor)
    assert [each.epoch for each in monitor.epochs] == [3, 4]
    _assert_same(resumed, uninterrupted)


@pytest.mark.parametrize("change", ["rows", "options", "resume=False"])
def test_a_build_with_other_rows_or_options_starts_from_the_beginning(
    tmp_path: Path, small_model: Path, clips: list[Example], change: str
) -> None:
    with pytest.raises(Cancelled):
        run_build(tmp_path, small_model, clips, TrainingOptions(epochs=2), monitor=NotingMonitor(stop_after=1))
    rows = clips[1:] if change == "rows" else clips
    options = TrainingOptions(epochs=2, seed=int(change == "options"), resume=change != "resume=False")
    monitor = NotingMonitor()
    run_build(tmp_path, small_model, rows, options, monitor=monitor)
    assert [each.epoch for each in monitor.epochs] == [1, 2]


def test_a_published_build_leaves_no_checkpoints_behind(
    tmp_path: Path, small_model: Path, clips: list[Example]
) -> None:
    run_build(tmp_path, small_model, clips, TrainingOptions(epochs=1))
    assert not list(tmp_path.glob(".staging/**/*.safetensors"))
    again = TrainingOptions(epochs=1, overwrite=True)
    monitor = NotingMonitor()
    assert run_build(tmp_path, small_model, clips, again, monitor=monitor).entry.version == 2
    assert len(monitor.epochs) == 1


@pytest.mark.parametrize(
    ("where", "first_epoch_again", "is_published"),
    [
        ("before the first checkpoint is complete", 1, False),
        ("in a step of the second epoch", 2, False),
        ("while the second checkpoint is written", 2, False),
        ("before the model is published", 5, False),
        ("after the model is published", 1, True),
    ],
)
def test_a_killed_build_leaves_the_old_model_intact_and_resumes(
    where: str,
    first_epoch_again: int,
    is_published: bool,
    tmp_path: Path,
    small_model: Path,
    clips: list[Example],
    uninterrupted: BuildResult,
) -> None:
    registry = Registry(tmp_path)
    registry.upload("model", small_model)
    options = TrainingOptions(**{**OPTIONS.influential(), "overwrite": True})
    _build_and_die(tmp_path, small_model, clips, options, where)

    entries = registry.entries(report_damaged=pytest.fail)
    assert [each.version for each in entries] == ([1, 2] if is_published else [1])
    assert load_file(entries[0].path / "model.safetensors").keys()
    monitor = NotingMonitor()
    resumed = run_build(tmp_path, small_model, clips, options, monitor=monitor)
    assert [each.epoch for each in monitor.epochs] == list(range(first_epoch_again, 5))
    assert resumed.entry.version == len(entries) + 1
    _assert_same(resumed, uninterrupted)


def test_a_second_build_of_the_same_name_is_refused_with_the_process_id_of_the_first(
    tmp_path: Path, small_model: Path, clips: list[Example]
) -> None:
    class BuildsAgain(NotingMonitor):
        def epoch_done(self, metrics: object) -> None:
            context = multiprocessing.get_context("forkserver")
            with context.Pool(1) as pool, pytest.raises(RegistryError, match=f"process {os.getpid()}"):
                pool.apply(run_build, (tmp_path, small_model, clips, TrainingOptions(epochs=2)))

    run_build(tmp_path, small_model, clips, TrainingOptions(epochs=1), monitor=BuildsAgain())
    assert [each.version for each in Registry(tmp_path).entries(report_damaged=pytest.fail)] == [1]


def _build_and_die(home: Path, base: Path, clips: list[Example], options: TrainingOptions, where: str) -> None:
    # Each build runs in a process forked from a server that has imported torch but has not started any threads.
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["thano_duckdb.training.run", "transformers.models.wav2vec2", "pandas"])
    process = context.Process(target=run_build_and_die, args=(home, base, clips, options, where))
    process.start()
    process.join()
    assert process.exitcode == -signal.SIGKILL


def _assert_same(result: BuildResult, expected: BuildResult) -> None:
    for ours, theirs in zip(result.metrics, expected.metrics, strict=True):
        assert ours.train_loss == pytest.approx(theirs.train_loss, rel=1e-4)
        assert ours.eval_loss == pytest.approx(theirs.eval_loss, rel=1e-4)
        assert ours.learning_rate == theirs.learning_rate
    weights, wanted = (load_file(each.entry.path / "model.safetensors") for each in (result, expected))
    assert weights.keys() == wanted.keys()
    for name, weight in wanted.items():
        assert weights[name] == pytest.approx(weight, rel=1e-3, abs=1e-5), name


def test_a_checkpoint_that_cannot_be_written_loses_only_its_epoch(
    tmp_path: Path, small_model: Path, clips: list[Example], monkeypatch: pytest.MonkeyPatch
) -> None:
    def full_from_the_second_epoch(self: BuildFolder, written: Path, epoch: int, *, keep: int) -> None:
        if epoch > 1:
            raise OSError(errno.ENOSPC, "No space left on device")
        commit(self, written, epoch, keep=keep)

    commit = BuildFolder.commit
    options = TrainingOptions(epochs=2)
    with monkeypatch.context() as patch:
        patch.setattr(BuildFolder, "commit", full_from_the_second_epoch)
        with pytest.raises(ThanoError, match=r"No space left on device.*again to continue after epoch 1"):
            run_build(tmp_path, small_model, clips, options)
    monitor = NotingMonitor()
    run_build(tmp_path, small_model, clips, options, monitor=monitor)
    assert [each.epoch for each in monitor.epochs] == [2]
