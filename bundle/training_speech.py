"""Speak the training texts: `python -m bundle.training_speech FOLDER --prose FILE --words FILE --wordnet FOLDER`.

Writes FOLDER/*.flac and FOLDER/manifest.csv (audio_path, text, speaker, kind). Texts and voices depend only on
the seed; piper adds randomness of its own. A run that was stopped continues where it stopped.
"""

from __future__ import annotations

import argparse
import csv
import random
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import soundfile

from bundle import training_text
from bundle.voices import SAMPLE_RATE_HZ, Voice

VOICES = {
    "piper": ("joe",),
    "flite": ("slt", "rms", "awb"),
    "pico": ("en-US", "en-GB"),
    "rhvoice": ("bdl", "clb"),
}
SHARES = {"piper": 0.08, "flite": 0.28, "pico": 0.29, "rhvoice": 0.35}
"""The share of clips of each engine: piper sounds best, but takes five to twenty times as long as the others."""
CLIPS = {"prose": 12500, "examples": 24500, "everyday": 3600, "numbers": 400, "phrases": 2000, "words": 300}
"""The number of clips of each kind."""


@dataclass(frozen=True)
class Line:
    """A text, the voice that speaks it, and the file it is written to."""

    path: Path
    kind: str
    text: str
    voice: Voice


def plan(folder: Path, prose: Path, words: Path, wordnet: Path, counts: dict[str, int], seed: int) -> list[Line]:
    """All lines to be spoken."""
    rng = random.Random(seed)
    sentences = list(training_text.read_prose(prose))
    rng.shuffle(sentences)
    examples = list(training_text.read_examples(wordnet))
    rng.shuffle(examples)
    vocabulary = [word for word in words.read_text(encoding="latin-1").split() if word.isalpha() and len(word) > 1]
    makers: dict[str, Callable[[int], str]] = {
        "prose": lambda index: sentences[index % len(sentences)],
        "examples": lambda index: examples[index % len(examples)],
        "numbers": lambda _index: training_text.spelling_and_numbers(rng),
        "everyday": lambda _index: training_text.everyday(rng),
        "phrases": lambda _index: training_text.phrases(rng, vocabulary),
        "words": lambda _index: training_text.loose_words(rng, vocabulary),
    }
    return [
        Line(folder / f"{kind}_{index:05}.flac", kind, maker(index), random_voice(rng))
        for kind, maker in makers.items()
        for index in range(counts[kind])
    ]


def random_voice(rng: random.Random) -> Voice:
    """A random voice, with a size and a tempo in the human range."""
    engine = rng.choices(list(SHARES), list(SHARES.values()))[0]
    name = rng.choice(VOICES[engine])
    return Voice(engine, name, rng.uniform(0.86, 1.2), rng.uniform(0.85, 1.25), rng.uniform(0.5, 1.1))


def _speak(line: Line) -> Line:
    if not line.path.exists():
        samples = line.voice.speak(line.text)
        partial = line.path.with_suffix(".partial")
        soundfile.write(partial, samples / max(1.0, float(abs(samples).max())), SAMPLE_RATE_HZ, format="FLAC")
        partial.rename(line.path)
    return line


def main() -> None:
    """Speak everything and write the manifest."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--prose", type=Path, required=True, help="sentences, one per line")
    parser.add_argument(
        "--words",
        type=Path,
        required=True,
        help="words, one per line; one that occurs twice is spoken twice as often",
    )
    parser.add_argument(
        "--wordnet",
        type=Path,
        required=True,
        help="the folder of WordNet's data.noun and similar files",
    )
    parser.add_argument("--seed", type=int, default=0)
    for kind, n in CLIPS.items():
        parser.add_argument(f"--{kind}-clips", type=int, default=n)
    arguments = parser.parse_args()
    arguments.folder.mkdir(parents=True, exist_ok=True)
    counts = {kind: getattr(arguments, f"{kind}_clips") for kind in CLIPS}
    lines = plan(arguments.folder, arguments.prose, arguments.words, arguments.wordnet, counts, arguments.seed)
    with (
        ProcessPoolExecutor(2) as processes,
        (arguments.folder / "manifest.csv").open("w", newline="", encoding="utf-8") as file,
    ):
        table = csv.writer(file)
        table.writerow(["audio_path", "text", "speaker", "kind"])
        for line in processes.map(_speak, lines, chunksize=8):
            table.writerow([line.path.name, line.text, f"{line.voice.engine}-{line.voice.name}", line.kind])


if __name__ == "__main__":
    main()
