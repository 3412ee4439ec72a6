"""Scores the hypotheses of a model: error rates pooled over utterances, with a confidence interval."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from .metrics import WordUnit, character_errors, error_rate, word_errors

N_RESAMPLES = 1_000
INTERVAL = (2.5, 97.5)
"""The percentiles of a 95 % confidence interval."""
SEED = 0


@dataclass(frozen=True)
class ScoredUtterance:
    """The reference and the hypothesis of an utterance.

    Attributes:
        reference: the correct transcript; an utterance without one is skipped.
        hypothesis: the recognised text; None if the clip failed, which is counted but enters no error rate.
        duration_s: duration of the clip; None if unknown.
    """

    reference: str | None
    hypothesis: str | None
    duration_s: float | None


def scores(
    utterances: Sequence[ScoredUtterance],
    *,
    interval: bool,
    unit: WordUnit = "mixed",
    ignore_spaces: bool = False,
    locale: str | None = None,
) -> dict[str, float | None]:
    """The metrics of EVALUATE, in the order in which they are shown.

    Args:
        utterances: the utterances to score together.
        interval: whether to add a 95 % confidence interval of the word error rate, by bootstrap over utterances (Bisani
            and Ney, "Bootstrap estimates for confidence intervals in ASR performance evaluation", ICASSP 2004).
        unit: what counts as a word, see `word_errors`.
        ignore_spaces: whether spaces do not count as characters, see `character_errors`.
        locale: see `normalize`.

    Returns:
        wer, cer, ser (share of utterances with at least one word error), substitutions, deletions, insertions, words
        (of the references), clips (that were scored), failed, and audio_hours (of the scored clips). A rate is None if
        its denominator is 0.
    """
    with_reference = [utterance for utterance in utterances if utterance.reference is not None]
    scored = [utterance for utterance in with_reference if utterance.hypothesis is not None]
    references = [utterance.reference for utterance in scored]
    hypotheses = [utterance.hypothesis for utterance in scored]
    of_words = word_errors(references, hypotheses, unit=unit, locale=locale)
    words = [counts for counts in of_words if counts is not None]
    characters = character_errors(references, hypotheses, ignore_spaces=ignore_spaces, locale=locale)
    errors = np.array([counts.errors for counts in words], np.int64)
    lengths = np.array([counts.length for counts in words], np.int64)
    audio_s = sum(utterance.duration_s or 0.0 for utterance in scored)
    low, high = _bootstrap(errors, lengths) if interval else (None, None)
    metrics: dict[str, float | None] = {"wer": error_rate(words)}
    if interval:
        metrics |= {"wer_low": low, "wer_high": high}
    metrics |= {
        "cer": error_rate(characters),
        "ser": float(np.count_nonzero(errors) / len(errors)) if len(errors) else None,
        "substitutions": sum(counts.substitutions for counts in words),
        "deletions": sum(counts.deletions for counts in words),
        "insertions": sum(counts.insertions for counts in words),
        "words": int(lengths.sum()),
        "clips": len(scored),
        "failed": len(with_reference) - len(scored),
        "audio_hours": audio_s / 3600,
    }
    return metrics


def _bootstrap(errors: NDArray[np.int64], lengths: NDArray[np.int64]) -> tuple[float | None, float | None]:
    """The `INTERVAL` of the pooled error rate over resamples of the utterances, drawn with replacement."""
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
