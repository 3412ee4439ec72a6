"""Decides which clips go through the model together. Pure: lengths in, indices out."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from .windows import SAMPLE_RATE_HZ

MIN_STREAM_SAMPLES = 6 * SAMPLE_RATE_HZ
"""Batches are not made smaller than this for more of them to run at a time: each has a cost of its own."""


def plan_batches(
    n_samples: Sequence[int] | NDArray[np.int64], *, max_clips: int | None, max_batch_samples: int
) -> list[list[int]]:
    """Batches of clips of similar length, so that little of a batch is padding.

    The cost of a batch is the work it causes: the number of its clips times the length of the longest.

    Args:
        n_samples: length of each clip.
        max_clips: the most clips in a batch; None for no such limit.
        max_batch_samples: the highest cost of a batch; a longer clip becomes a batch of its own.

    Returns:
        Indices into `n_samples`, each exactly once, the longest clips first (so that a device with too little memory
        fails at once).
    """
    batches: list[list[int]] = []
    longest = 0
    for index in np.argsort(-np.asarray(n_samples, np.int64), kind="stable").tolist():
        batch = batches[-1] if batches else []
        fits = (len(batch) + 1) * longest <= max_batch_samples and (max_clips is None or len(batch) < max_clips)
        if batch and fits:
            batch.append(index)
        else:
            batches.append([index])
            longest = int(n_samples[index])
    return batches


def evenly_shared(n_samples: Sequence[int], *, max_batch_samples: int, n_streams: int) -> int:
    """The highest cost of a batch with which several streams of batches end at about the same time.

    Args:
        n_samples: length of each clip.
        max_batch_samples: see `plan_batches`.
        n_streams: batches that are computed at a time.

    Returns:
        At most `max_batch_samples`.
    """
    total, longest = sum(n_samples), max(n_samples, default=0)
    if n_streams == 1 or not total:
        return max_batch_samples
    n_batches = n_streams * math.ceil(total / (n_streams * max_batch_samples))
    n_batches = min(n_batches, max(1, total // MIN_STREAM_SAMPLES))
    # Half a clip more, because the last clip of a batch rarely fits exactly.
    return min(max_batch_samples, math.ceil(total / n_batches) + longest // 2)
