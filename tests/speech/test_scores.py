"""EVALUATE's figures against jiwer, and its intervals against what is known of binomials."""

from __future__ import annotations

import jiwer
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from thano_duckdb.speech.scores import ScoredUtterance, scores

WORDS = st.lists(st.sampled_from(["one", "two", "three", "four"]), max_size=6).map(" ".join)


@given(st.lists(st.tuples(WORDS.filter(bool), WORDS), min_size=1, max_size=8))
def test_rates_and_counts_are_jiwers(pairs: list[tuple[str, str]]) -> None:
    references, hypotheses = [pair[0] for pair in pairs], [pair[1] for pair in pairs]
    found = scores([ScoredUtterance(*pair, 1.5) for pair in pairs], elapsed_s=3.0, interval=False)
    words = jiwer.process_words(references, hypotheses)
    assert found["wer"] == words.wer
    assert found["cer"] == jiwer.cer(references, hypotheses)
    assert found["substitutions"] == words.substitutions
    assert found["deletions"] == words.deletions
    assert found["insertions"] == words.insertions
    assert found["words"] == words.hits + words.substitutions + words.deletions
    assert found["ser"] == sum(a.split() != b.split() for a, b in pairs) / len(pairs)
    assert found["clips"] == len(pairs)
    assert found["audio_hours"] == pytest.approx(len(pairs) * 1.5 / 3600)
    assert found["speed"] == pytest.approx(len(pairs) * 1.5 / 3)


def test_failed_clips_are_counted_and_in_no_rate_and_rows_without_reference_are_left_out() -> None:
    rows = [
        ScoredUtterance("one two", "one too", 2.0),
        ScoredUtterance("lost", None, None),
        ScoredUtterance(None, "heard", 1.0),
    ]
    found = scores(rows, elapsed_s=None, interval=False)
    assert (found["wer"], found["clips"], found["failed"], found["words"]) == (0.5, 1, 1, 2)
    assert "speed" not in found


def test_nothing_to_judge_gives_no_rate() -> None:
    found = scores([], elapsed_s=1.0, interval=True)
    assert [found[name] for name in ("wer", "wer_low", "wer_high", "cer", "ser")] == [None] * 5
    assert found["clips"] == 0


def test_the_interval_holds_the_rate_and_narrows_with_more_utterances() -> None:
    random = np.random.default_rng(1)

    def width(n_utterances: int) -> float:
        rows = [ScoredUtterance("yes", "yes" if right else "no", 1.0) for right in random.random(n_utterances) < 0.7]
        found = scores(rows, elapsed_s=None, interval=True)
        low, rate, high = found["wer_low"], found["wer"], found["wer_high"]
        assert low is not None
        assert rate is not None
        assert high is not None
        assert low <= rate <= high
        return high - low

    wide, narrow = width(100), width(10_000)
    assert wide == pytest.approx(2 * 1.96 * (0.3 * 0.7 / 100) ** 0.5, rel=0.25)  # the normal approximation
    assert narrow == pytest.approx(wide / 10, rel=0.3)
