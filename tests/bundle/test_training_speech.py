"""The speech that the small model is trained on: what voices read, and what is done to it."""

from __future__ import annotations

import csv
import random
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile

from bundle import training_speech
from bundle.natural_voices import MixedVoice, random_mixture
from bundle.not_speech import random_sound
from bundle.voices import SAMPLE_RATE_HZ, Samples

SENTENCES = [f"this is sentence number {n}" for n in range(8)]


def tone(duration_s: float) -> Samples:
    seconds = np.arange(round(duration_s * SAMPLE_RATE_HZ)) / SAMPLE_RATE_HZ
    return np.sin(2 * np.pi * 440 * seconds).astype(np.float32)


def speak(monkeypatch: pytest.MonkeyPatch, folder: Path, hours: float) -> list[dict[str, str]]:
    """Run the script with a voice that needs two seconds for everything, and cannot say sentence number 2."""

    def voice(text: str, _rng: random.Random) -> tuple[str, Samples]:
        return "somebody", tone(0.0 if text.endswith("2.") else 2.0)

    (folder / "sentences.txt").write_text("\n".join(SENTENCES))
    monkeypatch.setattr(training_speech, "robotic", voice)
    arguments = [str(folder), str(folder / "sentences.txt"), "robotic", f"--hours={hours}"]
    monkeypatch.setattr(sys, "argv", ["training_speech", *arguments])
    training_speech.main()
    with (folder / "manifest.csv").open(newline="") as file:
        return list(csv.DictReader(file))


def test_speech_that_was_stopped_continues_with_the_next_sentence(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    first = speak(monkeypatch, tmp_path, hours=3 / 3600)
    assert [row["text"] for row in first] == SENTENCES[:2]
    with (tmp_path / "manifest.csv").open("a") as file:
        file.write("000003.flac,this is sen")  # the machine stopped here
    rows = speak(monkeypatch, tmp_path, hours=1)
    assert [row["text"] for row in rows] == [*SENTENCES[:2], *SENTENCES[3:]]
    assert all(soundfile.info(tmp_path / row["audio_path"]).duration == 2.0 for row in rows)


def test_a_sentence_is_read_with_capitals_and_a_full_stop() -> None:
    assert training_speech.as_written("what i said is in it") == "What I said is in it."
    assert training_speech.as_written("A, B, C.") == "A, B, C."


def test_a_mixture_of_voices_is_complete_and_named_by_its_largest_shares() -> None:
    names = [f"voice{n}" for n in range(28)]
    voices = [random_mixture(names, random.Random(seed)) for seed in range(50)]
    assert all(sum(voice.shares.values()) == pytest.approx(1) for voice in voices)
    assert len({voice.name for voice in voices}) > 40
    assert MixedVoice({"a": 0.25, "b": 0.746, "c": 0.004}, 1.0, 1.0).name == "b 75 a 25"


@pytest.mark.parametrize("seed", range(30))
def test_a_sound_that_is_not_speech_is_finite_quiet_and_reproducible(seed: int) -> None:
    sound = random_sound(1.5, seed)
    assert sound.shape == (24_000,)
    assert np.isfinite(sound).all()
    assert np.abs(sound).max() <= 0.5 + 1e-6
    np.testing.assert_array_equal(sound, random_sound(1.5, seed))
