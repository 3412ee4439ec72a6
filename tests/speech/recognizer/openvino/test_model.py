"""A network gives the same scores in OpenVINO as in Hugging Face's code on each clip alone."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import jiwer
import numpy as np
import pytest
import torch
from numpy.typing import NDArray

import thano_duckdb
from tests.conftest import Utterance
from tests.speech.oracles import MODELS, Clips, HuggingFace
from thano_duckdb.errors import Cancelled, OpenVinoError
from thano_duckdb.monitoring.monitor import SilentMonitor
from thano_duckdb.speech import compute
from thano_duckdb.speech.device import Device, OutOfMemory, choose_device
from thano_duckdb.speech.recognizer.acoustic_model import AcousticModel
from thano_duckdb.speech.recognizer.features import Features
from thano_duckdb.speech.recognizer.openvino import model as openvino_model
from thano_duckdb.speech.recognizer.openvino.model import OpenVinoModel

NOT_SUPPORTED = {"conformer-rotary", "sew", "sew-layer", "sew-d"}
"""Architectures whose networks OpenVINO does not run as torch does."""
MAX_WER_RISE_INT8 = 0.003


def cpu(precision: str = "float32") -> Device:
    return choose_device("openvino", precision)


def assert_scores(model: OpenVinoModel, plain: HuggingFace, clips: Clips) -> None:
    found = model.forward([model.features(clip, level="exact") for clip in clips], SilentMonitor())
    for clip, scores in zip(clips, found, strict=True):
        alone = plain.logits(clip).log_softmax(-1)
        assert len(scores.ids) == len(alone)
        np.testing.assert_array_equal(scores.ids[:, 0], alone.argmax(-1).numpy())
        np.testing.assert_allclose(scores.log_probs[:, 0], alone.max(-1).values.numpy(), rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize("name", sorted(set(MODELS) - NOT_SUPPORTED))
def test_scores_are_those_of_each_clip_alone(random_model: Callable[[str], Path], noises: Clips, name: str) -> None:
    assert_scores(OpenVinoModel.load(random_model(name), cpu()), HuggingFace.load(random_model(name)), noises)


@pytest.mark.parametrize("name", sorted(NOT_SUPPORTED))
def test_a_network_that_openvino_computes_otherwise_is_refused(random_model: Callable[[str], Path], name: str) -> None:
    for _ in range(2):  # the second time by what was written
        with pytest.raises(OpenVinoError, match="OpenVINO"):
            OpenVinoModel.load(random_model(name), cpu())


def test_a_clip_of_one_frame_does_not_disturb_later_ones(
    an4_model: Path, noises: Clips, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(openvino_model, "n_torch_threads", lambda: 2)  # as with one core it does not happen
    model, plain = OpenVinoModel.load(an4_model, cpu()), HuggingFace.load(an4_model)
    shortest, long = noises[1][: model.min_samples], noises[1]
    assert len(plain.logits(shortest)) == 1
    assert_scores(model, plain, [long, shortest, long, shortest, long])


def test_windows_are_normalised_with_the_statistics_of_the_whole_clip(
    random_model: Callable[[str], Path], noises: Clips
) -> None:
    folder = random_model("wav2vec2-group")
    openvino, ours = OpenVinoModel.load(folder, cpu()), AcousticModel.load(folder, device="cpu", precision="float32")
    clip = np.concatenate([noises[1], 0.05 * noises[10]])  # loud, then soft
    for model in (openvino, ours):
        assert model.features(clip).moments is not None
    window = openvino.features(clip).cut(16_000, 48_000, openvino.grid)
    (found,), (expected,) = (model.forward([window], SilentMonitor()) for model in (openvino, ours))
    np.testing.assert_array_equal(found.ids, expected.ids)
    np.testing.assert_allclose(found.log_probs, expected.log_probs, atol=1e-3)
    (other,) = openvino.forward([openvino.features(window.samples)], SilentMonitor())
    assert not np.allclose(other.log_probs, found.log_probs, atol=1e-2)


@pytest.mark.parametrize("n_labels", [3, None])
def test_a_decoder_gets_the_number_of_labels_per_frame_that_it_needs(
    random_model: Callable[[str], Path], noises: Clips, n_labels: int | None
) -> None:
    folder = random_model("wav2vec2-layer")
    model, plain = OpenVinoModel.load(folder, cpu()), HuggingFace.load(folder)
    prepared = model.features(noises[3], level="exact")
    (found,) = model.forward([prepared], SilentMonitor(), labels_per_frame=n_labels)
    log_probs = plain.logits(noises[3]).log_softmax(-1)
    expected = log_probs.topk(n_labels or log_probs.shape[-1]).values.numpy()
    np.testing.assert_allclose(found.log_probs, expected, rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize("n_threads", [1, 2])
def test_many_batches_at_a_time_give_the_same(
    random_model: Callable[[str], Path], noises: Clips, n_threads: int
) -> None:
    model = OpenVinoModel.load(random_model("wav2vec2-group"), cpu())
    clips = [model.features(clip) for clip in noises]
    alone = model.forward(clips, SilentMonitor())
    torch.set_num_threads(n_threads)
    try:
        with compute.ComputeThreads() as threads:
            futures = [threads.submit(1, model.forward, clips, SilentMonitor()) for _ in range(6)]
            together = [future.result() for future in futures]
    finally:
        torch.set_num_threads(1)
    for found in together:
        for scores, expected in zip(found, alone, strict=True):
            np.testing.assert_allclose(scores.log_probs, expected.log_probs, atol=1e-5)


class StopsAtOnce(SilentMonitor):
    """Is cancelled while the first clip is computed."""

    def __init__(self) -> None:
        self.n_asked = 0

    def raise_if_cancelled(self) -> None:
        self.n_asked += 1
        if self.n_asked > 1:
            raise Cancelled("stop")


def test_a_pass_stops_within_a_clip_and_the_model_works_on(an4_model: Path) -> None:
    model, plain = OpenVinoModel.load(an4_model, cpu()), HuggingFace.load(an4_model)
    noise: NDArray[np.float32] = np.random.default_rng(0).normal(0, 0.1, 16_000 * 60).astype(np.float32)
    with pytest.raises(Cancelled):
        model.forward([model.features(noise)], StopsAtOnce())
    assert_scores(model, plain, [noise[:32_000]])


def test_a_lack_of_memory_is_the_signal_for_smaller_batches(
    random_model: Callable[[str], Path], noises: Clips, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = OpenVinoModel.load(random_model("wav2vec2-layer"), cpu())
    clip = model.features(noises[0])

    def fails(_clip: Features) -> object:
        raise MemoryError

    monkeypatch.setattr(model._export, "inputs", fails)
    with pytest.raises(OutOfMemory):
        model.forward([clip], SilentMonitor())
    monkeypatch.undo()
    assert model.forward([clip], SilentMonitor())


def transcribed(con: thano_duckdb.Connection, model: Path, **options: str) -> list[str]:
    listed = ", ".join(f"{name}='{value}'" for name, value in options.items())
    query = f"SELECT predicted FROM (PREDICT USING '{model}' OPTIONS ({listed}) AS FROM an4) ORDER BY id"
    return [row[0] for row in con.execute(query).fetchall()]


def test_texts_are_those_of_torch(an4_con: thano_duckdb.Connection, an4_model: Path) -> None:
    texts = [transcribed(an4_con, an4_model, device=name, precision="float32") for name in ("cpu", "openvino", "auto")]
    assert len(set(texts[0])) > 100
    assert texts[0] == texts[1] == texts[2]


def test_in_8_bits_the_word_error_rate_is_about_that_of_float32(
    an4_con: thano_duckdb.Connection, an4_model: Path, an4_test: list[Utterance]
) -> None:
    exact, coarse = (transcribed(an4_con, an4_model, device="openvino", precision=p) for p in ("float32", "int8"))
    references = [clip.text for clip in an4_test]
    assert jiwer.wer(references, coarse) - jiwer.wer(references, exact) <= MAX_WER_RISE_INT8
    n_changed = sum(map(str.__ne__, exact, coarse))
    assert 0 < n_changed < len(references) / 4
