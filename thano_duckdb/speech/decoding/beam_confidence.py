"""How likely the words of the beam search are right: a calibration of what the search and the network know.

The network alone is sure of words that are wrong, most of all in voices that it has never heard, and a language model
makes these words real ones. Three things together tell: the share of the hypotheses' probability that has the word at
this time, how sure the network is of the labels of the word, and how well the whole text fits the frames. Their weights
were fitted once by logistic regression, on speech that the small model was not trained on: the voices of the tutorial,
which it knows, and readers whom it does not (docs/decoding.md has the figures).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from .beam_columns import BLANK
from .beam_library import Beam

MAX_BEAMS = 32
"""Hypotheses that count; the others are too unlikely to change a probability."""
_CONSTANT, _POSTERIOR, _LABELS, _TEXT = 1.77, 0.24, 2.98, 7.68
_MIN_POSTERIOR = 1e-3


def word_confidences(beams: Sequence[Beam], log_probs: NDArray[np.float32]) -> NDArray[np.float64]:  # (words,)
    """The probability of each word of the best hypothesis to be right.

    Args:
        beams: the hypotheses, the best first.
        log_probs: of the columns, shape (frames, columns).
    """
    best = beams[0]
    posteriors = np.clip(_posteriors(beams[:MAX_BEAMS]), _MIN_POSTERIOR, 1 - _MIN_POSTERIOR)
    likeliest = log_probs.max(axis=1)
    is_label = log_probs.argmax(axis=1) != BLANK
    sums = np.concatenate([[0.0], np.cumsum(likeliest * is_label, dtype=np.float64)])
    counts = np.concatenate([[0], np.cumsum(is_label)])
    starts, stops = np.array(best.frames, np.intp).reshape(-1, 2).T
    labels = (sums[stops] - sums[starts]) / np.maximum(1, counts[stops] - counts[starts])
    text = best.log_prob / len(log_probs)
    evidence = _CONSTANT + _POSTERIOR * np.log(posteriors / (1 - posteriors)) + _LABELS * labels + _TEXT * text
    return 1 / (1 + np.exp(-evidence))  # type: ignore[no-any-return]


def _posteriors(beams: Sequence[Beam]) -> NDArray[np.float64]:  # (words,)
    """The share of the hypotheses' probability that has each word of the best one at an overlapping time."""
    scores = np.array([beam.score for beam in beams])
    weights = np.exp(scores - scores.max())
    weights /= weights.sum()
    words = beams[0].text.split()
    shares = np.zeros(len(beams[0].frames))
    for beam, weight in zip(beams, weights.tolist(), strict=True):
        frames_of: dict[str, list[tuple[int, int]]] = {}
        for word, frames in zip(beam.text.split(), beam.frames, strict=True):
            frames_of.setdefault(word, []).append(frames)
        for number, (start, stop) in enumerate(beams[0].frames):
            if any(first < stop and start < last for first, last in frames_of.get(words[number], ())):
                shares[number] += weight
    return shares
