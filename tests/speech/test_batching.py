"""Properties of batches for any lengths and limits."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from thano_duckdb.speech.batching import MIN_STREAM_SAMPLES, evenly_shared, plan_batches

lengths = st.lists(st.integers(1, 1_000), max_size=60)
limits = st.none() | st.integers(1, 8)


@given(lengths, limits, st.integers(1, 5_000))
def test_every_clip_is_in_one_batch_within_the_limits(
    n_samples: list[int], max_clips: int | None, max_batch_samples: int
) -> None:
    batches = plan_batches(n_samples, max_clips=max_clips, max_batch_samples=max_batch_samples)
    assert sorted(index for batch in batches for index in batch) == list(range(len(n_samples)))
    for batch in batches:
        cost = len(batch) * max(n_samples[index] for index in batch)
        assert cost <= max_batch_samples or len(batch) == 1
        assert max_clips is None or len(batch) <= max_clips


@given(lengths, limits, st.integers(1, 5_000))
def test_clips_are_batched_by_length_the_longest_first(
    n_samples: list[int], max_clips: int | None, max_batch_samples: int
) -> None:
    batches = plan_batches(n_samples, max_clips=max_clips, max_batch_samples=max_batch_samples)
    batched = [n_samples[index] for batch in batches for index in batch]
    assert batched == sorted(n_samples, reverse=True)


@given(st.lists(st.integers(1, 1_000), min_size=1, max_size=60), limits, st.integers(1, 5_000))
def test_each_batch_but_the_last_is_as_full_as_the_limits_allow(
    n_samples: list[int], max_clips: int | None, max_batch_samples: int
) -> None:
    batches = plan_batches(n_samples, max_clips=max_clips, max_batch_samples=max_batch_samples)
    for batch in batches[:-1]:
        one_more = len(batch) + 1
        is_full = max_clips is not None and one_more > max_clips
        assert is_full or one_more * n_samples[batch[0]] > max_batch_samples


@given(
    st.lists(st.integers(1, 30 * 16_000), min_size=1, max_size=60), st.integers(1, 8), st.integers(10_000, 24 * 16_000)
)
def test_batches_are_shared_evenly_without_becoming_larger_or_needlessly_small(
    n_samples: list[int], n_streams: int, max_batch_samples: int
) -> None:
    limit = evenly_shared(n_samples, max_batch_samples=max_batch_samples, n_streams=n_streams)
    assert min(max_batch_samples, MIN_STREAM_SAMPLES, sum(n_samples)) <= limit <= max_batch_samples
    if n_streams == 1:
        assert limit == max_batch_samples


def test_a_minute_of_equal_clips_becomes_a_batch_for_each_of_four_streams() -> None:
    n_samples = [3 * 16_000] * 20
    limit = evenly_shared(n_samples, max_batch_samples=24 * 16_000, n_streams=4)
    assert [len(batch) for batch in plan_batches(n_samples, max_clips=None, max_batch_samples=limit)] == [5, 5, 5, 5]
