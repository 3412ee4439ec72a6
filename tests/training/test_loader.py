"""Batches as the network gets them, and the evaluation of held-out rows."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import torch

from tests.speech.oracles import transcribe
from tests.training.kit import utterances
from thano_duckdb.monitoring.training_monitor import SilentTrainingMonitor
from thano_duckdb.speech.loading import load_engine
from thano_duckdb.speech.metrics import character_errors, error_rate, word_errors
from thano_duckdb.training.audio_store import AudioStore
from thano_duckdb.training.loader import IGNORED_LABEL, PAD_TO_SAMPLES, Batch, BatchLoader, padded_length
from thano_duckdb.training.network import load_network
from thano_duckdb.training.training_options import Example, TrainingOptions
from thano_duckdb.training.validation import FixedBatches, Validation

if TYPE_CHECKING:
    from tests.conftest import Utterance as Clip

MONITOR = SilentTrainingMonitor()


def lengths(batch: Batch) -> list[int]:
    n_clips, n_padded = batch["input_values"].shape
    mask = batch["sample_mask"]
    return [n_padded] * n_clips if mask is None else mask.sum(1).tolist()


def test_padding_agrees_in_samples_frames_and_labels(small_model: Path, clips: list[Example]) -> None:
    network, store = load_network(small_model, TrainingOptions()), AudioStore()
    rows = utterances(clips, network, store)
    (batch,) = BatchLoader(rows, FixedBatches([range(len(rows))]), network, store, seed=None, monitor=MONITOR)
    assert lengths(batch) == [row.n_samples for row in rows]
    assert batch["input_values"].shape[1] % PAD_TO_SAMPLES == 0
    assert batch["frame_mask"].sum(1).tolist() == [network.grid.n_frames(row.n_samples) for row in rows]
    for values, labels, row in zip(batch["input_values"], batch["labels"], rows, strict=True):
        assert not values[row.n_samples :].any()
        assert labels[labels != IGNORED_LABEL].tolist() == list(row.labels.ids)


def test_batches_have_few_lengths_and_little_padding() -> None:
    padded = {n_samples: padded_length(n_samples) for n_samples in range(1, 960_001, 37)}
    assert all(n_samples <= n_padded < 1.125 * n_samples + PAD_TO_SAMPLES for n_samples, n_padded in padded.items())
    assert len(set(padded.values())) < 64


def test_the_speed_of_a_clip_changes_from_epoch_to_epoch(small_model: Path, clips: list[Example]) -> None:
    network, store = load_network(small_model, TrainingOptions()), AudioStore()
    rows = utterances(clips, network, store)
    loader = BatchLoader(rows, FixedBatches([range(len(rows))]), network, store, seed=0, monitor=MONITOR)
    found = []
    for epoch in (0, 1, 0):
        loader.set_epoch(epoch)
        (batch,) = loader
        found.append(lengths(batch))
        for n_samples, row in zip(found[-1], rows, strict=True):
            assert round(row.n_samples / n_samples, 2) in (0.9, 1.0, 1.1)
    assert found[0] == found[2] != found[1]


def test_a_clip_is_never_sped_up_beyond_what_its_text_needs(small_model: Path, clips: list[Example]) -> None:
    network, store = load_network(small_model, TrainingOptions()), AudioStore()
    rows = utterances([Example(clips[0].audio, "A" * 15)], network, store)  # 29 frames, all of them needed
    loader = BatchLoader(rows, FixedBatches([[0]]), network, store, seed=0, monitor=MONITOR)
    for epoch in range(12):
        loader.set_epoch(epoch)
        (batch,) = loader
        (n_samples,) = lengths(batch)
        assert network.grid.n_frames(n_samples) >= rows[0].labels.n_frames_needed


def test_held_out_rows_get_the_error_rates_of_the_engines_transcripts(an4_model: Path, an4_test: list[Clip]) -> None:
    network, store = load_network(an4_model, TrainingOptions()), AudioStore()
    rows = utterances([Example(each.audio_path, each.text) for each in an4_test[::13]], network, store)
    validation = Validation(rows, network, store, max_clips=3, max_batch_samples=10**6, monitor=MONITOR)
    network.module.train()
    evaluation = validation.evaluate(network.module, lambda batch: batch)
    assert network.module.training

    engine = load_engine(an4_model, device="cpu")
    paths = [row.source.location for row in rows]
    hypotheses = [each.text for each in transcribe(engine, paths, max_clips=1, monitor=MONITOR) if each]
    references = [row.text for row in rows]
    assert evaluation.wer == error_rate(word_errors(references, hypotheses))
    assert evaluation.cer == error_rate(character_errors(references, hypotheses))
    with torch.inference_mode():
        alone = []
        network.module.eval()
        for index in range(len(rows)):
            (batch,) = BatchLoader(rows, FixedBatches([[index]]), network, store, seed=None, monitor=MONITOR)
            alone.append(float(network.run(batch).loss))
    assert evaluation.loss == pytest.approx(sum(alone) / len(alone), rel=1e-4)


def test_a_turkish_model_is_judged_by_the_turkish_i(
    small_model: Path, clips: list[Example], monkeypatch: pytest.MonkeyPatch
) -> None:
    network, store = load_network(small_model, TrainingOptions()), AudioStore()
    rows = utterances([dataclasses.replace(clips[0], text="ISI")], network, store)
    turkish = dataclasses.replace(network.vocabulary, tokens=(*network.vocabulary.tokens[:-1], "\u0131"))
    for vocabulary, wer in ((network.vocabulary, 1), (turkish, 0)):
        monkeypatch.setattr(network, "vocabulary", vocabulary)
        monkeypatch.setattr(Validation, "_decode", lambda *_: ["\u0131s\u0131"])
        validation = Validation(rows, network, store, max_clips=1, max_batch_samples=10**6, monitor=MONITOR)
        assert validation.evaluate(network.module, lambda batch: batch).wer == wer
