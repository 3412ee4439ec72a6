"""The alignment is the best of all paths that spell the labels."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from thano_duckdb.speech.decoding.alignment import align

from .beam_oracle import random_log_probs


@pytest.mark.parametrize("seed", range(20))
def test_it_is_the_best_path_of_all(seed: int) -> None:
    rng = np.random.default_rng(seed)
    n_frames, labels = int(rng.integers(3, 8)), rng.integers(1, 3, int(rng.integers(1, 4))).tolist()
    log_probs = random_log_probs(rng, n_frames, 3, 3.0)

    def likelihood(path: tuple[int, ...]) -> float:
        return float(sum(row[label] for row, label in zip(log_probs, path, strict=True)))

    paths = [
        path
        for path in itertools.product(range(3), repeat=n_frames)
        if [label for label, _ in itertools.groupby(path) if label] == labels
    ]
    found = align(log_probs.astype(np.float32), labels)
    if not paths:
        assert found is None
        return
    best = max(paths, key=likelihood)
    runs = [(label, [frame for frame, _ in run]) for label, run in itertools.groupby(enumerate(best), lambda at: at[1])]
    assert found == [(frames[0], frames[-1] + 1) for label, frames in runs if label]


def test_too_few_frames_have_no_path() -> None:
    log_probs = np.full((2, 3), -1.0, np.float32)
    assert align(log_probs, [1, 2]) == [(0, 1), (1, 2)]
    assert align(log_probs, [1, 1]) is None
    assert align(log_probs, [1, 2, 1]) is None
