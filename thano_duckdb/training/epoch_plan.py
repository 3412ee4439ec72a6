"""Decides which clips form the batches of each epoch, and in which order. Pure and seeded, hence reproducible."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from thano_duckdb.speech.batching import plan_batches

LENGTH_JITTER = 0.1
"""Lengths are varied by this share before clips are sorted, so that a clip shares its batch with others each epoch."""


class EpochPlan:
    """The batches of each epoch: clips of similar length together, in random order.

    All epochs have the same number of batches, of the same sizes, so the number of steps is known in advance.
    """

    def __init__(
        self,
        n_samples: Sequence[int] | NDArray[np.int64],
        *,
        max_clips: int | None,
        max_batch_samples: int,
        seed: int,
    ) -> None:
        """Plan batches for clips of these lengths, with the limits of `plan_batches`."""
        self._log_lengths = np.log(np.asarray(n_samples, dtype=np.float64))
        self._seed = seed
        batches = plan_batches(n_samples, max_clips=max_clips, max_batch_samples=max_batch_samples)
        self._bounds = np.cumsum([len(batch) for batch in batches])[:-1]
        self.n_batches = len(batches)

    def batches(self, epoch: int) -> list[list[int]]:
        """The batches of an epoch as indices of clips; each clip occurs exactly once."""
        random = np.random.default_rng([self._seed, epoch])
        jitter = random.uniform(-LENGTH_JITTER, LENGTH_JITTER, len(self._log_lengths))
        order = np.argsort(-(self._log_lengths + jitter), kind="stable")
        batches = np.split(order, self._bounds)
        return [batches[index].tolist() for index in random.permutation(self.n_batches)]
