"""Transcripts as the rows of a table."""

from __future__ import annotations

import json
from typing import Any, NamedTuple

from thano_duckdb.audio.mixed_clips import MixProblem
from thano_duckdb.speech.transcript import Alternative, FoundHotword, Transcript, Words


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


def from_row(
    text: str,
    confidence: float | None,
    duration_s: float | None,
    words_utf8: bytes | None,
    words: bytes | None,
    more: str | None,
) -> Transcript:
    """The transcript of some columns.

    Raises:
        ValueError, KeyError, TypeError: they are not those of a transcript.
    """
    packed = None if words is None or words_utf8 is None else Words(words_utf8, words)
    if more is None:
        return Transcript(text, confidence, duration_s, packed, None)
    extra = json.loads(more)
    alternatives, hotwords, problem = extra.get("alternatives"), extra.get("hotwords"), extra.get("mix_problem")
    return Transcript(
        text,
        confidence,
        duration_s,
        packed,
        None,
        None if alternatives is None else tuple(Alternative(*each) for each in alternatives),
        None if hotwords is None else tuple(FoundHotword(*each) for each in hotwords),
        None if problem is None else MixProblem[problem],
    )
