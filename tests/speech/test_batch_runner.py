"""What becomes of a batch that the device cannot hold, or that one of its clips spoils."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import pytest

from thano_duckdb.errors import Cancelled
from thano_duckdb.monitoring.monitor import Monitor, SilentMonitor
from thano_duckdb.speech.batch_runner import BatchRunner
from thano_duckdb.speech.device import OutOfMemory
from thano_duckdb.speech.recognizer.acoustic_model import AcousticModel, FrameScores
from thano_duckdb.speech.recognizer.features import Features

Forward = Callable[[AcousticModel, Sequence[Features], Monitor], list[FrameScores]]


@pytest.fixture
def model(loaded: Callable[[str], AcousticModel]) -> AcousticModel:
    return loaded("wav2vec2-layer")


@pytest.fixture
def inputs(model: AcousticModel, noises: list[np.ndarray]) -> list[Features]:
    return [model.features(clip) for clip in noises]


def replace_forward(monkeypatch: pytest.MonkeyPatch, trouble: Callable[[Sequence[Features]], None]) -> list[int]:
    """Call `trouble` before each forward pass; gives the costs of the passes that ran."""
    costs: list[int] = []
    forward: Forward = AcousticModel.forward

    def troubled(self: AcousticModel, batch: Sequence[Features], monitor: Monitor) -> list[FrameScores]:
        trouble(batch)
        costs.append(cost(batch))
        return forward(self, batch, monitor)

    monkeypatch.setattr(AcousticModel, "forward", troubled)
    return costs


def cost(batch: Sequence[Features]) -> int:
    return len(batch) * max(len(clip.samples) for clip in batch)


def run(runner: BatchRunner, inputs: Sequence[Features], max_clips: int | None = None) -> list[FrameScores | str]:
    batches = runner.run(inputs, max_clips=max_clips, monitor=SilentMonitor())
    outcomes = dict(pair for batch in batches for pair in batch)
    assert sorted(outcomes) == list(range(len(inputs)))
    return [outcomes[index] for index in range(len(inputs))]


def same(found: Sequence[FrameScores | str], expected: Sequence[FrameScores | str]) -> bool:
    return all(
        isinstance(one, FrameScores) and isinstance(other, FrameScores) and np.array_equal(one.ids, other.ids)
        for one, other in zip(found, expected, strict=True)
    )


@pytest.mark.parametrize("max_clips", [1, 3, None])
def test_the_limit_on_clips_changes_no_result(
    model: AcousticModel, inputs: list[Features], monkeypatch: pytest.MonkeyPatch, max_clips: int | None
) -> None:
    sizes: list[int] = []
    expected = run(BatchRunner(model), inputs)
    replace_forward(monkeypatch, lambda batch: sizes.append(len(batch)))
    assert same(run(BatchRunner(model), inputs, max_clips), expected)
    assert max(sizes) == max_clips if max_clips else max(sizes) > 3


def test_out_of_memory_halves_the_batches_until_they_fit(
    model: AcousticModel, inputs: list[Features], monkeypatch: pytest.MonkeyPatch
) -> None:
    expected, room = run(BatchRunner(model), inputs), 50_000
    n_refused = 0

    def refuse(batch: Sequence[Features]) -> None:
        nonlocal n_refused
        if cost(batch) > room:
            n_refused += 1
            raise OutOfMemory

    costs = replace_forward(monkeypatch, refuse)
    runner = BatchRunner(model)
    assert same(run(runner, inputs), expected)
    assert room / 2 < max(costs) <= room
    assert len(costs) < len(inputs) - 3  # not clip by clip
    assert n_refused <= 5  # 12 clips of up to 32,000 samples, halved

    n_refused = 0
    assert same(run(runner, inputs), expected)
    assert n_refused == 0  # remembered


def test_a_clip_that_the_device_cannot_hold_fails_alone(
    model: AcousticModel, inputs: list[Features], monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(batch: Sequence[Features]) -> None:
        if cost(batch) > 30_000:
            raise OutOfMemory

    replace_forward(monkeypatch, refuse)
    outcomes = run(BatchRunner(model), inputs)
    reasons = {index: outcome for index, outcome in enumerate(outcomes) if isinstance(outcome, str)}
    assert reasons == {1: "There is not enough memory on cpu in float32 for 2.0 s of audio."}


def test_a_clip_that_the_model_fails_on_costs_no_other_clip(
    model: AcousticModel, inputs: list[Features], monkeypatch: pytest.MonkeyPatch
) -> None:
    expected = run(BatchRunner(model), inputs)

    def fail(batch: Sequence[Features]) -> None:
        if any(clip is inputs[5] for clip in batch):
            raise RuntimeError("no kernel for this shape\nand a page of advice")

    replace_forward(monkeypatch, fail)
    outcomes = run(BatchRunner(model), inputs)
    assert outcomes[5] == "The model failed on it: no kernel for this shape"
    assert same(outcomes[:5] + outcomes[6:], expected[:5] + expected[6:])


def test_a_model_that_fails_on_silence_too_is_an_error(
    model: AcousticModel, inputs: list[Features], monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(_batch: Sequence[Features]) -> None:
        raise RuntimeError("the device is gone")

    replace_forward(monkeypatch, fail)
    with pytest.raises(RuntimeError, match="the device is gone"):
        run(BatchRunner(model), inputs)


def test_a_bug_is_not_taken_for_a_bad_clip(
    model: AcousticModel, inputs: list[Features], monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(batch: Sequence[Features]) -> None:
        if any(clip is inputs[5] for clip in batch):
            raise KeyError("a bug")

    replace_forward(monkeypatch, fail)
    with pytest.raises(KeyError):
        run(BatchRunner(model), inputs)


def test_scores_that_are_not_numbers_are_a_failure(model: AcousticModel, inputs: list[Features]) -> None:
    poisoned = Features(np.full(8_000, np.nan, np.float32), None)
    outcomes = run(BatchRunner(model), [inputs[0], poisoned, inputs[2]])
    assert outcomes[1] == "The model's scores (cpu in float32) are not numbers."
    assert same([outcomes[0], outcomes[2]], run(BatchRunner(model), [inputs[0], inputs[2]]))


def test_a_model_that_mixes_padding_in_gets_one_clip_at_a_time(
    loaded: Callable[[str], AcousticModel], noises: list[np.ndarray], monkeypatch: pytest.MonkeyPatch
) -> None:
    sizes: list[int] = []
    model = loaded("conformer")
    replace_forward(monkeypatch, lambda batch: sizes.append(len(batch)))
    run(BatchRunner(model), [model.features(clip) for clip in noises[:4]], max_clips=3)
    assert sizes == [1, 1, 1, 1]


def test_between_batches_the_user_may_stop(model: AcousticModel, inputs: list[Features]) -> None:
    class Impatient(SilentMonitor):
        def raise_if_cancelled(self) -> None:
            raise Cancelled("stop")

    with pytest.raises(Cancelled):
        next(BatchRunner(model).run(inputs, max_clips=1, monitor=Impatient()))
