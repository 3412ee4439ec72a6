"""Greedy CTC decoding (Graves et al. 2006): collapse repeats, then drop blanks.

Our own, because Hugging Face's `skip_special_tokens=True` drops blanks before it collapses, and `HELLO` becomes `HELO`.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from thano_duckdb.speech.transcript import Word
from thano_duckdb.speech.windows import SAMPLE_RATE_HZ


@dataclass(frozen=True)
class Vocabulary:
    """What each output of the model stands for.

    Attributes:
        tokens: text of each id; None for what is never written (the blank, `<s>`, `</s>`, `<unk>`).
        delimiter_ids: the ids that end a word; empty where the language is written without spaces.
        delimiter: what is written between two words.
    """

    tokens: tuple[str | None, ...]
    delimiter_ids: frozenset[int]
    delimiter: str = " "

    @cached_property
    def is_written(self) -> NDArray[np.bool_]:  # (vocab,)
        """Which ids are written as part of a word."""
        return np.array([token is not None for token in self.tokens]) & ~self.is_delimiter

    @cached_property
    def is_delimiter(self) -> NDArray[np.bool_]:  # (vocab,)
        """Which ids end a word."""
        return np.array([index in self.delimiter_ids for index in range(len(self.tokens))])


@dataclass(frozen=True)
class Hypothesis:
    """The text of a clip, how sure the model is of it (0 to 1), and its words."""

    text: str
    confidence: float
    words: tuple[Word, ...]


def greedy_decode(
    ids: NDArray[np.integer], log_probs: NDArray[np.float32], vocabulary: Vocabulary, *, stride: int
) -> Hypothesis:
    """The text of the best path.

    A word runs from its first frame to the end of its last. Its confidence is the geometric mean of the best
    probability over the frames on which its characters are written, that of the text the same over all its words; the
    frames of blanks and delimiters count only where there is no text: then over all frames. Spaces are single, and
    none stand at the ends.

    Args:
        ids: best id of each frame of the clip, at least one, shape (frames,).
        log_probs: natural logarithm of its probability, shape (frames,).
        vocabulary: what the ids stand for.
        stride: samples from a frame to the next.
    """
    starts = np.flatnonzero(np.diff(ids, prepend=-1))  # first frame of each run of one id
    stops = np.append(starts[1:], len(ids))
    run_ids = ids[starts]
    run_log_probs = np.add.reduceat(log_probs.astype(np.float64), starts)

    written = np.flatnonzero(vocabulary.is_written[run_ids])
    if not len(written):
        return Hypothesis("", _probability(float(run_log_probs.sum()), len(ids)), ())
    n_delimiters = np.cumsum(vocabulary.is_delimiter[run_ids])  # up to each run
    word_breaks = np.flatnonzero(np.diff(n_delimiters[written])) + 1

    words = []
    for runs in np.split(written, word_breaks):
        n_frames = int((stops[runs] - starts[runs]).sum())
        words.append(
            Word(
                word="".join(vocabulary.tokens[index] or "" for index in run_ids[runs]),
                start_s=float(starts[runs[0]] * stride / SAMPLE_RATE_HZ),
                end_s=float(stops[runs[-1]] * stride / SAMPLE_RATE_HZ),
                confidence=_probability(float(run_log_probs[runs].sum()), n_frames),
            )
        )
    return Hypothesis(
        text=vocabulary.delimiter.join(word.word for word in words),
        confidence=_probability(float(run_log_probs[written].sum()), int((stops[written] - starts[written]).sum())),
        words=tuple(words),
    )


def _probability(log_prob_sum: float, n_frames: int) -> float:
    # Rounding may leave a sum of logarithms a hair above zero.
    return min(1.0, math.exp(log_prob_sum / n_frames))
