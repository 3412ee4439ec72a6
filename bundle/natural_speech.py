"""Speak sentences in natural voices: `python -m bundle.natural_speech FOLDER --sentences FILE --styles FOLDER`.

FILE has one sentence per line. Writes FOLDER/*.flac and FOLDER/manifest.csv (audio_path, text, speaker, duration,
line), each clip in another voice, until all lines are spoken or `--hours` are reached. A run that was stopped
continues where it stopped. It uses one thread and is about three times as fast as real time. `natural_voices.py` says
which packages it needs.
"""

from __future__ import annotations

import argparse
import csv
import random
import re
from pathlib import Path

import numpy as np
import soundfile

from bundle.natural_voices import SAMPLE_RATE_HZ, NaturalVoices, Samples, random_voice

COLUMNS = ("audio_path", "text", "speaker", "duration", "line")
MAX_S = 15.0
CHARS_PER_S = (5.0, 30.0)
"""A clip outside of this went wrong, and is omitted."""
PEAK = 0.7


def as_written(text: str) -> str:
    """A sentence of `thano_normalize` with a capital and a full stop, which is read in a livelier way."""
    with_pronoun = re.sub(r"\bi\b", "I", text)
    return with_pronoun[:1].upper() + with_pronoun[1:] + ("" if with_pronoun[-1:] in ".!?" else ".")


def speak_line(voices: NaturalVoices, text: str, seed: str) -> tuple[str, Samples] | None:
    """The name of a random voice and what it says, or None if that is not usable."""
    voice = random_voice(voices.names, random.Random(seed))
    samples = voices.speak(as_written(text), voice)
    duration_s = len(samples) / SAMPLE_RATE_HZ
    slowest, fastest = CHARS_PER_S
    if not 0 < duration_s <= MAX_S or not slowest <= len(text) / duration_s <= fastest + 200 / len(text):
        return None
    loudest = float(np.abs(samples).max())
    return (voice.name, samples * np.float32(PEAK / loudest)) if np.isfinite(loudest) and loudest > 0 else None


def main() -> None:
    """Speak line after line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--sentences", type=Path, required=True)
    parser.add_argument("--styles", type=Path, required=True, help="the folder of Kokoro's style vectors")
    parser.add_argument("--hours", type=float, default=10.0)
    parser.add_argument("--seed", default="0")
    arguments = parser.parse_args()
    arguments.folder.mkdir(parents=True, exist_ok=True)
    manifest: Path = arguments.folder / "manifest.csv"
    rows: list[dict[str, str]] = []
    if manifest.exists():
        with manifest.open(encoding="utf-8", newline="") as file:
            rows = [row for row in csv.DictReader(file) if row["line"]]  # a line cut off by a crash has none
    spoken_s = sum(float(row["duration"]) for row in rows)
    voices = NaturalVoices(arguments.styles)
    partial: Path = arguments.folder / "partial"
    with manifest.open("w", encoding="utf-8", newline="") as file:
        table = csv.writer(file)
        table.writerow(COLUMNS)
        table.writerows([row[name] for name in COLUMNS] for row in rows)
        file.flush()
        sentences = arguments.sentences.read_text(encoding="utf-8").splitlines()
        for line in range(int(rows[-1]["line"]) + 1 if rows else 0, len(sentences)):
            if spoken_s >= arguments.hours * 3600:
                break
            spoken = speak_line(voices, sentences[line], f"{arguments.seed} {line}")
            if spoken is None:
                continue
            name, samples = spoken
            duration_s = len(samples) / SAMPLE_RATE_HZ
            soundfile.write(partial, samples, SAMPLE_RATE_HZ, format="FLAC", subtype="PCM_16")
            partial.rename(arguments.folder / f"{line:06}.flac")
            table.writerow([f"{line:06}.flac", sentences[line], name, f"{duration_s:.3f}", line])
            file.flush()
            spoken_s += duration_s


if __name__ == "__main__":
    main()
