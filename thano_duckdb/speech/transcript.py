"""What the engine gives for one clip."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

WORD_RECORD = np.dtype([("n_bytes", "i4"), ("start_s", "f8"), ("end_s", "f8"), ("confidence", "f8")])
"""A word in `Words.records`; `n_bytes` is its length in `Words.utf8`."""


@dataclass(frozen=True)
class Word:
    """A word, its place in the clip, and how sure the model is of it (0 to 1)."""

    word: str
    start_s: float
    end_s: float
    confidence: float


@dataclass(frozen=True, slots=True)
class Words:
    """The words of a clip in as few bytes as can be, since transcripts are kept by the hundred thousand.

    Attributes:
        utf8: their letters, one word after the other, with nothing between.
        records: a `WORD_RECORD` for each.
    """

    utf8: bytes
    records: bytes

    def __len__(self) -> int:
        return len(self.records) // WORD_RECORD.itemsize

    def __iter__(self) -> Iterator[Word]:
        start = 0
        for n_bytes, start_s, end_s, confidence in np.frombuffer(self.records, WORD_RECORD).tolist():
            yield Word(self.utf8[start : start + n_bytes].decode(), start_s, end_s, confidence)
            start += n_bytes


@dataclass(frozen=True, slots=True)
class Transcript:
    """The text of a clip, or, where there is none, the reason.

    Attributes:
        text: the words with spaces between; empty where nothing was said; None where the clip failed.
        confidence: geometric mean of the model's probabilities for what it wrote (see `decoding.greedy`).
        duration_s: length of the clip as it was recorded; None where it is not known.
        words: the words of `text`, in order.
        error: one sentence, None where the clip was transcribed.
    """

    text: str | None
    confidence: float | None
    duration_s: float | None
    words: Words | None
    error: str | None

    @classmethod
    def failed(cls, reason: str, duration_s: float | None = None) -> Transcript:
        """The transcript of a clip that gives NULL, for `reason`."""
        return cls(None, None, duration_s, None, reason)
