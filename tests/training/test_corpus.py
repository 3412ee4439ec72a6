"""The rows of a build are read in threads, each once."""

from __future__ import annotations

import threading
from pathlib import Path

import numpy as np

from tests.training.kit import utterances, write_model
from thano_duckdb.audio.decode import Waveform
from thano_duckdb.audio.source import Clip
from thano_duckdb.monitoring.training_monitor import SilentTrainingMonitor
from thano_duckdb.speech.alphabet import Alphabet
from thano_duckdb.training.audio_store import AudioStore
from thano_duckdb.training.corpus import Corpus, prepare_corpus
from thano_duckdb.training.network import load_network
from thano_duckdb.training.training_options import Example, TrainingOptions


def test_clips_at_urls_are_fetched_many_at_a_time(tmp_path: Path) -> None:
    n_at_a_time = 16
    together = threading.Barrier(n_at_a_time, timeout=30)

    def fetch(_: Clip) -> Waveform:
        together.wait()
        return Waveform(np.ones(16_000, np.float32), 1.0)

    network = load_network(write_model(tmp_path / "model"), TrainingOptions())
    rows = [Example(f"https://example.org/{number}.wav", "GO") for number in range(n_at_a_time)]
    assert len(utterances(rows, network, AudioStore(decoder=fetch))) == n_at_a_time


def test_rows_that_cannot_be_written_are_trained_without_the_characters_or_skipped(tmp_path: Path) -> None:
    network = load_network(write_model(tmp_path / "model"), TrainingOptions())
    texts = ["GO", "ROOM 25", "AN \u00dcBER 5", "GO, NOW!"]
    rows = [Example(f"{number}.wav", text) for number, text in enumerate(texts)]

    def corpus(on_unwritable: str) -> Corpus:
        return prepare_corpus(
            rows,
            Alphabet(network.vocabulary),
            network.grid,
            AudioStore(decoder=lambda _: Waveform(np.ones(16_000, np.float32), 1.0)),
            validation_split=0,
            seed=0,
            fail_on_error=False,
            skip_unwritable=on_unwritable == "skip",
            monitor=SilentTrainingMonitor(),
        )

    dropped, skipped = corpus("drop"), corpus("skip")
    assert {row.labels.text for row in dropped.train} == {"GO", "ROOM", "AN UBER", "GO NOW"}
    characters, accents = dropped.warnings
    assert characters == (
        "3 characters were dropped from the transcripts because the model's alphabet lacks them: '5' (2), '2' (1); "
        "OPTIONS (on_unwritable='skip') skips their rows"
    )
    assert accents.startswith("1 letter lost its accent")
    assert {row.text for row in skipped.train} == {"GO", "GO, NOW!"}
    assert skipped.n_skipped == 2
    rows_skipped, names = skipped.warnings
    assert "1.wav: The model's alphabet lacks '2', '5' of its text" in rows_skipped
    assert names == "2 rows skipped because of on_unwritable='skip': the model's alphabet lacks '5' (2), '2' (1)"
