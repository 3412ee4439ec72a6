"""The rows of a build are read in threads, each once."""

from __future__ import annotations

import io
import tempfile
import threading
import wave
from pathlib import Path

import numpy as np
import pytest

from tests.training.kit import utterances, write_model
from thano_duckdb.audio.decode import Waveform
from thano_duckdb.audio.source import Clip
from thano_duckdb.monitoring.training_monitor import SilentTrainingMonitor
from thano_duckdb.speech.alphabet import Alphabet
from thano_duckdb.training.audio_store import AudioStore
from thano_duckdb.training.corpus import Corpus, prepare_corpus
from thano_duckdb.training.example_table import ExampleTable
from thano_duckdb.training.network import load_network
from thano_duckdb.training.spill_file import SpillFile
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


def write_wav(number: int) -> bytes:
    """A WAV file that is the same on every machine."""
    samples = (np.arange(8_000 + 800 * number) * (37 + number)) % 2001 - 1000
    file = io.BytesIO()
    with wave.open(file, "wb") as writer:
        writer.setparams((1, 2, 16_000, 0, "NONE", ""))
        writer.writeframes(samples.astype("<i2").tobytes())
    return file.getvalue()


@pytest.mark.parametrize("in_table", [False, True])
def test_the_hash_of_the_rows_stays_the_same_from_release_to_release(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, in_table: bool
) -> None:
    """Otherwise a build that was stopped before an update could not be resumed after it."""
    monkeypatch.chdir(tmp_path)
    for number in range(6):
        Path(f"{number}.wav").write_bytes(write_wav(number))
    paths = [Example(f"{number}.wav", "GO") for number in range(6)]
    rows = [
        *paths,
        *(Example(write_wav(number), "YES NO") for number in range(6)),
        Example(Clip("5.wav", start_s=0.1, stop_s=0.4), "NO"),
        Example(Clip("5.wav", channel=0), "NO"),
        Example(Clip("named", data=write_wav(9), stop_s=0.5, clamps_stop=True), "STOP"),
        Example("0.wav", "GO"),
        Example(None, "GO"),
        Example("1.wav", None),
        Example("missing.wav", "GO"),
    ]
    grouped = [Example(row.audio, row.text, (f"s{i % 4}" if i % 4 else None,)) for i, row in enumerate(paths)]
    network = load_network(write_model(tmp_path / "model"), TrainingOptions())

    def facts(rows: list[Example], share: float) -> tuple[str, int, int]:
        with ExampleTable(lambda: SpillFile(tempfile.TemporaryFile(buffering=0))) as table, AudioStore() as store:
            table.add(rows)
            found = prepare_corpus(
                table if in_table else rows,
                Alphabet(network.vocabulary),
                network.grid,
                store,
                validation_split=share,
                seed=3,
                fail_on_error=False,
                monitor=SilentTrainingMonitor(),
            )
            return found.digest, len(found.train), len(found.validation)

    assert facts(rows, 0) == ("761addcf9c987bb680832cc10b38aa94", 16, 0)
    assert facts(rows, 0.2) == ("5ef1804df58497342e3f79392459b968", 13, 3)
    assert facts(grouped, 0.3) == ("ae96d0f9fce80a8464d4af3e180cf948", 4, 2)
