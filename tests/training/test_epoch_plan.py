"""The batches of an epoch: every clip once, similar lengths together, the same when asked again."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from thano_duckdb.training.epoch_plan import LENGTH_JITTER, EpochPlan

LENGTHS = st.lists(st.integers(400, 500_000), min_size=1, max_size=60)


@given(LENGTHS, st.integers(1, 9), st.integers(0, 5))
def test_every_clip_is_in_one_batch_of_every_epoch(lengths: list[int], max_clips: int, epoch: int) -> None:
    plan = EpochPlan(lengths, max_clips=max_clips, max_batch_samples=600_000, seed=1)
    batches = plan.batches(epoch)
    assert sorted(index for batch in batches for index in batch) == list(range(len(lengths)))
    assert len(batches) == plan.n_batches
    assert all(0 < len(batch) <= max_clips for batch in batches)
    assert batches == EpochPlan(lengths, max_clips=max_clips, max_batch_samples=600_000, seed=1).batches(epoch)


@given(LENGTHS)
def test_a_batch_of_several_clips_costs_little_more_than_the_limit(lengths: list[int]) -> None:
    plan = EpochPlan(lengths, max_clips=None, max_batch_samples=600_000, seed=1)
    for batch in plan.batches(3):
        if len(batch) > 1:
            cost = len(batch) * max(lengths[index] for index in batch)
            assert cost <= 600_000 * np.exp(2 * LENGTH_JITTER) + 1


def test_epochs_differ_in_the_order_and_the_composition_of_their_batches() -> None:
    lengths = np.random.default_rng(0).integers(10_000, 20_000, 64).tolist()
    plan = EpochPlan(lengths, max_clips=4, max_batch_samples=10**9, seed=1)
    first, second = plan.batches(0), plan.batches(1)
    assert first != second
    assert {frozenset(batch) for batch in first} != {frozenset(batch) for batch in second}


def test_clips_of_similar_length_share_a_batch() -> None:
    lengths = np.random.default_rng(0).integers(10_000, 200_000, 512).tolist()
    plan = EpochPlan(lengths, max_clips=8, max_batch_samples=10**9, seed=1)
    padded = sum(len(batch) * max(lengths[index] for index in batch) for batch in plan.batches(0))
    assert sum(lengths) / padded > 0.85
