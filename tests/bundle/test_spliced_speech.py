"""Spliced speech: the words of the text are the words in the audio."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import numpy as np
import soundfile

from bundle.spliced_speech import cut, splice
from bundle.voices import SAMPLE_RATE_HZ, Samples

WORDS = ("do", "re", "mi", "fa", "sol", "la")
PITCHES_HZ = (400, 600, 900, 1300, 1900, 2700)
WORD_S, PAUSE_S = 0.3, 0.1


def sung(words: list[str]) -> tuple[Samples, list[dict[str, Any]]]:
    """Each word as its own tone between pauses, and the times of the words."""
    pause = np.zeros(round(PAUSE_S * SAMPLE_RATE_HZ), np.float32)
    times_s = np.arange(round(WORD_S * SAMPLE_RATE_HZ)) / SAMPLE_RATE_HZ
    pieces, timed_words = [pause], []
    for index, word in enumerate(words):
        start_s = PAUSE_S + index * (WORD_S + PAUSE_S)
        tone = np.sin(2 * np.pi * PITCHES_HZ[WORDS.index(word)] * times_s)
        pieces += [tone.astype(np.float32), pause]
        timed_words.append({"word": word, "start": start_s + 0.03, "end": start_s + WORD_S - 0.03})
    return np.concatenate(pieces), timed_words


def words_in(samples: Samples) -> list[str]:
    """The tones, by the strongest frequency between pauses."""
    loud = np.convolve(np.abs(samples), np.ones(400) / 400, "same") > 0.1
    edges = np.flatnonzero(np.diff(np.concatenate([[False], loud, [False]]).astype(int)))
    words = []
    for start, end in edges.reshape(-1, 2):
        spectrum = np.abs(np.fft.rfft(samples[start:end]))
        pitch_hz = float(spectrum.argmax()) * SAMPLE_RATE_HZ / (end - start)
        words.append(WORDS[int(np.argmin([abs(np.log(pitch_hz / each)) for each in PITCHES_HZ]))])
    return words


def clip(folder: Path, words: list[str], text: str | None = None) -> dict[str, Any]:
    path = folder / f"{'_'.join(words)}.wav"
    samples, timed_words = sung(words)
    soundfile.write(path, samples, SAMPLE_RATE_HZ)
    return {"audio_path": str(path), "text": text or " ".join(words), "speaker": "singer", "words": timed_words}


def test_runs_hold_complete_words(tmp_path: Path) -> None:
    rng = random.Random(0)
    words = rng.choices(WORDS, k=40)
    runs = cut(clip(tmp_path, words), rng, max_words=4)
    assert [run.text for run in runs] == [" ".join(words_in(run.samples)) for run in runs]
    assert " ".join(run.text for run in runs).split() == words
    assert max(len(run.text.split()) for run in runs) == 4
    assert [run.is_last for run in runs] == [False] * (len(runs) - 1) + [True]


def test_misrecognised_words_are_omitted(tmp_path: Path) -> None:
    runs = cut(clip(tmp_path, ["do", "re", "mi", "fa"], text="do re sol fa"), random.Random(0), 5)
    assert " ".join(run.text for run in runs) == "do re fa"
    assert " ".join(word for run in runs for word in words_in(run.samples)) == "do re fa"


def test_a_clip_without_recognised_words_gives_no_runs(tmp_path: Path) -> None:
    assert cut(clip(tmp_path, ["do", "re"], text="mi fa"), random.Random(0), 5) == []
    unrecognised = {"audio_path": "not read", "text": "mi fa", "speaker": "singer", "words": None}
    assert cut(unrecognised, random.Random(0), 5) == []


def test_spliced_speech_contains_the_words_of_its_text(tmp_path: Path) -> None:
    rng = random.Random(1)
    runs = [run for _ in range(5) for run in cut(clip(tmp_path, rng.choices(WORDS, k=8)), rng, 3)]
    spliced = [splice(runs, rng) for _ in range(20)]
    assert [clip.text for clip in spliced] == [" ".join(words_in(clip.samples)) for clip in spliced]
    assert len({clip.text for clip in spliced}) == 20


def test_a_speaker_without_a_last_run_is_spliced_too(tmp_path: Path) -> None:
    runs = cut(clip(tmp_path, ["do", "re", "mi", "fa"], text="do re mi sol"), random.Random(0), 1)
    assert not any(run.is_last for run in runs)
    spliced = splice(runs, random.Random(0))
    assert spliced.text == " ".join(words_in(spliced.samples))
