"""Transcripts beside players, aligned with their references, the worst first."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import pyarrow as pa

from thano_duckdb.audio.failure import AudioFailure
from thano_duckdb.audio.limits import ReadLimits
from thano_duckdb.connection.relation import limits_of
from thano_duckdb.errors import ThanoError
from thano_duckdb.speech.metrics import EditCounts, character_errors, error_rate, word_errors
from thano_duckdb.speech.scripts import units

from .columns import Columns, find, without_rows
from .differences import HypothesisWord, Step, align
from .page import Page, count, render
from .players import NO_ROOM, Player, players
from .tables import access_of_result, as_table, audio_values, shown, values_at


@dataclass(frozen=True)
class TranscriptRow:
    """A clip of the page.

    Attributes:
        player: None if there is none.
        no_player: why there is none.
        failure: why there is no transcript; None if there is one.
        steps: the words, aligned with the reference.
        counts: errors against the reference; None without one.
        confidence: of the whole transcript.
        reference: the reference, None without one.
        others: names and values of the other columns.
    """

    player: Player | None
    no_player: str | None
    failure: str | None
    steps: tuple[Step, ...]
    counts: EditCounts | None
    confidence: float | None
    reference: str | None
    others: tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class Totals:
    """The figures of all clips, including those that the page does not show.

    Attributes:
        n_clips: number of rows.
        n_failed: number of rows without a transcript.
        wer: word errors over words of the references, pooled; None without references.
        cer: likewise for characters.
        words: the word errors behind `wer`; None without references.
        confidence: mean over the clips that have one.
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
    """The page of `thano_duckdb.show`."""
    if max_rows < 1:
        raise ThanoError(f"max_rows must be 1 or more, not {max_rows}")
    access, limits = access_of_result(result), limits_of(result)
    table = as_table(result)
    if not table.num_columns and not len(result):
        table = without_rows(audio=audio, hypothesis=hypothesis, reference=reference)
    columns = find(table, audio=audio, hypothesis=hypothesis, reference=reference)
    hypotheses: list[str | None] = columns.hypothesis.to_pylist()
    n_rows = len(hypotheses)
    references: list[str | None] = [None] * n_rows if columns.reference is None else columns.reference.to_pylist()
    counts = word_errors(references, hypotheses)
    confidences = _confidences(columns, n_rows)
    totals = _totals(references, hypotheses, counts, confidences)
    ranks = list(map(_rank, hypotheses, counts, confidences))
    worst = sorted(range(n_rows), key=ranks.__getitem__)[:max_rows]
    return render(
        "transcripts.html",
        _one_line(totals),
        totals=totals,
        rows=_rows(
            columns,
            worst,
            counts,
            confidences,
            may_read=access.allows if access else _everything,
            limits=access.limited(limits) if access else limits,
        ),
        n_hidden=n_rows - len(worst),
        has_reference=columns.reference is not None,
        has_words=columns.words is not None,
        has_confidence=columns.confidence is not None,
    )


def _everything(_: str) -> bool:
    return True


def _rank(hypothesis: str | None, counts: EditCounts | None, confidence: float | None) -> tuple[int, float, float]:
    """Failures come first, then clips by WER from high to low, then those without a reference, least sure first."""
    known_confidence = 2.0 if confidence is None else confidence
    if hypothesis is None:
        return (0, 0, 0)
    if counts is None:
        return (2, 0, known_confidence)
    rate = counts.errors / counts.length if counts.length else math.inf * counts.errors if counts.errors else 0.0
    return (1, -rate, known_confidence)


def _confidences(columns: Columns, n_rows: int) -> list[float | None]:
    if columns.confidence is None:
        return [None] * n_rows
    values = columns.confidence.cast(pa.float64()).to_pylist()
    return [None if value is None or math.isnan(value) else value for value in values]


def _totals(
    references: Sequence[str | None],
    hypotheses: Sequence[str | None],
    counts: Sequence[EditCounts | None],
    confidences: Sequence[float | None],
) -> Totals:
    present = [each for each in counts if each is not None]
    known = [each for each in confidences if each is not None]
    return Totals(
        n_clips=len(hypotheses),
        n_failed=sum(text is None for text in hypotheses),
        wer=error_rate(present),
        cer=error_rate(character_errors(references, hypotheses)),
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


def _one_line(totals: Totals) -> str:
    parts = [count(totals.n_clips, "clip")]
    if totals.wer is not None and totals.cer is not None:
        parts += [f"WER {totals.wer:.1%}", f"CER {totals.cer:.1%}"]
    if totals.n_failed:
        parts.append(f"{totals.n_failed:,} failed")
    return ", ".join(parts)


def _rows(
    columns: Columns,
    row_indices: Sequence[int],
    counts: Sequence[EditCounts | None],
    confidences: Sequence[float | None],
    *,
    may_read: Callable[[str], bool],
    limits: ReadLimits,
) -> list[TranscriptRow]:
    def taken(column: pa.ChunkedArray | None) -> list[Any]:
        return [None] * len(row_indices) if column is None else values_at(column, row_indices)

    audio = audio_values(columns.audio, columns.audio_name, row_indices)
    names = [columns.audio_name, *(name for name, _ in columns.others)]
    shown_columns = [[shown(value) for value in values] for values in (audio, *(taken(c) for _, c in columns.others))]
    return list(
        map(
            _row,
            players(audio, may_read=may_read, limits=limits, channels=taken(columns.channel)),
            taken(columns.hypothesis),
            taken(columns.reference),
            taken(columns.words),
            taken(columns.error),
            [counts[at] for at in row_indices],
            [confidences[at] for at in row_indices],
            [tuple(zip(names, cells, strict=True)) for cells in zip(*shown_columns, strict=True)],
        )
    )


def _row(
    found: Player | AudioFailure | None,
    hypothesis: str | None,
    reference: str | None,
    words: list[dict[str, Any]] | None,
    error: str | None,
    counts: EditCounts | None,
    confidence: float | None,
    others: tuple[tuple[str, str], ...],
) -> TranscriptRow:
    no_player = found.reason if isinstance(found, AudioFailure) else None
    failure = None
    if hypothesis is None:
        failure = error or (no_player if found is not NO_ROOM else None) or "There is no transcript (NULL)."
    return TranscriptRow(
        player=found if isinstance(found, Player) else None,
        no_player=None if no_player == failure else no_player,
        failure=failure,
        steps=() if hypothesis is None else tuple(align(reference, _hypothesis_words(hypothesis, words))),
        counts=counts,
        confidence=confidence,
        reference=reference,
        others=others,
    )


def _hypothesis_words(text: str, words: list[dict[str, Any]] | None) -> list[HypothesisWord]:
    """The words of a transcript, with their confidence if the column `words` belongs to this text."""
    if words is not None and [word["word"] for word in words] in (text.split(), units(text)):
        return [HypothesisWord(word["word"], word.get("start"), word.get("end"), word["confidence"]) for word in words]
    return [HypothesisWord(word) for word in text.split()]
