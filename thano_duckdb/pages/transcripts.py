"""Transcripts beside players: what was said, what was heard, the worst first."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import pyarrow as pa

from thano_duckdb.audio.failure import AudioFailure
from thano_duckdb.errors import ThanoError
from thano_duckdb.speech.metrics import EditCounts, character_errors, error_rate, word_errors

from .columns import Columns, find
from .differences import Heard, Step, align
from .page import Page, count, render
from .players import NO_ROOM, Player, players
from .tables import as_table, audio_values, reads_files, shown, values_at


@dataclass(frozen=True)
class Row:
    """A clip of the page.

    Attributes:
        player: None where there is none.
        no_player: why there is none.
        failure: why nothing was transcribed; None where it was.
        steps: the words.
        counts: errors against the reference; None without one.
        confidence: of the whole transcript.
        said: the reference, for a clip that failed.
        others: names and values of the other columns.
    """

    player: Player | None
    no_player: str | None
    failure: str | None
    steps: tuple[Step, ...]
    counts: EditCounts | None
    confidence: float | None
    said: str | None
    others: tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class Summary:
    """The figures of all clips, whether the page shows them or not.

    Attributes:
        n_clips: rows.
        n_failed: rows without a transcript.
        wer: word errors over words of the references, pooled; None without references.
        cer: likewise for characters.
        words: the word errors behind `wer`; None without references.
        confidence: mean of the clips that have one.
    """

    n_clips: int
    n_failed: int
    wer: float | None
    cer: float | None
    words: EditCounts | None
    confidence: float | None


def transcripts_page(
    result: Any, *, reference: str | None, hypothesis: str | None, audio: str | None, max_rows: int
) -> Page:
    """See `thano_duckdb.show`."""
    if max_rows < 1:
        raise ThanoError(f"max_rows must be 1 or more, not {max_rows}")
    allow_external = reads_files(result)
    table = as_table(result)
    columns = find(table, audio=audio, hypothesis=hypothesis, reference=reference)
    heard: list[str | None] = columns.hypothesis.to_pylist()
    said: list[str | None] = [None] * len(heard) if columns.reference is None else columns.reference.to_pylist()
    counts = word_errors(said, heard)
    confidences = _confidences(columns, len(heard))
    summary = _summary(said, heard, counts, confidences)
    ranks = [_rank(text, errors, sure) for text, errors, sure in zip(heard, counts, confidences, strict=True)]
    worst = sorted(range(len(heard)), key=ranks.__getitem__)[:max_rows]
    return render(
        "transcripts.html",
        _one_line(summary),
        figures=summary,
        rows=_rows(columns, worst, counts, confidences, allow_external=allow_external),
        n_hidden=len(heard) - len(worst),
        has_reference=columns.reference is not None,
        has_words=columns.words is not None,
        has_confidence=columns.confidence is not None,
    )


def _rank(heard: str | None, counts: EditCounts | None, confidence: float | None) -> tuple[int, float, float]:
    """Failures first, then by WER from high to low, then what has no reference by confidence from low to high."""
    sure = 2.0 if confidence is None else confidence
    if heard is None:
        return (0, 0, 0)
    if counts is None:
        return (2, 0, sure)
    rate = counts.errors / counts.length if counts.length else math.inf * counts.errors if counts.errors else 0.0
    return (1, -rate, sure)


def _confidences(columns: Columns, n_rows: int) -> list[float | None]:
    if columns.confidence is None:
        return [None] * n_rows
    values = columns.confidence.cast(pa.float64()).to_pylist()
    return [None if value is None or math.isnan(value) else value for value in values]


def _summary(
    said: Sequence[str | None],
    heard: Sequence[str | None],
    counts: Sequence[EditCounts | None],
    confidences: Sequence[float | None],
) -> Summary:
    present = [each for each in counts if each is not None]
    known = [each for each in confidences if each is not None]
    return Summary(
        n_clips=len(heard),
        n_failed=sum(text is None for text in heard),
        wer=error_rate(present),
        cer=error_rate(character_errors(said, heard)),
        words=_total(present) if present else None,
        confidence=sum(known) / len(known) if known else None,
    )


def _total(counts: Sequence[EditCounts]) -> EditCounts:
    return EditCounts(
        sum(each.substitutions for each in counts),
        sum(each.deletions for each in counts),
        sum(each.insertions for each in counts),
        sum(each.hits for each in counts),
        sum(each.length for each in counts),
    )


def _one_line(summary: Summary) -> str:
    parts = [count(summary.n_clips, "clip")]
    if summary.wer is not None and summary.cer is not None:
        parts += [f"WER {summary.wer:.1%}", f"CER {summary.cer:.1%}"]
    if summary.n_failed:
        parts.append(f"{summary.n_failed:,} failed")
    return ", ".join(parts)


def _rows(
    columns: Columns,
    places: Sequence[int],
    counts: Sequence[EditCounts | None],
    confidences: Sequence[float | None],
    *,
    allow_external: bool,
) -> list[Row]:
    def taken(column: pa.ChunkedArray | None) -> list[Any]:
        return [None] * len(places) if column is None else values_at(column, places)

    audio = audio_values(columns.audio, columns.audio_name, places)
    names = [columns.audio_name, *(name for name, _ in columns.others)]
    shown_columns = [[shown(value) for value in values] for values in (audio, *(taken(c) for _, c in columns.others))]
    return [
        _row(found, heard, said, words, error, counts[place], confidences[place], tuple(zip(names, cells, strict=True)))
        for place, found, heard, said, words, error, cells in zip(
            places,
            players(audio, allow_external=allow_external),
            taken(columns.hypothesis),
            taken(columns.reference),
            taken(columns.words),
            taken(columns.error),
            zip(*shown_columns, strict=True),
            strict=True,
        )
    ]


def _row(
    found: Player | AudioFailure | None,
    heard: str | None,
    said: str | None,
    words: list[dict[str, Any]] | None,
    error: str | None,
    counts: EditCounts | None,
    confidence: float | None,
    others: tuple[tuple[str, str], ...],
) -> Row:
    no_player = found.reason if isinstance(found, AudioFailure) else None
    failure = None
    if heard is None:
        failure = error or (no_player if found is not NO_ROOM else None) or "There is no transcript (NULL)."
    return Row(
        player=found if isinstance(found, Player) else None,
        no_player=None if no_player == failure else no_player,
        failure=failure,
        steps=() if heard is None else tuple(align(said, _heard(heard, words))),
        counts=counts,
        confidence=confidence,
        said=said,
        others=others,
    )


def _heard(text: str, words: list[dict[str, Any]] | None) -> list[Heard]:
    """The words with their confidence, where the column `words` is about this text."""
    if words is not None and [word["word"] for word in words] == text.split():
        return [Heard(word["word"], word.get("start"), word.get("end"), word["confidence"]) for word in words]
    return [Heard(word) for word in text.split()]
