"""Say new things with what people have said: `python -m bundle.spliced_speech FOLDER clips.parquet`.

A few people said a few sentences: a model that hears each of them often learns sentences, not sounds. So runs of words
are cut out and joined in another order (after Lam et al. 2021, `On-the-fly aligned data augmentation for
sequence-to-sequence ASR`), each speaker's among themselves.

clips.parquet has audio_path (16 kHz, mono), text, speaker, and words: what PREDICT with include=['words'] heard. Both
texts are as thano_normalize gives them; only what was heard as it is written is used. Writes FOLDER/*.flac and
FOLDER/manifest.csv (audio_path, text, speaker).
"""

from __future__ import annotations

import argparse
import csv
import random
from collections import defaultdict
from dataclasses import dataclass
from difflib import SequenceMatcher
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import soundfile
import soxr

from bundle.voices import SAMPLE_RATE_HZ, Samples

DURATION_S = (2.0, 5.0)
"""Of a clip: it ends with the second run after what was drawn."""
HOP = SAMPLE_RATE_HZ // 200
FADE = SAMPLE_RATE_HZ // 200
SAME_SIZE = 0.3
"""How often the speaker is as tall as in truth."""
SIZES = (0.86, 1.18)


@dataclass(frozen=True)
class Run:
    """Words that someone said one after another, as samples at 16 kHz."""

    text: str
    samples: Samples
    is_last: bool = False
    """Nothing more was said: it is followed by silence, as the end of a clip should be."""


def cut(clip: dict[str, Any], rng: random.Random, max_words: int) -> list[Run]:
    """The runs of a clip, at most `max_words` words each."""
    reference, heard = clip["text"].split(), clip["words"] or []
    matches = SequenceMatcher(a=reference, b=[word["word"] for word in heard], autojunk=False).get_matching_blocks()
    if not any(match.size for match in matches):
        return []
    samples = np.asarray(soundfile.read(clip["audio_path"], dtype="float32")[0], np.float32)
    runs = []
    for match in matches:
        first, end = match.b, match.b + match.size
        start = _boundary(samples, heard, first)
        while first < end:
            last = min(first + rng.randint(1, max_words), end)
            stop = _boundary(samples, heard, last)
            words = " ".join(reference[match.a + first - match.b : match.a + last - match.b])
            runs.append(Run(words, samples[start:stop], is_last=last == len(heard)))
            first, start = last, stop
    return runs


def _boundary(samples: Samples, words: list[dict[str, Any]], index: int) -> int:
    """The sample with the least energy around it between the word before `index` and that at it."""
    if index == 0:
        return 0
    if index == len(words):
        return len(samples)
    earliest, latest = (round(at_s * SAMPLE_RATE_HZ) for at_s in (words[index - 1]["end"], words[index]["start"]))
    return min(
        range(earliest, max(latest, earliest + 1), HOP),
        key=lambda at: float(np.square(samples[max(0, at - HOP) : at + HOP]).sum()),
    )


def splice(runs: list[Run], rng: random.Random) -> Run:
    """Runs of one speaker, drawn until they are long enough, at any size."""
    least = rng.uniform(*DURATION_S) * SAMPLE_RATE_HZ
    chosen = [rng.choice(runs)]
    while sum(len(run.samples) for run in chosen) < least:
        chosen.append(rng.choice(runs))
    chosen.append(rng.choice([run for run in runs if run.is_last] or runs))
    samples = chosen[0].samples
    fade = np.linspace(0, 1, FADE, dtype=np.float32)
    for run in chosen[1:]:
        overlap = samples[-FADE:] * (1 - fade) + run.samples[:FADE] * fade
        samples = np.concatenate([samples[:-FADE], overlap, run.samples[FADE:]])
    size = 1.0 if rng.random() < SAME_SIZE else rng.uniform(*SIZES)
    resized: Samples = soxr.resample(samples, SAMPLE_RATE_HZ * size, SAMPLE_RATE_HZ, quality="HQ")
    return Run(" ".join(run.text for run in chosen), resized)


def main() -> None:
    """Cut, join, and write the manifest."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("clips", type=Path)
    parser.add_argument("--hours", type=float, default=4.0, help="of each speaker")
    parser.add_argument("--max-words", type=int, default=3, help="of a run")
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    arguments.folder.mkdir(parents=True, exist_ok=True)
    rng = random.Random(arguments.seed)
    clips = duckdb.read_parquet(str(arguments.clips)).order("audio_path").to_arrow_table().to_pylist()
    runs: defaultdict[str, list[Run]] = defaultdict(list)
    for clip in clips:
        runs[clip["speaker"]] += [run for run in cut(clip, rng, arguments.max_words) if len(run.samples) > 2 * FADE]
    with (arguments.folder / "manifest.csv").open("w", newline="", encoding="utf-8") as file:
        table = csv.writer(file)
        table.writerow(["audio_path", "text", "speaker"])
        for speaker, said in runs.items():
            seconds, n = 0.0, 0
            while seconds < arguments.hours * 3600:
                clip = splice(said, rng)
                name = f"{speaker}_{n:05}.flac"
                soundfile.write(arguments.folder / name, np.clip(clip.samples, -1, 1), SAMPLE_RATE_HZ)
                table.writerow([name, clip.text, speaker])
                seconds, n = seconds + len(clip.samples) / SAMPLE_RATE_HZ, n + 1


if __name__ == "__main__":
    main()
