"""How good the hypotheses of a model are: error rates pooled over utterances, with their uncertainty."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from .metrics import character_errors, error_rate, word_errors

N_RESAMPLES = 1_000
INTERVAL = (2.5, 97.5)
"""Percentiles: a 95 % interval."""
SEED = 0


@dataclass(frozen=True)
class ScoredUtterance:
    """An utterance to score.

    Attributes:
        reference: what was said; None excludes the utterance.
        hypothesis: what the model recognised; None where the clip could not be read: it counts as failed and is part
            of no error rate.
        duration_s: of the clip; None where unknown.
    """

    reference: str | None
    hypothesis: str | None
    duration_s: float | None


def scores(
    utterances: Sequence[ScoredUtterance], *, elapsed_s: float | None, interval: bool
) -> dict[str, float | None]:
    """The metrics of EVALUATE, in the order in which they are shown.

    Args:
        utterances: to judge together.
        elapsed_s: time that transcribing them took; None leaves the speed out.
        interval: also give a 95 % interval of the word error rate, by bootstrap over utterances (Bisani and Ney,
            "Bootstrap estimates for confidence intervals in ASR performance evaluation", ICASSP 2004).

    Returns:
        wer, cer, ser (share of utterances with any word error), substitutions, deletions, insertions and words (of the
        references), clips (judged), failed, audio_hours (of the judged), speed (over real time). Rates are None
        where there is nothing to divide by.
    """
    there = [each for each in utterances if each.reference is not None]
    judged = [each for each in there if each.hypothesis is not None]
    references, hypotheses = [each.reference for each in judged], [each.hypothesis for each in judged]
    words = [counts for counts in word_errors(references, hypotheses) if counts is not None]
    characters = [counts for counts in character_errors(references, hypotheses) if counts is not None]
    errors = np.array([counts.errors for counts in words], np.int64)
    lengths = np.array([counts.length for counts in words], np.int64)
    audio_s = sum(each.duration_s or 0.0 for each in judged)
    low, high = _bootstrap(errors, lengths) if interval else (None, None)
    found: dict[str, float | None] = {"wer": error_rate(words)}
    if interval:
        found |= {"wer_low": low, "wer_high": high}
    found |= {
        "cer": error_rate(characters),
        "ser": float(np.count_nonzero(errors) / len(errors)) if len(errors) else None,
        "substitutions": sum(counts.substitutions for counts in words),
        "deletions": sum(counts.deletions for counts in words),
        "insertions": sum(counts.insertions for counts in words),
        "words": int(lengths.sum()),
        "clips": len(judged),
        "failed": len(there) - len(judged),
        "audio_hours": audio_s / 3600,
    }
    if elapsed_s is not None:
        found["speed"] = audio_s / elapsed_s if elapsed_s > 0 else None
    return found


def _bootstrap(errors: NDArray[np.int64], lengths: NDArray[np.int64]) -> tuple[float | None, float | None]:
    """Percentiles of the pooled rate over utterances drawn with replacement, as many as there are."""
    if not lengths.any():
        return None, None
    random = np.random.default_rng(SEED)
    rates = []
    for _ in range(N_RESAMPLES):
        drawn = random.integers(0, len(lengths), len(lengths))
        if n_words := lengths[drawn].sum():
            rates.append(errors[drawn].sum() / n_words)
    low, high = np.percentile(rates, INTERVAL)
    return float(low), float(high)
