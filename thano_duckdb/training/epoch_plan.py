"""Which clips are trained together, in which order. Pure and seeded, so that any epoch can be made again."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from thano_duckdb.speech.batching import plan_batches

LENGTH_JITTER = 0.1
"""Clips whose lengths differ by less than about this share may be in one batch: other neighbours in every epoch."""


class EpochPlan:
    """The batches of every epoch: clips of like length together, batches in random order.

    Every epoch has as many batches, of the same sizes, so that the number of steps is known before the first.
    """

    def __init__(self, n_samples: Sequence[int], *, max_clips: int | None, max_batch_samples: int, seed: int) -> None:
        """Plan for clips of these lengths; the limits are those of `plan_batches`."""
        self._log_lengths = np.log(np.asarray(n_samples, dtype=np.float64))
        self._seed = seed
        batches = plan_batches(n_samples, max_clips=max_clips, max_batch_samples=max_batch_samples)
        self._bounds = np.cumsum([len(batch) for batch in batches])[:-1]
        self.n_batches = len(batches)

    def batches(self, epoch: int) -> list[list[int]]:
        """The batches of an epoch, as indices of clips, each clip exactly once."""
        random = np.random.default_rng([self._seed, epoch])
        jitter = random.uniform(-LENGTH_JITTER, LENGTH_JITTER, len(self._log_lengths))
        order = np.argsort(-(self._log_lengths + jitter), kind="stable")
        batches = np.split(order, self._bounds)
        return [batches[index].tolist() for index in random.permutation(self.n_batches)]
