"""Decides which clips go through the model together. Pure: lengths in, indices out."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray


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
