"""Batches that do not fit in memory, and batches with a clip that makes the model fail."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest

from tests.speech.doubles import Batch, WatchedRecognizer, cost
from thano_duckdb.errors import Cancelled
from thano_duckdb.monitoring.monitor import SilentMonitor
from thano_duckdb.speech.batch_runner import BatchRunner
from thano_duckdb.speech.decoding.decoder import FrameScores
from thano_duckdb.speech.decoding.greedy import GreedyDecoder
from thano_duckdb.speech.device import OutOfMemory
from thano_duckdb.speech.recognizer import ctc_checkpoint
from thano_duckdb.speech.recognizer.acoustic_model import AcousticModel
from thano_duckdb.speech.recognizer.ctc_recognizer import CtcRecognizer, CtcWindow
from thano_duckdb.speech.recognizer.features import Features
from thano_duckdb.speech.recognizer.recognizer import ClipFailure, PreparedClip


@pytest.fixture
def model(loaded: Callable[[str], AcousticModel]) -> AcousticModel:
    return loaded("wav2vec2-layer")


@pytest.fixture
def inputs(model: AcousticModel, noises: list[np.ndarray]) -> list[CtcWindow]:
    return windows_of(CtcRecognizer(model), noises)


def windows_of(recognizer: CtcRecognizer, clips: list[np.ndarray]) -> list[CtcWindow]:
    prepared = [recognizer.prepare(clip) for clip in clips]
    return [window for clip in prepared if isinstance(clip, PreparedClip) for window in clip.windows]


def run(runner: BatchRunner, inputs: Batch, max_clips: int | None = None) -> list[FrameScores | ClipFailure]:
    batches = runner.run(inputs, GreedyDecoder(), max_clips=max_clips, monitor=SilentMonitor())
    outcomes = dict(pair for batch in batches for pair in batch)
    assert sorted(outcomes) == list(range(len(inputs)))
    return [outcomes[index] for index in range(len(inputs))]


def same(found: Sequence[FrameScores | ClipFailure], expected: Sequence[FrameScores | ClipFailure]) -> bool:
    return all(
        isinstance(one, FrameScores) and isinstance(other, FrameScores) and np.array_equal(one.ids, other.ids)
        for one, other in zip(found, expected, strict=True)
    )


@pytest.mark.parametrize("max_clips", [1, 3, None])
def test_the_limit_on_clips_does_not_change_the_results(
    model: AcousticModel, inputs: list[CtcWindow], max_clips: int | None
) -> None:
    expected = run(BatchRunner(CtcRecognizer(model)), inputs)
    watched = WatchedRecognizer(model)
    assert same(run(BatchRunner(watched), inputs, max_clips), expected)
    assert max(watched.sizes) == max_clips if max_clips else max(watched.sizes) > 3


def test_out_of_memory_halves_the_batches_until_they_fit(model: AcousticModel, inputs: list[CtcWindow]) -> None:
    expected, room = run(BatchRunner(CtcRecognizer(model)), inputs), 50_000
    n_refused = 0

    def refuse(batch: Batch) -> None:
        nonlocal n_refused
        if cost(batch) > room:
            n_refused += 1
            raise OutOfMemory

    watched = WatchedRecognizer(model, refuse)
    runner = BatchRunner(watched)
    assert same(run(runner, inputs), expected)
    assert room / 2 < max(watched.costs) <= room
    assert len(watched.costs) < len(inputs) - 3  # not clip by clip
    assert n_refused <= 5  # 12 clips of up to 32,000 samples, halved

    n_refused = 0
    assert same(run(runner, inputs), expected)
    assert n_refused == 0  # remembered


def test_a_clip_that_does_not_fit_in_memory_fails_alone(model: AcousticModel, inputs: list[CtcWindow]) -> None:
    def refuse(batch: Batch) -> None:
        if cost(batch) > 30_000:
            raise OutOfMemory

    outcomes = run(BatchRunner(WatchedRecognizer(model, refuse)), inputs)
    reasons = {index: outcome.reason for index, outcome in enumerate(outcomes) if isinstance(outcome, ClipFailure)}
    assert reasons == {1: "There is not enough memory for 2.0 s of audio (cpu in float32)."}


def test_a_clip_that_the_model_fails_on_does_not_affect_the_others(
    model: AcousticModel, inputs: list[CtcWindow]
) -> None:
    expected = run(BatchRunner(CtcRecognizer(model)), inputs)

    def fail(batch: Batch) -> None:
        if any(window is inputs[5] for window in batch):
            raise RuntimeError("no kernel for this shape\nand a page of advice")

    outcomes = run(BatchRunner(WatchedRecognizer(model, fail)), inputs)
    assert outcomes[5] == ClipFailure("The model failed on this clip: no kernel for this shape")
    assert same(outcomes[:5] + outcomes[6:], expected[:5] + expected[6:])


def test_a_model_that_fails_even_on_silence_raises_an_error(model: AcousticModel, inputs: list[CtcWindow]) -> None:
    def fail(_batch: Batch) -> None:
        raise RuntimeError("the device is gone")

    with pytest.raises(RuntimeError, match="the device is gone"):
        run(BatchRunner(WatchedRecognizer(model, fail)), inputs)


def test_a_bug_is_not_mistaken_for_a_bad_clip(model: AcousticModel, inputs: list[CtcWindow]) -> None:
    def fail(batch: Batch) -> None:
        if any(window is inputs[5] for window in batch):
            raise KeyError("a bug")

    with pytest.raises(KeyError):
        run(BatchRunner(WatchedRecognizer(model, fail)), inputs)


def test_scores_that_are_not_finite_are_a_failure(model: AcousticModel, inputs: list[CtcWindow]) -> None:
    runner = BatchRunner(CtcRecognizer(model))
    bad = CtcWindow(Features(np.full(8_000, np.nan, np.float32), None), slice(None), slice(None))
    outcomes = run(runner, [inputs[0], bad, inputs[2]])
    assert outcomes[1] == ClipFailure("The model's scores for it are not finite (NaN or infinite; cpu in float32).")
    assert same([outcomes[0], outcomes[2]], run(runner, [inputs[0], inputs[2]]))


def test_a_model_that_is_not_padding_invariant_gets_one_clip_at_a_time(
    random_model: Callable[[str], Path], noises: list[np.ndarray], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ctc_checkpoint, "PADDING_INVARIANT_MODEL_TYPES", frozenset())
    watched = WatchedRecognizer(AcousticModel.load(random_model("wav2vec2-layer"), device="cpu"))
    run(BatchRunner(watched), windows_of(watched, noises[:4]), max_clips=3)
    assert watched.sizes == [1, 1, 1, 1]


def test_a_run_can_be_interrupted_between_batches(model: AcousticModel, inputs: list[CtcWindow]) -> None:
    class Interrupted(SilentMonitor):
        def raise_if_cancelled(self) -> None:
            raise Cancelled("stop")

    with pytest.raises(Cancelled):
        next(BatchRunner(CtcRecognizer(model)).run(inputs, GreedyDecoder(), max_clips=1, monitor=Interrupted()))
