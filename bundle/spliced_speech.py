"""Splice recordings of people into new sentences: `python -m bundle.spliced_speech FOLDER clips.parquet`.

With few people and few sentences, a model that trains on each of them often learns the sentences, not the sounds. So
runs of words are cut out and joined in another order (after Lam et al. 2021, `On-the-fly aligned data augmentation for
sequence-to-sequence ASR`), separately for each speaker.

clips.parquet has audio_path (16 kHz, mono), text, speaker, and words: the result of PREDICT with include=['words'].
Both texts are normalised by thano_normalize; only words that were recognised correctly are used. Writes FOLDER/*.flac
and FOLDER/manifest.csv (audio_path, text, speaker).
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
"""A clip gets runs until it is longer than a length drawn from this range, and then one last run."""
HOP = SAMPLE_RATE_HZ // 200
FADE = SAMPLE_RATE_HZ // 200
SAME_SIZE = 0.3
"""How often the vocal tract keeps its true size."""
SIZES = (0.86, 1.18)


@dataclass(frozen=True)
class Run:
    """Words that a speaker said in succession, as samples at 16 kHz."""

    text: str
    samples: Samples
    is_last: bool = False
    """Whether these are the last words of a clip: silence follows, as it should at the end of a clip."""


def cut(clip: dict[str, Any], rng: random.Random, max_words: int) -> list[Run]:
    """The correctly recognised runs of a clip, of at most `max_words` words each."""
    reference, hypothesis = clip["text"].split(), clip["words"] or []
    recognised = [word["word"] for word in hypothesis]
    matches = SequenceMatcher(a=reference, b=recognised, autojunk=False).get_matching_blocks()
    if not any(match.size for match in matches):
        return []
    samples = np.asarray(soundfile.read(clip["audio_path"], dtype="float32")[0], np.float32)
    runs = []
    for match in matches:
        first, end = match.b, match.b + match.size
        start = _boundary(samples, hypothesis, first)
        while first < end:
            last = min(first + rng.randint(1, max_words), end)
            stop = _boundary(samples, hypothesis, last)
            words = " ".join(reference[match.a + first - match.b : match.a + last - match.b])
            runs.append(Run(words, samples[start:stop], is_last=last == len(hypothesis)))
            first, start = last, stop
    return runs


def _boundary(samples: Samples, words: list[dict[str, Any]], index: int) -> int:
    """The sample with the least energy around it, between the word at `index` and the word before it."""
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
    """Join random runs of one speaker until they are long enough, with a vocal tract of random size."""
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
    """Cut and join the clips, and write the manifest."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("clips", type=Path)
    parser.add_argument("--hours", type=float, default=4.0, help="how much of each speaker")
    parser.add_argument("--max-words", type=int, default=3, help="the longest run")
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
        for speaker, runs_of_speaker in runs.items():
            seconds, n = 0.0, 0
            while seconds < arguments.hours * 3600:
                clip = splice(runs_of_speaker, rng)
                name = f"{speaker}_{n:05}.flac"
                soundfile.write(arguments.folder / name, np.clip(clip.samples, -1, 1), SAMPLE_RATE_HZ)
                table.writerow([name, clip.text, speaker])
                seconds, n = seconds + len(clip.samples) / SAMPLE_RATE_HZ, n + 1


if __name__ == "__main__":
    main()
