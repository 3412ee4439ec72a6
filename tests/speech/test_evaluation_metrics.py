"""The metrics of EVALUATE are those of jiwer, and its interval agrees with the normal approximation."""

from __future__ import annotations

import jiwer
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from thano_duckdb.speech.evaluation_metrics import ScoredUtterance, scores

WORDS = st.lists(st.sampled_from(["one", "two", "three", "four"]), max_size=6).map(" ".join)


@given(st.lists(st.tuples(WORDS.filter(bool), WORDS), min_size=1, max_size=8))
def test_rates_and_counts_are_those_of_jiwer(pairs: list[tuple[str, str]]) -> None:
    references, hypotheses = [pair[0] for pair in pairs], [pair[1] for pair in pairs]
    metrics = scores([ScoredUtterance(*pair, 1.5) for pair in pairs], interval=False)
    words = jiwer.process_words(references, hypotheses)
    assert metrics["wer"] == words.wer
    assert metrics["cer"] == jiwer.cer(references, hypotheses)
    assert metrics["substitutions"] == words.substitutions
    assert metrics["deletions"] == words.deletions
    assert metrics["insertions"] == words.insertions
    assert metrics["words"] == words.hits + words.substitutions + words.deletions
    assert metrics["ser"] == sum(a.split() != b.split() for a, b in pairs) / len(pairs)
    assert metrics["clips"] == len(pairs)
    assert metrics["audio_hours"] == pytest.approx(len(pairs) * 1.5 / 3600)


def test_failed_clips_enter_no_rate_and_rows_without_reference_are_skipped() -> None:
    rows = [
        ScoredUtterance("one two", "one too", 2.0),
        ScoredUtterance("lost", None, None),
        ScoredUtterance(None, "three", 1.0),
    ]
    metrics = scores(rows, interval=False)
    assert (metrics["wer"], metrics["clips"], metrics["failed"], metrics["words"]) == (0.5, 1, 1, 2)
    assert "speed" not in metrics


def test_without_utterances_the_rates_are_null() -> None:
    metrics = scores([], interval=True)
    assert [metrics[name] for name in ("wer", "wer_low", "wer_high", "cer", "ser")] == [None] * 5
    assert metrics["clips"] == 0


def test_the_interval_holds_the_rate_and_narrows_with_more_utterances() -> None:
    random = np.random.default_rng(1)

    def width(n_utterances: int) -> float:
        rows = [ScoredUtterance("yes", "yes" if right else "no", 1.0) for right in random.random(n_utterances) < 0.7]
        metrics = scores(rows, interval=True)
        low, rate, high = metrics["wer_low"], metrics["wer"], metrics["wer_high"]
        assert low is not None
        assert rate is not None
        assert high is not None
        assert low <= rate <= high
        return high - low

    wide, narrow = width(100), width(10_000)
    assert wide == pytest.approx(2 * 1.96 * (0.3 * 0.7 / 100) ** 0.5, rel=0.25)  # the normal approximation
    assert narrow == pytest.approx(wide / 10, rel=0.3)
