"""Speak sentences to train on: `python -m bundle.training_speech FOLDER SENTENCES natural --styles FOLDER`.

SENTENCES has one sentence per line. Writes FOLDER/*.flac and FOLDER/manifest.csv (audio_path, text, speaker, duration,
line), each clip in another voice, until all lines are spoken or `--hours` are reached. A run that was stopped
continues where it stopped. `natural` voices are those of `natural_voices.py` (about three times as fast as real time,
on one thread), `robotic` ones those of `voices.py` (ten times as fast).
"""

from __future__ import annotations

import argparse
import csv
import fcntl
import random
import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import soundfile

from bundle.natural_voices import NaturalVoices, random_mixture
from bundle.voices import SAMPLE_RATE_HZ, Samples, Voice

COLUMNS = ("audio_path", "text", "speaker", "duration", "line")
MAX_S = 15.0
CHARS_PER_S = (5.0, 30.0)
"""A clip outside of this went wrong, and is omitted; single words may be slower."""
PEAK = 0.7
ROBOTIC = {"piper": (0.35, ("joe",)), "flite": (0.5, ("slt", "rms", "awb")), "pico": (0.15, ("en-US", "en-GB"))}
"""The share of the clips of each engine, and its voices."""

Speaker = Callable[[str, random.Random], tuple[str, Samples]]
"""Speaks a text in a random voice; returns the voice's name and (n_samples,) at 16 kHz."""


def as_written(text: str) -> str:
    """A sentence of `thano_normalize` with capitals and a full stop, because it is read better so."""
    with_pronoun = re.sub(r"\bi\b", "I", text)
    return with_pronoun[:1].upper() + with_pronoun[1:] + ("" if with_pronoun[-1:] in ".!?" else ".")


def natural(styles: Path) -> Speaker:
    """Voices mixed from Kokoro's."""
    voices = NaturalVoices(styles)

    def speak(text: str, rng: random.Random) -> tuple[str, Samples]:
        voice = random_mixture(voices.names, rng)
        return voice.name, voices.speak(text, voice)

    return speak


def robotic(text: str, rng: random.Random) -> tuple[str, Samples]:
    """Older voices, each at many sizes and tempos."""
    shares = [share for share, _ in ROBOTIC.values()]
    engine = rng.choices(list(ROBOTIC), shares)[0]
    name = rng.choice(ROBOTIC[engine][1])
    voice = Voice(engine, name, rng.uniform(0.86, 1.2), rng.uniform(0.85, 1.25), rng.uniform(0.5, 1.1))
    return f"{engine}-{name}", voice.speak(text)


def is_usable(text: str, samples: Samples) -> bool:
    """Whether a clip has a length that its text may have, and is not silent."""
    duration_s = len(samples) / SAMPLE_RATE_HZ
    slowest, fastest = CHARS_PER_S
    if not 0 < duration_s <= MAX_S or not slowest * (duration_s - 1) <= len(text) <= fastest * duration_s:
        return False
    return bool(np.isfinite(samples).all() and np.abs(samples).max() > 0)


def finished_rows(manifest: Path) -> list[dict[str, str]]:
    """The rows of an earlier run."""
    if not manifest.exists():
        return []
    with manifest.open(encoding="utf-8", newline="") as file:
        return [row for row in csv.DictReader(file) if row["line"]]  # a row that was cut off has none


def main() -> None:
    """Speak, unless another run does."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("sentences", type=Path)
    parser.add_argument("voices", choices=["natural", "robotic"])
    parser.add_argument("--styles", type=Path, help="the folder of Kokoro's style vectors, for the natural voices")
    parser.add_argument("--hours", type=float, default=10.0)
    parser.add_argument("--first-line", type=int, default=0, help="so that two folders have other sentences")
    arguments = parser.parse_args()
    arguments.folder.mkdir(parents=True, exist_ok=True)
    with (arguments.folder / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # waits for a run that was left behind
        speak_lines(arguments)


def speak_lines(arguments: argparse.Namespace) -> None:
    """Speak line after line, from where an earlier run stopped."""
    speak = natural(arguments.styles) if arguments.voices == "natural" else robotic
    manifest: Path = arguments.folder / "manifest.csv"
    partial: Path = arguments.folder / "partial"
    rows = finished_rows(manifest)
    spoken_s = sum(float(row["duration"]) for row in rows)
    sentences = arguments.sentences.read_text(encoding="utf-8").splitlines()
    with partial.open("w", encoding="utf-8", newline="") as file:
        table = csv.DictWriter(file, COLUMNS)
        table.writeheader()
        table.writerows(rows)
    partial.replace(manifest)  # now without a row that was cut off
    with manifest.open("a", encoding="utf-8", newline="") as file:
        table = csv.DictWriter(file, COLUMNS)
        for line in range(int(rows[-1]["line"]) + 1 if rows else arguments.first_line, len(sentences)):
            if spoken_s >= arguments.hours * 3600:
                break
            name, samples = speak(as_written(sentences[line]), random.Random(line))
            if not is_usable(sentences[line], samples):
                continue
            samples *= np.float32(PEAK) / np.abs(samples).max()
            soundfile.write(partial, samples, SAMPLE_RATE_HZ, format="FLAC", subtype="PCM_16")
            partial.rename(arguments.folder / f"{line:06}.flac")
            duration_s = len(samples) / SAMPLE_RATE_HZ
            values = (f"{line:06}.flac", sentences[line], name, f"{duration_s:.3f}", line)
            table.writerow(dict(zip(COLUMNS, values, strict=True)))
            file.flush()
            spoken_s += duration_s


if __name__ == "__main__":
    main()
