"""Find the columns of a result that hold the audio, the hypotheses and the references."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import pyarrow as pa
import pyarrow.compute as pc

from thano_duckdb.errors import NEAR_COLUMN, ThanoError, did_you_mean
from thano_duckdb.functions.arguments import is_blob
from thano_duckdb.functions.audio_column import is_audio_struct

from .tables import is_audio, is_text

AUDIO = ("audio_path", "audio")
HYPOTHESIS = ("predicted", "predict_result")
REFERENCE = ("text", "reference", "transcript")
CHANNEL = "channel"

_Fits = Callable[[pa.DataType], bool]


@dataclass(frozen=True)
class Columns:
    """The columns of a result by their role, None if there is no such column; `others` are the rest, by name.

    `channel`, which a player needs and a reader too, is in both.
    """

    audio_name: str
    audio: pa.ChunkedArray
    hypothesis: pa.ChunkedArray
    reference: pa.ChunkedArray | None
    words: pa.ChunkedArray | None
    confidence: pa.ChunkedArray | None
    error: pa.ChunkedArray | None
    channel: pa.ChunkedArray | None
    others: tuple[tuple[str, pa.ChunkedArray], ...]


def find(table: pa.Table, *, audio: str | None, hypothesis: str | None, reference: str | None) -> Columns:
    """Find the columns by the names that are given, or else by the usual names, case-insensitively.

    Raises:
        ThanoError: a column is missing, or has a type that does not fit; the message lists the columns that exist.
    """
    hypothesis_at = _position(table, hypothesis, HYPOTHESIS, _is_hypothesis, "hypothesis", frozenset())
    if hypothesis_at is None:
        hypothesis_at = _first(table, _is_transcript)
    if hypothesis_at is None:
        raise _missing(table, "transcripts", (*HYPOTHESIS, "the struct of thano_transcribe"), "hypothesis")
    audio_at = _position(table, audio, AUDIO, is_audio, "audio", frozenset({hypothesis_at}))
    if audio_at is None:
        audio_at = _first(table, lambda kind: is_blob(kind) or is_audio_struct(kind))
    if audio_at is None:
        raise _missing(table, "audio", (*AUDIO, "a BLOB", "a STRUCT of audio"), "audio")
    used = {hypothesis_at, audio_at}
    reference_at = _position(table, reference, REFERENCE, is_text, "reference", frozenset(used))
    used |= {reference_at} if reference_at is not None else set()

    transcript = table.column(hypothesis_at)
    fields: dict[str, pa.ChunkedArray] = {"text": transcript}
    if _is_transcript(transcript.type):
        fields = {field.name: pc.struct_field(transcript, field.name) for field in transcript.type}
    for name, fits in (("words", _is_words), ("confidence", _is_number), ("error", is_text)):
        position = _position(table, None, (name,), fits, name, frozenset(used))
        if name not in fields and position is not None:
            fields[name] = table.column(position)
            used.add(position)
    channel_at = _position(table, None, (CHANNEL,), pa.types.is_integer, CHANNEL, frozenset(used))
    return Columns(
        audio_name=table.column_names[audio_at],
        audio=table.column(audio_at),
        hypothesis=fields["text"],
        reference=None if reference_at is None else table.column(reference_at),
        words=fields.get("words"),
        confidence=fields.get("confidence"),
        error=fields.get("error"),
        channel=None if channel_at is None else table.column(channel_at),
        others=tuple((name, table.column(at)) for at, name in enumerate(table.column_names) if at not in used),
    )


def without_rows(*, audio: str | None, hypothesis: str | None, reference: str | None) -> pa.Table:
    """The table of an empty list or data frame, which has no columns: those that `find` looks for, without rows."""
    names = audio or AUDIO[0], hypothesis or HYPOTHESIS[0], reference or REFERENCE[0]
    return pa.table({name: pa.array([], pa.string()) for name in names})


def _position(
    table: pa.Table, given: str | None, usual: tuple[str, ...], fits: _Fits, keyword: str, used: frozenset[int]
) -> int | None:
    """The index of the column `given`, or of the first column that has one of the `usual` names, fits, and is free."""
    folded = [name.casefold() for name in table.column_names]
    if given is not None:
        if given.casefold() not in folded:
            hint = did_you_mean(given, table.column_names, nearness=NEAR_COLUMN)
            raise ThanoError(f"there is no column '{given}' ({keyword}=).{hint} The columns are: {_listed(table)}")
        at = folded.index(given.casefold())
        if not fits(kind := table.column(at).type):
            raise ThanoError(f"the column '{given}' cannot be {keyword}=: its type is {kind}")
        return at
    for name in usual:
        for at, present in enumerate(folded):
            if present == name and at not in used and fits(table.column(at).type):
                return at
    return None


def _first(table: pa.Table, fits: _Fits) -> int | None:
    return next((at for at, column in enumerate(table.columns) if fits(column.type)), None)


def _missing(table: pa.Table, what: str, usual: tuple[str, ...], keyword: str) -> ThanoError:
    folded = {name.casefold(): at for at, name in reversed(list(enumerate(table.column_names)))}
    if (at := next((folded[name] for name in usual if name in folded), None)) is not None:
        problem = f"the column '{table.column_names[at]}' holds {table.column(at).type}, not {what}"
        return ThanoError(f"{problem}; name another: show(result, {keyword}='..')")
    return ThanoError(
        f"no column holds {what} (looked for {', '.join(usual)}); the columns are: {_listed(table)}. "
        f"Name it: show(result, {keyword}='..')"
    )


def _listed(table: pa.Table) -> str:
    return ", ".join(table.column_names) or "none"


def _is_hypothesis(kind: pa.DataType) -> bool:
    return is_text(kind) or _is_transcript(kind) or bool(pa.types.is_null(kind))


def _is_transcript(kind: pa.DataType) -> bool:
    """Whether it is the struct of thano_transcribe."""
    return bool(pa.types.is_struct(kind)) and {"text", "error"} <= {field.name for field in kind}


def _is_words(kind: pa.DataType) -> bool:
    if not (pa.types.is_list(kind) or pa.types.is_large_list(kind)):
        return False
    item = kind.value_type
    return bool(pa.types.is_struct(item)) and {"word", "confidence"} <= {field.name for field in item}


def _is_number(kind: pa.DataType) -> bool:
    return bool(pa.types.is_floating(kind) or pa.types.is_integer(kind) or pa.types.is_decimal(kind))
