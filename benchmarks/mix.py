"""Clips of 1 to 30 s, as users have them, made by joining short ones; the same in every run."""

from __future__ import annotations

import random
from pathlib import Path

import numpy as np
import soundfile as sf

from benchmarks.clip_sets import ClipSet

SHORTEST_S = 1.0
LONGEST_S = 30.0
RATE_HZ = 16_000


def spread_s(n_clips: int) -> list[float]:
    """Durations spread evenly on a logarithmic scale: half of the clips are shorter than 5.5 s; the mean is 8.5 s."""
    return [SHORTEST_S * (LONGEST_S / SHORTEST_S) ** ((index + 0.5) / n_clips) for index in range(n_clips)]


def make_mix(source: ClipSet, folder: Path, n_clips: int, *, seed: int = 0) -> ClipSet:
    """Join whole clips of `source`, in random order, into FLAC files in `folder`, whose durations are shuffled.

    Each file is as long as whole clips allow without exceeding its duration in `spread_s`.
    """
    folder.mkdir(parents=True)
    generator = random.Random(seed)
    lengths_s = spread_s(n_clips)
    generator.shuffle(lengths_s)
    by_length = sorted(range(len(source.paths)), key=lambda row: source.durations_s[row])
    paths, texts = [], []
    for number, length_s in enumerate(lengths_s):
        rows = by_length[:1] if length_s < source.durations_s[by_length[0]] else []
        while fitting := [row for row in by_length if source.durations_s[row] <= length_s]:
            rows.append(generator.choice(fitting))
            length_s -= source.durations_s[rows[-1]]
        paths.append(str(folder / f"{number:05}.flac"))
        sf.write(paths[-1], np.concatenate([_samples(source.paths[row]) for row in rows]), RATE_HZ)
        texts.append("" if source.texts is None else " ".join(source.texts[row] for row in rows))
    return ClipSet("mix of 1 to 30 s", paths, None if source.texts is None else texts)


def _samples(path: str) -> np.ndarray:
    samples, rate_hz = sf.read(path, dtype="int16")
    if rate_hz != RATE_HZ:
        raise ValueError(f"{path} has {rate_hz} Hz, not {RATE_HZ}")
    return samples
