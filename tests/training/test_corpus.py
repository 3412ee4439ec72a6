"""The rows of a build are read in threads, each once."""

from __future__ import annotations

import threading
from pathlib import Path

import numpy as np

from tests.training.kit import utterances, write_model
from thano_duckdb.audio.decode import Waveform
from thano_duckdb.audio.source import Clip
from thano_duckdb.training.audio_store import AudioStore
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
