"""Loss and gradients of a training step, compared with Hugging Face's model on each clip alone."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch
from transformers import AutoModelForCTC, Wav2Vec2FeatureExtractor

from tests.training.kit import RATE_HZ, utterances, write_model
from thano_duckdb.monitoring.training_monitor import SilentTrainingMonitor
from thano_duckdb.training.audio_store import AudioStore
from thano_duckdb.training.loader import BatchLoader
from thano_duckdb.training.network import load_network
from thano_duckdb.training.training_options import Example, TrainingOptions
from thano_duckdb.training.validation import FixedBatches

KINDS = ["group", "layer", "data2vec", "conformer-relative", "conformer-rotary", "sew", "sew-d"]


@pytest.mark.parametrize("kind", KINDS)
def test_loss_and_gradients_of_a_batch_are_the_mean_of_those_of_each_clip_alone(
    kind: str, tmp_path: Path, clips: list[Example]
) -> None:
    folder = write_model(tmp_path / "model", kind, dropout=0.0)
    options = TrainingOptions(freeze_feature_encoder=False, mask_time_prob=0.0)
    network = load_network(folder, options)
    network.module.config.mask_feature_prob = 0.0
    network.module.train()
    monitor, store = SilentTrainingMonitor(), AudioStore()
    rows = utterances(clips, network, store)
    plan = FixedBatches([range(len(rows))])
    (batch,) = BatchLoader(rows, plan, network, store, seed=None, monitor=monitor)
    loss = network.run(batch).loss
    loss.backward()
    ours = {name: weight.grad for name, weight in network.module.named_parameters() if weight.grad is not None}

    alone = AutoModelForCTC.from_pretrained(folder, ctc_loss_reduction="mean", dtype=torch.float32).train()
    alone.config.mask_time_prob = alone.config.mask_feature_prob = 0.0
    for module in alone.modules():
        if isinstance(module, torch.nn.BatchNorm1d):
            module.eval()
    extractor = Wav2Vec2FeatureExtractor.from_pretrained(folder)
    ids = {char: index for index, char in enumerate(network.vocabulary.tokens)} | {" ": 4}
    losses = []
    for clip in clips:
        samples, _rate = soundfile.read(str(clip.audio), dtype="float32")
        values = extractor(samples, sampling_rate=RATE_HZ, return_tensors="pt").input_values
        labels = torch.tensor([[ids[char] for char in str(clip.text)]])
        losses.append(alone(values, labels=labels).loss)
    torch.stack(losses).mean().backward()

    assert loss.item() == pytest.approx(np.mean([each.item() for each in losses]), rel=1e-4)
    theirs = {name: weight.grad for name, weight in alone.named_parameters() if weight.grad is not None}
    assert ours.keys() == theirs.keys()
    assert any("feature_extractor.conv_layers.0.conv.weight" in name for name in ours)
    for name, gradient in theirs.items():
        assert (ours[name] - gradient).norm() <= 0.01 * gradient.norm() + 1e-6, name


def test_the_weights_of_a_frozen_feature_encoder_need_no_gradient(small_model: Path) -> None:
    network = load_network(small_model, TrainingOptions())
    frozen = {name for name, weight in network.module.named_parameters() if not weight.requires_grad}
    assert frozen == {name for name, _ in network.module.named_parameters() if "feature_extractor" in name}


def test_cancellation_is_checked_within_the_forward_and_the_backward_pass(small_model: Path) -> None:
    network = load_network(small_model, TrainingOptions(freeze_feature_encoder=False))
    monitor = CountingMonitor()
    network.monitor = monitor
    values = torch.randn(1, 8000)
    batch = {
        "input_values": values,
        "sample_mask": None,
        "frame_mask": None,
        "labels": torch.tensor([[5, 6]]),
        "moments": [network.features(values[0].numpy()).moments],
    }
    n_layers = sum(isinstance(each, (torch.nn.Conv1d, torch.nn.Linear)) for each in network.module.modules())
    loss = network.run(batch).loss
    assert monitor.n_checks >= n_layers
    monitor.n_checks = 0
    loss.backward()
    assert monitor.n_checks >= n_layers


class CountingMonitor(SilentTrainingMonitor):
    n_checks = 0

    def raise_if_cancelled(self) -> None:
        self.n_checks += 1


@pytest.mark.parametrize("kind", KINDS)
def test_a_saved_network_is_a_plain_hugging_face_checkpoint(kind: str, tmp_path: Path) -> None:
    folder = write_model(tmp_path / "model", kind, dropout=0.0)
    load_network(folder, TrainingOptions()).save(tmp_path / "saved")
    before, after = (
        AutoModelForCTC.from_pretrained(each, dtype=torch.float32).eval() for each in (folder, tmp_path / "saved")
    )
    assert before.state_dict().keys() == after.state_dict().keys()
    samples = torch.randn(1, 8000)
    torch.testing.assert_close(after(samples).logits, before(samples).logits)
