"""The output for a clip is that of Hugging Face for the clip alone, whatever else is in the batch."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import transformers
from numpy.typing import NDArray

from tests.speech.log_mel_models import LOG_MEL_MODELS
from tests.speech.oracles import MODELS, HuggingFace
from thano_duckdb.errors import Cancelled, ModelError
from thano_duckdb.monitoring.monitor import SilentMonitor
from thano_duckdb.speech.decoding.decoder import FrameScores
from thano_duckdb.speech.device import OutOfMemory
from thano_duckdb.speech.libraries import quiet_transformers
from thano_duckdb.speech.recognizer import ctc_checkpoint
from thano_duckdb.speech.recognizer.acoustic_model import AcousticModel
from thano_duckdb.speech.recognizer.ctc_checkpoint import PADDING_INVARIANT_MODEL_TYPES
from thano_duckdb.speech.recognizer.features import Features
from thano_duckdb.speech.recognizer.padded_attention import attends_plainly

Clips = list[NDArray[np.float32]]


def logits_of(model: AcousticModel, batch: Sequence[Features]) -> tuple[torch.Tensor, list[FrameScores]]:
    """The (batch, frames, vocab) logits of one forward pass, and the scores that the model returns."""
    seen: list[torch.Tensor] = []
    hook = model.network.lm_head.register_forward_hook(lambda _module, _args, output: seen.append(output))
    try:
        scores = model.forward(batch, SilentMonitor())
    finally:
        hook.remove()
    return seen[0], scores


@pytest.mark.parametrize("name", MODELS)
def test_a_padded_batch_gives_the_logits_of_each_clip_alone(
    random_model: Callable[[str], Path], loaded: Callable[[str], AcousticModel], noises: Clips, name: str
) -> None:
    model, plain = loaded(name), HuggingFace.load(random_model(name))
    assert model.max_clips is None
    logits, scores = logits_of(model, [model.features(clip, level="exact") for clip in noises])
    for clip, row, found in zip(noises, logits, scores, strict=True):
        alone = plain.logits(clip)
        assert len(found.ids) == len(alone)
        assert len(set(found.ids[:, 0].tolist())) > 1 or len(alone) < 20  # so that the comparison is meaningful
        torch.testing.assert_close(row[: len(alone)], alone, rtol=1e-4, atol=1e-4 * alone.abs().max().item())
        np.testing.assert_array_equal(found.ids[:, 0], alone.argmax(-1).numpy())
        expected = alone.log_softmax(-1).max(-1).values.numpy()
        np.testing.assert_allclose(found.log_probs[:, 0], expected, rtol=1e-3, atol=1e-4)


def test_an_architecture_whose_padding_was_not_verified_runs_clip_by_clip(
    random_model: Callable[[str], Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ctc_checkpoint, "PADDING_INVARIANT_MODEL_TYPES", frozenset({"wav2vec2"}))
    assert AcousticModel.load(random_model("hubert-group"), device="cpu").max_clips == 1
    assert AcousticModel.load(random_model("wav2vec2-group"), device="cpu").max_clips is None


def test_flash_attention_is_only_for_networks_that_attend_to_all_frames_without_a_bias() -> None:
    plain = {name for name in MODELS if attends_plainly(MODELS[name]().config)}
    assert set(MODELS) - plain == {"conformer-relative", "sew", "sew-layer", "sew-d"}


def test_speech_gives_the_logits_of_each_clip_alone(an4_model: Path, spoken: Clips) -> None:
    model, plain = AcousticModel.load(an4_model, device="cpu", precision="float32"), HuggingFace.load(an4_model)
    logits, scores = logits_of(model, [model.features(clip, level="exact") for clip in spoken])
    for clip, row, found in zip(spoken, logits, scores, strict=True):
        alone = plain.logits(clip)
        torch.testing.assert_close(row[: len(alone)], alone, rtol=1e-4, atol=1e-4 * alone.abs().max().item())
        np.testing.assert_array_equal(found.ids[:, 0], alone.argmax(-1).numpy())


def test_every_padding_invariant_architecture_is_tested() -> None:
    tested = {make().config.model_type for make in (MODELS | LOG_MEL_MODELS).values()}
    assert tested == PADDING_INVARIANT_MODEL_TYPES


def test_windows_are_normalised_with_the_statistics_of_the_whole_clip(
    random_model: Callable[[str], Path], loaded: Callable[[str], AcousticModel], noises: Clips
) -> None:
    model, plain = loaded("wav2vec2-group"), HuggingFace.load(random_model("wav2vec2-group"))
    clip = np.concatenate([noises[1], 0.05 * noises[10]])  # loud, then soft
    whole = model.features(clip, level="exact")
    start, n_frames = 60 * model.grid.stride, 40
    stop = start + (n_frames - 1) * model.grid.stride + model.grid.receptive_field
    seen: list[torch.Tensor] = []
    encoder = model.network.wav2vec2.feature_extractor
    hook = encoder.register_forward_hook(lambda _module, _args, output: seen.append(output))
    model.forward([Features(whole.samples[start:stop], whole.moments)], SilentMonitor())
    hook.remove()
    with torch.inference_mode():
        expected = plain.network.wav2vec2.feature_extractor(torch.from_numpy(whole.samples)[None])
    torch.testing.assert_close(seen[0], expected[..., 60 : 60 + n_frames], rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("n_labels", [3, None])
def test_a_decoder_gets_the_number_of_labels_per_frame_that_it_needs(
    loaded: Callable[[str], AcousticModel], random_model: Callable[[str], Path], noises: Clips, n_labels: int | None
) -> None:
    model, plain = loaded("wav2vec2-layer"), HuggingFace.load(random_model("wav2vec2-layer"))
    clips = noises[:4]
    prepared = [model.features(clip, level="exact") for clip in clips]
    found = model.forward(prepared, SilentMonitor(), labels_per_frame=n_labels)
    for clip, scores in zip(clips, found, strict=True):
        log_probs = plain.logits(clip).log_softmax(-1)
        expected = log_probs.topk(n_labels or log_probs.shape[-1])
        np.testing.assert_allclose(scores.log_probs, expected.values.numpy(), rtol=1e-3, atol=1e-4)
        by_label = np.take_along_axis(log_probs.numpy(), scores.ids.astype(np.int64), axis=1)
        np.testing.assert_allclose(by_label, scores.log_probs, rtol=1e-3, atol=1e-4)


class CountingMonitor(SilentMonitor):
    """Cancels at the nth call."""

    def __init__(self, stop_at: int) -> None:
        self.n_asked = 0
        self._stop_at = stop_at

    def raise_if_cancelled(self) -> None:
        self.n_asked += 1
        if self.n_asked >= self._stop_at:
            raise Cancelled("stop")


def test_a_forward_pass_can_be_cancelled_between_any_two_layers(
    loaded: Callable[[str], AcousticModel], noises: Clips
) -> None:
    model = loaded("wav2vec2-layer")
    batch = [model.features(noises[3])]
    counting = CountingMonitor(stop_at=10**9)
    before = model.forward(batch, counting)
    n_layers = model.network.config.num_feat_extract_layers + model.network.config.num_hidden_layers
    assert counting.n_asked > n_layers
    for stop_at in (1, counting.n_asked // 2, counting.n_asked):
        monitor = CountingMonitor(stop_at)
        with pytest.raises(Cancelled):
            model.forward(batch, monitor)
        assert monitor.n_asked == stop_at
    after = model.forward(batch, SilentMonitor())
    np.testing.assert_array_equal(after[0].log_probs, before[0].log_probs)


@pytest.mark.parametrize(
    "error",
    [torch.OutOfMemoryError("CUDA out of memory"), MemoryError(), RuntimeError("MPS backend out of memory (MPS ..)")],
)
def test_out_of_memory_is_distinguished_from_other_errors(
    loaded: Callable[[str], AcousticModel], noises: Clips, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    model = loaded("wav2vec2-layer")
    batch = [model.features(noises[0])]

    def fail(*_: object, **__: object) -> None:
        raise error

    with monkeypatch.context() as patch:
        patch.setattr(model, "network", fail)
        with pytest.raises(OutOfMemory):
            model.forward(batch, SilentMonitor())
        error = RuntimeError("mat1 and mat2 shapes cannot be multiplied")
        with pytest.raises(RuntimeError, match="mat1"):
            model.forward(batch, SilentMonitor())
    assert len(model.forward(batch, SilentMonitor())) == 1  # the lock is free again


def test_loading_prints_nothing(an4_model: Path, capfd: pytest.CaptureFixture[str]) -> None:
    AcousticModel.load(an4_model, device="cpu")
    assert capfd.readouterr() == ("", "")


def test_half_precision_weights_become_float32_on_the_cpu(an4_model: Path) -> None:
    model = AcousticModel.load(an4_model, device="cpu")
    assert {parameter.dtype for parameter in model.network.parameters()} == {torch.float32}


def test_bfloat16_is_close_to_float32(an4_model: Path, spoken: Clips) -> None:
    exact = AcousticModel.load(an4_model, device="cpu", precision="float32")
    rounded = AcousticModel.load(an4_model, device="cpu", precision="bfloat16")
    assert exact.fingerprint != rounded.fingerprint
    same = [
        np.mean(exact.forward([clip], SilentMonitor())[0].ids == rounded.forward([clip], SilentMonitor())[0].ids)
        for clip in map(exact.features, spoken[:6])
    ]
    assert np.mean(same) > 0.97


@pytest.fixture
def copied(random_model: Callable[[str], Path], tmp_path: Path) -> Path:
    """A checkpoint that a test may change."""
    return Path(shutil.copytree(random_model("wav2vec2-group"), tmp_path / "model"))


def test_a_pickle_is_not_loaded(copied: Path) -> None:
    (copied / "model.safetensors").rename(copied / "pytorch_model.bin")
    with pytest.raises(ModelError, match=r"pickle.*save_pretrained"):
        AcousticModel.load(copied)


def test_a_model_that_was_not_fine_tuned_is_refused(copied: Path, random_model: Callable[[str], Path]) -> None:
    with quiet_transformers():
        transformers.Wav2Vec2Model.from_pretrained(random_model("wav2vec2-group")).save_pretrained(copied)
    with pytest.raises(ModelError, match=r"is missing 2 of its weights \(lm_head.*not fine-tuned"):
        AcousticModel.load(copied)


def test_code_in_a_checkpoint_is_not_executed(copied: Path) -> None:
    (copied / "evil.py").write_text("raise SystemExit('ran')")
    config = json.loads((copied / "config.json").read_text())
    config |= {"model_type": "unheard-of", "auto_map": {"AutoConfig": "evil.C", "AutoModelForCTC": "evil.M"}}
    (copied / "config.json").write_text(json.dumps(config))
    with pytest.raises(ModelError, match="is a unheard-of model, which is not supported"):
        AcousticModel.load(copied)


def test_a_model_of_another_kind_is_refused(copied: Path) -> None:
    config = transformers.WhisperConfig(d_model=8, encoder_layers=1, decoder_layers=1, vocab_size=8)
    (copied / "config.json").write_text(config.to_json_string())
    with pytest.raises(
        ModelError, match=r"is a whisper model, which writes its text with a decoder .*: use a CTC model instead"
    ):
        AcousticModel.load(copied)


@pytest.mark.parametrize("config", [transformers.Speech2TextConfig, transformers.MoonshineConfig])
def test_other_models_with_a_decoder_are_refused(copied: Path, config: Any) -> None:
    (copied / "config.json").write_text(config().to_json_string())
    with pytest.raises(ModelError, match=r"writes its text with a decoder .*such as Wav2Vec2"):
        AcousticModel.load(copied)


def test_a_feature_extractor_of_another_network_is_refused(copied: Path) -> None:
    sizes: dict[str, Any] = {
        "hidden_size": 16,
        "num_hidden_layers": 1,
        "num_attention_heads": 2,
        "intermediate_size": 16,
    }
    with quiet_transformers():
        config = transformers.Wav2Vec2BertConfig(vocab_size=32, **sizes)
        transformers.Wav2Vec2BertForCTC(config).save_pretrained(copied)
    with pytest.raises(ModelError, match="uses a Wav2Vec2FeatureExtractor, but its network needs a SeamlessM4T"):
        AcousticModel.load(copied)


def test_a_model_that_reduces_its_frame_rate_is_refused(copied: Path) -> None:
    with quiet_transformers():
        network = transformers.Wav2Vec2ForCTC.from_pretrained(copied, add_adapter=True, output_hidden_size=32)
        network.save_pretrained(copied)
    with pytest.raises(ModelError, match="add_adapter"):
        AcousticModel.load(copied)
