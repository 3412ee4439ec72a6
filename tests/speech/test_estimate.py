"""The intervals hold the truth about 19 times out of 20, and never contradict what was looked at."""

from __future__ import annotations

import random

import pytest

from thano_duckdb.speech.estimate import Estimate, count_of_all, exactly, total_of_all


def share_of_hits(estimates: list[tuple[Estimate, float]]) -> float:
    hits = [(each.low or 0) <= truth <= (each.high or 0) for each, truth in estimates]
    return sum(hits) / len(hits)


@pytest.mark.parametrize("n_sampled", [30, 200, 900])
def test_the_interval_of_a_total_holds_the_truth(n_sampled: int) -> None:
    chance = random.Random(1)
    durations_s = [chance.expovariate(0.2) + 1 for _ in range(1000)]
    estimates = [total_of_all(chance.sample(durations_s, n_sampled), 1000) for _ in range(400)]
    assert share_of_hits([(each, sum(durations_s)) for each in estimates]) > 0.92
    widths = [(each.high or 0) - (each.low or 0) for each in estimates]
    assert max(widths) < 1.5 * sum(durations_s) / n_sampled**0.5 * 4  # no wider than it has to be


@pytest.mark.parametrize("n_broken", [0, 5, 300])
def test_the_interval_of_a_count_holds_the_truth(n_broken: int) -> None:
    chance = random.Random(1)
    clips = [True] * n_broken + [False] * (1000 - n_broken)
    estimates = [count_of_all(sum(chance.sample(clips, 200)), 200, 1000) for _ in range(400)]
    assert share_of_hits([(each, n_broken) for each in estimates]) > 0.92


def test_what_was_looked_at_as_a_whole_is_exact() -> None:
    assert total_of_all([1.5, 2.5], 2) == exactly(4.0)
    assert count_of_all(1, 2, 2) == exactly(1)
    assert total_of_all([], 0) == exactly(0.0)


def test_an_interval_never_contradicts_the_sample() -> None:
    found = count_of_all(7, 10, 12)
    assert found.low is not None
    assert found.low >= 7
    assert found.high is not None
    assert found.high <= 9
    total = total_of_all([100.0, 0.1, 0.1], 4)
    assert total.low is not None
    assert total.low >= 100.2


def test_nothing_is_said_of_what_nobody_looked_at() -> None:
    assert total_of_all([], 5) == count_of_all(0, 0, 5) == Estimate(None, None, None)
    assert total_of_all([2.0], 5) == Estimate(10.0, 2.0, None)


def test_another_unit_keeps_what_is_unknown() -> None:
    assert Estimate(10.0, 2.0, None).times(0.5) == Estimate(5.0, 1.0, None)
