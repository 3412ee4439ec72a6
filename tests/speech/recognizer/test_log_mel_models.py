"""Models that read log-mel features give, for each clip of a padded batch, what Hugging Face gives for it alone."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
import transformers
from numpy.typing import NDArray

from tests.speech.log_mel_models import LOG_MEL_MODELS, HuggingFaceLogMel, write_log_mel_model
from tests.speech.oracles import library_of, names, texts, transcribe
from thano_duckdb.errors import ModelError
from thano_duckdb.monitoring.monitor import SilentMonitor
from thano_duckdb.speech.engine import Engine
from thano_duckdb.speech.loudness import Loudness
from thano_duckdb.speech.recognizer.acoustic_model import AcousticModel
from thano_duckdb.speech.recognizer.ctc_recognizer import CtcRecognizer
from thano_duckdb.speech.recognizer.log_mel import LogMelInput
from thano_duckdb.speech.recognizer.recognizer import ClipFailure, PreparedClip
from thano_duckdb.training.network import load_network
from thano_duckdb.training.training_options import TrainingOptions

Clips = list[NDArray[np.float32]]
LENGTHS = (560, 561, 719, 720, 1000, 1279, 1280, 1281, 16_000, 16_160, 49_999, 50_000)


@pytest.fixture(scope="session")
def folder_of(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """Returns the folder of one of `LOG_MEL_MODELS`."""
    folders: dict[str, Path] = {}

    def of(name: str) -> Path:
        if name not in folders:
            folders[name] = write_log_mel_model(tmp_path_factory.mktemp(name), name)
        return folders[name]

    return of


@pytest.fixture(scope="session")
def sounds() -> Clips:
    """Noise that changes its colour, of many lengths."""
    random = np.random.default_rng(5)
    clips = []
    for n_samples in LENGTHS:
        steps = np.repeat(random.uniform(0.1, 1, n_samples // 800 + 1), 800)[:n_samples]
        clips.append((0.1 * steps * random.standard_normal(n_samples)).astype(np.float32))
    return clips


@pytest.mark.parametrize("n_samples", LENGTHS)
def test_features_are_those_of_hugging_faces_extractors(n_samples: int) -> None:
    samples = (0.1 * np.random.default_rng(n_samples).standard_normal(n_samples)).astype(np.float32)
    for log_mel, extractor in (
        (LogMelInput("kaldi", 80), transformers.SeamlessM4TFeatureExtractor()),
        (LogMelInput("nemo", 80), transformers.ParakeetFeatureExtractor()),
    ):
        expected = extractor(samples, sampling_rate=16_000, return_tensors="np")
        found = log_mel.features(samples, level="exact")
        assert found.n_valid == expected.attention_mask.sum()
        np.testing.assert_allclose(
            found.rows[: found.n_valid], expected.input_features[0][: found.n_valid], rtol=1e-3, atol=1e-3
        )


@pytest.mark.parametrize("name", LOG_MEL_MODELS)
def test_a_padded_batch_gives_the_logits_of_each_clip_alone(
    folder_of: Callable[[str], Path], sounds: Clips, name: str
) -> None:
    model, plain = AcousticModel.load(folder_of(name), device="cpu"), HuggingFaceLogMel(folder_of(name))
    assert model.max_clips is None
    found = model.forward(
        [model.features(clip, level="exact") for clip in sounds], SilentMonitor(), labels_per_frame=None
    )
    for clip, scores in zip(sounds, found, strict=True):
        alone = plain.logits(clip).log_softmax(-1)
        assert len(scores.ids) == len(alone) == model.grid.n_frames(len(clip))
        by_label = np.take_along_axis(alone.numpy(), scores.ids.astype(np.int64), axis=1)
        np.testing.assert_allclose(scores.log_probs, by_label, rtol=1e-2, atol=1e-2)


@pytest.mark.parametrize("name", LOG_MEL_MODELS)
def test_texts_are_those_of_hugging_face(folder_of: Callable[[str], Path], sounds: Clips, name: str) -> None:
    plain = HuggingFaceLogMel(folder_of(name))
    engine = Engine(CtcRecognizer(AcousticModel.load(folder_of(name), device="cpu")), read=library_of(sounds))
    found = texts(transcribe(engine, names(sounds), level="exact"))
    assert found == [plain.text(clip) for clip in sounds]
    assert len(set(found)) > 4


@pytest.mark.parametrize("name", ["wav2vec2-bert-relative_key", "wav2vec2-bert-adapter", "parakeet"])
def test_words_have_the_times_of_the_frames(folder_of: Callable[[str], Path], sounds: Clips, name: str) -> None:
    model = AcousticModel.load(folder_of(name), device="cpu")
    engine = Engine(CtcRecognizer(model), read=library_of(sounds))
    [found] = transcribe(engine, names(sounds)[-1:], level="exact")
    assert found is not None
    assert found.words is not None
    words = list(found.words)
    assert " ".join(word.word for word in words) == found.text
    frame_s = 0.02 if name == "wav2vec2-bert-relative_key" else 0.08
    assert model.grid.frame_s == frame_s
    for word in words:
        assert word.start_s / frame_s == pytest.approx(round(word.start_s / frame_s))
        assert 0 <= word.start_s < word.end_s <= len(sounds[-1]) / 16_000 + frame_s


@pytest.mark.parametrize("name", ["wav2vec2-bert-relative_key", "wav2vec2-bert-adapter", "parakeet"])
@pytest.mark.parametrize("skip_silence", [True, False])
def test_the_windows_of_a_long_clip_hold_all_its_frames(
    folder_of: Callable[[str], Path], name: str, skip_silence: bool
) -> None:
    random = np.random.default_rng(7)
    clip = (0.1 * random.standard_normal(90 * 16_000)).astype(np.float32)
    clip *= np.repeat(random.uniform(0, 1, 900) ** 3, 1600).astype(np.float32)
    clip[40 * 16_000 : 55 * 16_000 + 77] = 0
    recognizer = CtcRecognizer(AcousticModel.load(folder_of(name), device="cpu"))
    grid = recognizer.model.grid
    prepared = recognizer.prepare(clip, skip_silence=skip_silence, level="exact")
    assert isinstance(prepared, PreparedClip)
    whole = recognizer.model.features(clip, level="exact")
    for window in prepared.windows:
        scores = recognizer.model.forward([window.features], SilentMonitor())[0]
        assert len(scores.ids[window.core]) == window.position.stop - window.position.start
        if not skip_silence:
            first = (window.position.start - window.core.start) * grid.stride // whole.row_samples
            np.testing.assert_array_equal(window.features.rows, whole.rows[first : first + len(window.features.rows)])
    outputs = [recognizer.model.forward([window.features], SilentMonitor())[0] for window in prepared.windows]
    assert len(recognizer.join(prepared, outputs).ids) == grid.n_frames(len(clip))


@pytest.mark.parametrize("name", ["wav2vec2-bert-relative_key", "wav2vec2-bert-adapter", "parakeet"])
@pytest.mark.parametrize("precision", ["bfloat16", "int8"])
def test_other_precisions_are_close(
    folder_of: Callable[[str], Path], sounds: Clips, monkeypatch: pytest.MonkeyPatch, name: str, precision: str
) -> None:
    monkeypatch.setattr("thano_duckdb.speech.recognizer.int8.MIN_FEATURES", 16)
    exact = AcousticModel.load(folder_of(name), device="cpu", precision="float32")
    coarse = AcousticModel.load(folder_of(name), device="cpu", precision=precision)
    clips = [exact.features(clip) for clip in sounds[-2:]]
    for one, other in zip(exact.forward(clips, SilentMonitor()), coarse.forward(clips, SilentMonitor()), strict=True):
        assert (one.ids == other.ids).mean() > 0.6
    assert exact.fingerprint != coarse.fingerprint


@pytest.mark.parametrize("name", ["wav2vec2-bert-relative_key", "wav2vec2-bert-adapter", "parakeet"])
def test_a_clip_that_cannot_be_normalised_is_too_short(folder_of: Callable[[str], Path], name: str) -> None:
    recognizer = CtcRecognizer(AcousticModel.load(folder_of(name), device="cpu"))
    n_needed = recognizer.model.min_samples
    failure = recognizer.prepare(np.ones(n_needed - 1, np.float32))
    assert isinstance(failure, ClipFailure)
    assert f"at least {n_needed}" in failure.reason
    prepared = recognizer.prepare(np.random.default_rng(0).standard_normal(n_needed).astype(np.float32))
    assert isinstance(prepared, PreparedClip)
    scores = recognizer.model.forward([prepared.windows[0].features], SilentMonitor())
    assert torch.isfinite(torch.from_numpy(scores[0].log_probs)).all()


@pytest.mark.parametrize("name", ["wav2vec2-bert-relative_key", "wav2vec2-bert-adapter", "parakeet"])
def test_build_refuses_them_in_one_sentence(folder_of: Callable[[str], Path], name: str) -> None:
    with pytest.raises(
        ModelError, match="which PREDICT can use but BUILD cannot train: use a model that reads the wave"
    ):
        load_network(folder_of(name), TrainingOptions())


@pytest.mark.parametrize("name", ["wav2vec2-bert-relative_key", "parakeet"])
def test_windows_after_skipped_silence_begin_with_a_row(
    folder_of: Callable[[str], Path], monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    clip = (0.1 * np.random.default_rng(9).standard_normal(60 * 16_000)).astype(np.float32)
    parts = [slice(101, 20 * 16_000 + 77), slice(30 * 16_000 + 33, len(clip))]
    monkeypatch.setattr(Loudness, "speech", lambda _self: parts)
    recognizer = CtcRecognizer(AcousticModel.load(folder_of(name), device="cpu"))
    whole = recognizer.model.features(clip, level="exact")
    prepared = recognizer.prepare(clip, level="exact")
    assert isinstance(prepared, PreparedClip)
    for window in prepared.windows:
        first = (window.position.start - window.core.start) * recognizer.model.grid.stride // whole.row_samples
        rows = window.features.rows
        same = whole.rows[first : first + len(rows)]
        assert np.corrcoef(rows[2:-2].ravel(), same[2:-2].ravel())[0, 1] > 0.99
