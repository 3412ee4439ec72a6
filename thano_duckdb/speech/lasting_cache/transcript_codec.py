"""Transcripts as the rows of a table.

A row may be damaged, or written by somebody else: whatever is read is checked before it becomes a transcript.
"""

from __future__ import annotations

import json
import struct
import zlib
from collections.abc import Callable
from typing import Any, NamedTuple, TypeVar

import numpy as np

from thano_duckdb.audio.mixed_clips import MixProblem
from thano_duckdb.speech.transcript import WORD_RECORD, Alternative, FoundHotword, Transcript, Words

_Each = TypeVar("_Each")
_NAN = float("nan")
_HEAD = struct.Struct("<dd?4i")


class TranscriptRow(NamedTuple):
    """The columns of a transcript.

    Attributes:
        text, confidence, duration_s: see `Transcript`.
        words_utf8, words: see `Words`.
        more: JSON of what few transcripts have, or None.
    """

    text: str
    confidence: float | None
    duration_s: float | None
    words_utf8: bytes | None
    words: bytes | None
    more: str | None


def to_row(transcript: Transcript) -> TranscriptRow:
    """The columns of a transcript, which is no failure."""
    words = transcript.words
    more: dict[str, Any] = {}
    if transcript.alternatives is not None:
        more["alternatives"] = [(each.text, each.score) for each in transcript.alternatives]
    if transcript.hotwords is not None:
        more["hotwords"] = [(each.hotword, each.start_s, each.end_s, each.problem) for each in transcript.hotwords]
    if transcript.mix_problem is not None:
        more["mix_problem"] = transcript.mix_problem.name
    return TranscriptRow(
        transcript.text or "",
        transcript.confidence,
        transcript.duration_s,
        None if words is None else words.utf8,
        None if words is None else words.records,
        json.dumps(more, ensure_ascii=False) if more else None,
    )


def checksum(row: TranscriptRow, *keys: bytes) -> int:
    """A number that differs if a byte of a row, or of the keys that it is found by, has changed; 32 bits.

    Raises:
        ValueError: a column has another type than a transcript's.
    """
    text, confidence, duration_s, words_utf8, words, more = row
    try:
        text_utf8, more_utf8 = text.encode("utf-8", "surrogatepass"), b"" if more is None else more.encode()
        utf8, records = words_utf8 or b"", words or b""
        # Zero: -0.0 is read as 0.0. Lengths: a byte does not move from one part to the next unseen.
        head = _HEAD.pack(
            _NAN if confidence is None else confidence + 0.0,
            _NAN if duration_s is None else duration_s + 0.0,
            words is None,
            len(text_utf8),
            len(utf8),
            len(records),
            len(more_utf8),
        )
        return zlib.crc32(b"".join((head, *keys, text_utf8, utf8, records, more_utf8)))
    except (AttributeError, TypeError, struct.error) as error:
        raise ValueError(f"a row is not a transcript: {error}") from error


def from_row(row: TranscriptRow) -> Transcript:
    """The transcript of some columns.

    Raises:
        ValueError: they are not those of a transcript.
    """
    _check(isinstance(row.text, str) and _is_number(row.confidence) and _is_number(row.duration_s))
    return _transcript(row, None if row.words is None else _words(row.words_utf8, row.words))


def from_trusted_row(row: TranscriptRow) -> Transcript:
    """The transcript of some columns that are as they were written: their checksum is right.

    Raises:
        ValueError: they are of another version of this package.
    """
    return _transcript(row, None if row.words is None else Words(row.words_utf8 or b"", row.words))


def _transcript(row: TranscriptRow, words: Words | None) -> Transcript:
    if row.more is None:
        return Transcript(row.text, row.confidence, row.duration_s, words, None)
    try:
        extra = json.loads(row.more)
        problem = extra.get("mix_problem")
        return Transcript(
            row.text,
            row.confidence,
            row.duration_s,
            words,
            None,
            _tuple(extra.get("alternatives"), _alternative),
            _tuple(extra.get("hotwords"), _hotword),
            None if problem is None else MixProblem[problem],
        )
    except (KeyError, TypeError, AttributeError) as error:  # of JSON with another content
        raise ValueError(f"a row is not a transcript: {error}") from error


def _words(utf8: bytes | None, records: bytes) -> Words:
    """Words, whose lengths and letters Arrow takes for granted."""
    _check(isinstance(utf8, bytes) and isinstance(records, bytes))
    assert utf8 is not None, "it is bytes"
    n_bytes = np.frombuffer(records, WORD_RECORD)["n_bytes"]
    ends = np.cumsum(n_bytes, dtype=np.int64)
    _check(len(utf8) == (ends[-1] if len(ends) else 0) and (not len(ends) or n_bytes.min() >= 0))
    if not utf8.isascii():
        utf8.decode()
        starts = ends[ends < len(utf8)]
        _check(not np.any(np.frombuffer(utf8, np.uint8)[starts] >> 6 == 0b10))  # within a letter
    return Words(utf8, records)


def _alternative(text: Any, score: Any) -> Alternative:
    _check(isinstance(text, str) and isinstance(score, float))
    return Alternative(text, score)


def _hotword(hotword: Any, start_s: Any, end_s: Any, problem: Any) -> FoundHotword:
    _check(isinstance(hotword, str) and _is_number(start_s) and _is_number(end_s))
    _check(problem is None or isinstance(problem, str))
    return FoundHotword(hotword, start_s, end_s, problem)


def _tuple(values: Any, make: Callable[..., _Each]) -> tuple[_Each, ...] | None:
    return None if values is None else tuple(make(*each) for each in values)


def _is_number(value: object) -> bool:
    return value is None or isinstance(value, float)


def _check(is_right: object) -> None:
    if not is_right:
        raise ValueError("a row is not a transcript")
