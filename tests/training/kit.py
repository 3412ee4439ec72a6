"""What the tests of training share: networks of a few thousand weights, clips of tones, a monitor that records."""

from __future__ import annotations

import os
import signal
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np
import soundfile

from thano_duckdb.errors import Cancelled
from thano_duckdb.models import tiny
from thano_duckdb.models.registry import Registry
from thano_duckdb.monitoring.training_monitor import EpochMetrics, SilentTrainingMonitor, StepProgress
from thano_duckdb.speech.alphabet import Alphabet
from thano_duckdb.training.audio_store import AudioStore
from thano_duckdb.training.build import Base, BuildResult, build_model
from thano_duckdb.training.corpus import prepare_corpus
from thano_duckdb.training.network import CtcNetwork
from thano_duckdb.training.training_options import Example, TrainingOptions
from thano_duckdb.training.utterances import Utterances

RATE_HZ = 16_000
TEXTS = ("GO", "YES NO", "STOP", "RUBOUT", "HELLO ALL", "ENTER SIX")


def write_clips(folder: Path, texts: Sequence[str] = TEXTS) -> list[Example]:
    """One clip of noisy tones for each text, each of a different length."""
    folder.mkdir(exist_ok=True)
    random = np.random.default_rng(0)
    examples = []
    for index, text in enumerate(texts):
        time_s = np.arange(int((0.6 + 0.13 * index) * RATE_HZ)) / RATE_HZ
        samples = 0.3 * np.sin(2 * np.pi * (200 + 90 * index) * time_s) + 0.05 * random.standard_normal(len(time_s))
        path = folder / f"clip{index}.wav"
        soundfile.write(path, samples.astype(np.float32), RATE_HZ, subtype="PCM_16")
        examples.append(Example(str(path), text))
    return examples


def utterances(rows: list[Example], network: CtcNetwork, store: AudioStore) -> Utterances:
    """The rows as `network` is trained on them; each must be usable."""
    return prepare_corpus(
        rows,
        Alphabet(network.vocabulary),
        network.grid,
        store,
        validation_split=0,
        seed=0,
        fail_on_error=True,
        monitor=SilentTrainingMonitor(),
    ).train


def write_model(folder: Path, kind: str = "group", dropout: float = 0.1) -> Path:
    """A checkpoint of about 10,000 random weights with the alphabet of Wav2Vec2TinyEn.

    Args:
        folder: where to write it.
        kind: `group` or `layer`, a Wav2Vec2 with that norm; or one of `data2vec`, `conformer-relative`,
            `conformer-rotary`, `sew`, `sew-d`.
        dropout: probability of every kind of dropout.
    """
    import torch
    from transformers import AutoModelForCTC

    tiny.write_tiny(folder)
    make_config, own = _architecture(kind)
    config = make_config(
        vocab_size=32,
        hidden_size=16,
        intermediate_size=32,
        num_hidden_layers=2,
        num_attention_heads=2,
        conv_dim=[12, 12, 12],
        conv_kernel=[20, 8, 4],
        conv_stride=[10, 8, 4],
        conv_bias=kind == "layer",
        num_conv_pos_embedding_groups=2,
        hidden_dropout=dropout,
        attention_dropout=dropout,
        activation_dropout=dropout,
        feat_proj_dropout=dropout,
        final_dropout=dropout,
        layerdrop=0.0,
        mask_time_length=4,
        mask_feature_prob=0.1,
        mask_feature_length=2,
        pad_token_id=0,
        **own,
    )
    with torch.random.fork_rng():
        torch.manual_seed(1)
        AutoModelForCTC.from_config(config).save_pretrained(folder)
    return folder


def _architecture(kind: str) -> tuple[Any, dict[str, Any]]:
    """The configuration class of a kind of network, and the settings that only this kind has."""
    import transformers

    if kind == "data2vec":
        return transformers.Data2VecAudioConfig, {"num_conv_pos_embeddings": 2, "conv_pos_kernel_size": 5}
    if kind.startswith("conformer"):
        own = {"position_embeddings_type": kind.partition("-")[2], "conformer_conv_dropout": 0.0}
        return transformers.Wav2Vec2ConformerConfig, {**own, "num_conv_pos_embeddings": 8}
    if kind == "sew":
        return transformers.SEWConfig, {"num_conv_pos_embeddings": 8}
    if kind == "sew-d":
        return transformers.SEWDConfig, {"num_conv_pos_embeddings": 8, "position_buckets": 8, "hidden_act": "gelu"}
    own = {"feat_extract_norm": kind, "do_stable_layer_norm": kind == "layer"}
    return transformers.Wav2Vec2Config, {**own, "num_conv_pos_embeddings": 8}


class NotingMonitor(SilentTrainingMonitor):
    """Records what is reported; with `stop_after`, asks to stop in the first step after that many epochs."""

    def __init__(self, stop_after: int | None = None) -> None:
        self.epochs: list[EpochMetrics] = []
        self.steps: list[StepProgress] = []
        self.sentences: list[str] = []
        self._stop_after = stop_after

    def raise_if_cancelled(self) -> None:
        if self._stop_after is not None and len(self.epochs) >= self._stop_after:
            raise Cancelled("stopped by the test")

    def warned(self, sentence: str) -> None:
        self.sentences.append(sentence)

    def step_done(self, progress: StepProgress) -> None:
        self.steps.append(progress)

    def epoch_done(self, metrics: EpochMetrics) -> None:
        self.epochs.append(metrics)


def run_build(
    home: Path,
    base: Path,
    examples: Sequence[Example],
    options: TrainingOptions,
    *,
    name: str = "model",
    monitor: NotingMonitor | None = None,
) -> BuildResult:
    """Build a model in the model home `home`."""
    return build_model(name, Base(str(base), base), options, examples, Registry(home), monitor or NotingMonitor())


def run_build_and_die(
    home: Path, base: Path, examples: Sequence[Example], options: TrainingOptions, where: str
) -> None:
    """Build, and let the kernel kill this process at a given point; call it in a process of its own."""
    import torch

    from thano_duckdb.training.trainer import CtcTrainer

    torch.set_num_threads(1)
    step, save = CtcTrainer.training_step, CtcTrainer._save_optimizer_and_scheduler

    def die(*_args: object) -> None:
        os.kill(os.getpid(), signal.SIGKILL)

    def die_after_one_epoch(self: CtcTrainer, *args: Any) -> torch.Tensor:
        if self.metrics:
            die()
        return step(self, *args)

    def die_after_two_epochs(self: CtcTrainer, folder: str) -> None:
        if len(self.metrics) == 2:
            die()
        save(self, folder)

    target, replacement = {
        "in a step of the second epoch": (f"{_TRAINER}.training_step", die_after_one_epoch),
        "while the second checkpoint is written": (f"{_TRAINER}._save_optimizer_and_scheduler", die_after_two_epochs),
        "before the first checkpoint is complete": ("thano_duckdb.training.build_folder.sync_tree", die),
        "before the model is published": ("thano_duckdb.models.registry.sync_tree", die),
        "after the model is published": ("thano_duckdb.training.build_folder.BuildFolder.remove", die),
    }[where]
    with mock.patch(target, replacement):
        run_build(home, base, examples, options)


_TRAINER = "thano_duckdb.training.trainer.CtcTrainer"
