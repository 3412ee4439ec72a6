"""The result of the engine for one clip."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from thano_duckdb.audio.mixed_clips import MixProblem

WORD_RECORD = np.dtype([("n_bytes", "i4"), ("start_s", "f8"), ("end_s", "f8"), ("confidence", "f8")])
"""A word in `Words.records`; `n_bytes` is its length in `Words.utf8`."""


@dataclass(frozen=True)
class Word:
    """A word, its time in the recording, and the model's confidence in it (0 to 1)."""

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

    @classmethod
    def of(cls, words: Sequence[str], times_s: NDArray[np.float64], confidences: Sequence[float]) -> Words:
        """The words of a clip, with their first and last times, shape (words, 2), and their confidences."""
        utf8 = [word.encode() for word in words]
        records = np.empty(len(utf8), WORD_RECORD)
        records["n_bytes"] = [len(word) for word in utf8]
        records["start_s"], records["end_s"] = times_s.T
        records["confidence"] = confidences
        return cls(b"".join(utf8), records.tobytes())

    def shifted(self, by_s: float) -> Words:
        """The same words `by_s` seconds later."""
        records = np.frombuffer(self.records, WORD_RECORD).copy()
        records["start_s"] += by_s
        records["end_s"] += by_s
        return Words(self.utf8, records.tobytes())

    def __len__(self) -> int:
        return len(self.records) // WORD_RECORD.itemsize

    def __iter__(self) -> Iterator[Word]:
        start = 0
        for n_bytes, start_s, end_s, confidence in np.frombuffer(self.records, WORD_RECORD).tolist():
            yield Word(self.utf8[start : start + n_bytes].decode(), start_s, end_s, confidence)
            start += n_bytes


@dataclass(frozen=True, slots=True)
class Alternative:
    """A text that a clip may also have, and its score: a natural logarithm, of the decoder's own scale."""

    text: str
    score: float


@dataclass(frozen=True, slots=True)
class FoundHotword:
    """A hotword in the text of a clip with its time, or one that cannot be found.

    Attributes:
        hotword: as the user gave it.
        start_s, end_s: its time in the recording; None if there is a problem.
        problem: why it has no effect, as part of a sentence; else None.
    """

    hotword: str
    start_s: float | None
    end_s: float | None
    problem: str | None

    def shifted(self, by_s: float) -> FoundHotword:
        """The same `by_s` seconds later."""
        if self.start_s is None or self.end_s is None:
            return self
        return replace(self, start_s=self.start_s + by_s, end_s=self.end_s + by_s)


class Transcript(NamedTuple):
    """The text of a clip, or the reason why there is none.

    Attributes:
        text: the words with the delimiter of the vocabulary between them, or with nothing where letters are words;
            empty if there is no speech; None if the clip failed.
        confidence: how sure the decoder is of the text, 0 to 1 (see `decoding.greedy` and `decoding.beam_confidence`).
        duration_s: length of the original clip, of a part that of the part; None if unknown.
        words: the words of `text`, in order. Their times are those of the whole recording, so that the words of its
            parts can be merged.
        error: one sentence; None if the clip was transcribed.
        alternatives: the best texts, this one first; None where they were not asked for.
        hotwords: those that were found, and those that cannot be; None where none were given.
        mix_problem: why the channels of the clip should not have been mixed; None where that is fine.
    """

    text: str | None
    confidence: float | None
    duration_s: float | None
    words: Words | None
    error: str | None
    alternatives: tuple[Alternative, ...] | None = None
    hotwords: tuple[FoundHotword, ...] | None = None
    mix_problem: MixProblem | None = None

    def shifted(self, by_s: float) -> Transcript:
        """The same with all times `by_s` seconds later."""
        hotwords = self.hotwords and tuple(each.shifted(by_s) for each in self.hotwords)
        return self._replace(words=self.words and self.words.shifted(by_s), hotwords=hotwords)

    @classmethod
    def failed(cls, reason: str, duration_s: float | None = None) -> Transcript:
        """The transcript of a clip that failed, so that its text is NULL."""
        return cls(None, None, duration_s, None, reason)
