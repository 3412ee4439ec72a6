"""The result of the engine for one clip."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

WORD_RECORD = np.dtype([("n_bytes", "i4"), ("start_s", "f8"), ("end_s", "f8"), ("confidence", "f8")])
"""A word in `Words.records`; `n_bytes` is its length in `Words.utf8`."""


@dataclass(frozen=True)
class Word:
    """A word, its time in the clip, and the model's confidence in it (0 to 1)."""

    word: str
    start_s: float
    end_s: float
    confidence: float


@dataclass(frozen=True, slots=True)
class Words:
    """The words of a clip in as few bytes as possible, since a cache keeps hundreds of thousands of transcripts.

    Attributes:
        utf8: the words one after the other, with nothing in between.
        records: a `WORD_RECORD` for each word.
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
    """The text of a clip, or the reason why there is none.

    Attributes:
        text: the words with the delimiter of the vocabulary between them; empty if there is no speech; None if the clip
            failed.
        confidence: geometric mean of the model's probabilities for this text (see `decoding.greedy`).
        duration_s: length of the original clip; None if unknown.
        words: the words of `text`, in order.
        error: one sentence; None if the clip was transcribed.
    """

    text: str | None
    confidence: float | None
    duration_s: float | None
    words: Words | None
    error: str | None

    @classmethod
    def failed(cls, reason: str, duration_s: float | None = None) -> Transcript:
        """The transcript of a clip that failed, so that its text is NULL."""
        return cls(None, None, duration_s, None, reason)
