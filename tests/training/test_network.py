"""A checkpoint means the same to training as to recognition: the same blank, the same refusals."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from tests.training.kit import utterances, write_model
from thano_duckdb.errors import ModelError
from thano_duckdb.monitoring.training_monitor import SilentTrainingMonitor
from thano_duckdb.speech.recognizer import ctc_checkpoint
from thano_duckdb.speech.recognizer.acoustic_model import AcousticModel
from thano_duckdb.training.audio_store import AudioStore
from thano_duckdb.training.loader import BatchLoader
from thano_duckdb.training.network import CtcNetwork, load_network
from thano_duckdb.training.training_options import Example, TrainingOptions
from thano_duckdb.training.validation import FixedBatches

OPTIONS = TrainingOptions(mask_time_prob=0.0)


@pytest.fixture
def model(small_model: Path, tmp_path: Path) -> Path:
    """A checkpoint that a test may change."""
    return Path(shutil.copytree(small_model, tmp_path / "model"))


def loss_of(network: CtcNetwork, clips: list[Example]) -> float:
    network.module.eval()
    store = AudioStore()
    rows = utterances(clips, network, store)
    plan = FixedBatches([range(len(rows))])
    (batch,) = BatchLoader(rows, plan, network, store, seed=None, monitor=SilentTrainingMonitor())
    return float(network.run(batch).loss.detach())


def test_training_takes_the_blank_of_the_tokenizer_as_recognition_does(
    model: Path, clips: list[Example], tmp_path: Path
) -> None:
    right = loss_of(load_network(model, OPTIONS), clips)
    config = json.loads((model / "config.json").read_text())
    assert config["pad_token_id"] == 0  # `<pad>` in its vocabulary
    (model / "config.json").write_text(json.dumps(config | {"pad_token_id": 12}))  # a letter
    network = load_network(model, OPTIONS)
    assert loss_of(network, clips) == pytest.approx(right)
    network.save(tmp_path / "saved")
    assert json.loads((tmp_path / "saved" / "config.json").read_text())["pad_token_id"] == 0


def test_training_gets_the_samples_that_recognition_gets(small_model: Path) -> None:
    random = np.random.default_rng(1)
    syllables = np.repeat(random.uniform(0, 1, 100) ** 4, 800) * random.standard_normal(80_000)
    clip = (0.05 * syllables).astype(np.float32)
    clip[40_000:] *= 0.03
    recognizer = AcousticModel.load(small_model, device="cpu")
    robust = recognizer.features(clip).samples
    exact = recognizer.features(clip, level="exact").samples
    assert np.abs(robust - exact).max() > 0.1
    np.testing.assert_array_equal(load_network(small_model, OPTIONS).features(clip).samples, robust)
    network = load_network(small_model, TrainingOptions(level="exact"))
    np.testing.assert_array_equal(network.features(clip).samples, exact)


@pytest.mark.parametrize("load", [AcousticModel.load, lambda folder: load_network(folder, OPTIONS)])
def test_a_checkpoint_that_lacks_a_layer_is_refused(model: Path, load: object) -> None:
    weights = load_file(model / "model.safetensors")
    cut = {name: weight for name, weight in weights.items() if ".encoder.layers.1." not in name}
    assert len(cut) < len(weights)
    save_file(cut, model / "model.safetensors", metadata={"format": "pt"})
    assert callable(load)
    with pytest.raises(
        ModelError, match=rf"is missing {len(weights) - len(cut)} of its weights \(.*encoder\.layers\.1\."
    ):
        load(model)


@pytest.mark.parametrize("load", [AcousticModel.load, lambda folder: load_network(folder, OPTIONS)])
def test_a_blank_that_the_model_has_no_output_for_is_refused(model: Path, load: object) -> None:
    vocabulary = json.loads((model / "vocab.json").read_text())
    (model / "vocab.json").write_text(json.dumps(vocabulary | {"<pad>": 99}))
    assert callable(load)
    with pytest.raises(ModelError, match=r"no '<pad>' among the 32 outputs of the model, which CTC needs as its blank"):
        load(model)


def test_an_architecture_whose_padding_was_not_verified_is_not_trained(
    model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ctc_checkpoint, "PADDING_INVARIANT_MODEL_TYPES", frozenset())
    with pytest.raises(ModelError, match="is a wav2vec2 model, which PREDICT can use but BUILD cannot train yet"):
        load_network(model, OPTIONS)


@pytest.mark.parametrize("from_scratch", [False, True])
def test_batch_normalisations_keep_the_statistics_of_the_base(tmp_path: Path, from_scratch: bool) -> None:
    folder = write_model(tmp_path / "model", "conformer-rotary")
    network = load_network(folder, TrainingOptions(from_scratch=from_scratch))
    network.module.eval()
    network.module.train()
    modes = {layer.training for layer in network.module.modules() if isinstance(layer, torch.nn.BatchNorm1d)}
    assert modes == {from_scratch}
