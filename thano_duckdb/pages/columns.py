"""Which columns of a result are the audio, what was heard and what was said."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import pyarrow as pa
import pyarrow.compute as pc

from thano_duckdb.errors import ThanoError, did_you_mean

from .tables import is_blob, is_text

AUDIO = ("audio_path", "audio")
HYPOTHESIS = ("predicted", "predict_result")
REFERENCE = ("text", "reference", "transcript")

_Fits = Callable[[pa.DataType], bool]


@dataclass(frozen=True)
class Columns:
    """The columns of a result by their part, None where there is none; `others` are the rest, by name."""

    audio_name: str
    audio: pa.ChunkedArray
    hypothesis: pa.ChunkedArray
    reference: pa.ChunkedArray | None
    words: pa.ChunkedArray | None
    confidence: pa.ChunkedArray | None
    error: pa.ChunkedArray | None
    others: tuple[tuple[str, pa.ChunkedArray], ...]


def find(table: pa.Table, *, audio: str | None, hypothesis: str | None, reference: str | None) -> Columns:
    """Find the columns by the names that are given, else by the usual ones, in any case of letters.

    Raises:
        ThanoError: a column is missing, or of a type that cannot be it; the text says which there are.
    """
    heard = _place(table, hypothesis, HYPOTHESIS, _is_heard, "hypothesis", frozenset())
    if heard is None:
        heard = _first(table, _is_transcript)
    if heard is None:
        raise _missing(table, "what was heard", (*HYPOTHESIS, "the struct of thano_transcribe"), "hypothesis")
    sound = _place(table, audio, AUDIO, _is_audio, "audio", frozenset({heard}))
    if sound is None:
        sound = _first(table, is_blob)
    if sound is None:
        raise _missing(table, "the audio", (*AUDIO, "a BLOB"), "audio")
    used = {heard, sound}
    said = _place(table, reference, REFERENCE, is_text, "reference", frozenset(used))
    used |= {said} if said is not None else set()

    transcript = table.column(heard)
    fields: dict[str, pa.ChunkedArray] = {"text": transcript}
    if _is_transcript(transcript.type):
        fields = {field.name: pc.struct_field(transcript, field.name) for field in transcript.type}
    for name, fits in (("words", _is_words), ("confidence", _is_number), ("error", is_text)):
        place = _place(table, None, (name,), fits, name, frozenset(used))
        if name not in fields and place is not None:
            fields[name] = table.column(place)
            used.add(place)
    return Columns(
        audio_name=table.column_names[sound],
        audio=table.column(sound),
        hypothesis=fields["text"],
        reference=None if said is None else table.column(said),
        words=fields.get("words"),
        confidence=fields.get("confidence"),
        error=fields.get("error"),
        others=tuple((name, table.column(at)) for at, name in enumerate(table.column_names) if at not in used),
    )


def _place(
    table: pa.Table, given: str | None, usual: tuple[str, ...], fits: _Fits, keyword: str, used: frozenset[int]
) -> int | None:
    """The place of the column that is `given`, or of the first of the `usual` names that fits and is not `used`."""
    folded = [name.casefold() for name in table.column_names]
    if given is not None:
        if given.casefold() not in folded:
            hint = did_you_mean(given, table.column_names)
            raise ThanoError(f"there is no column '{given}' ({keyword}=).{hint} There are: {_listed(table)}")
        place = folded.index(given.casefold())
        if not fits(kind := table.column(place).type):
            raise ThanoError(f"the column '{given}' cannot be {keyword}=: it holds {kind}")
        return place
    for name in usual:
        for place, present in enumerate(folded):
            if present == name and place not in used and fits(table.column(place).type):
                return place
    return None


def _first(table: pa.Table, fits: _Fits) -> int | None:
    return next((at for at, column in enumerate(table.columns) if fits(column.type)), None)


def _missing(table: pa.Table, what: str, usual: tuple[str, ...], keyword: str) -> ThanoError:
    return ThanoError(
        f"no column holds {what} (looked for {', '.join(usual)}); there are: {_listed(table)}. "
        f"Name it: show(result, {keyword}='..')"
    )


def _listed(table: pa.Table) -> str:
    return ", ".join(table.column_names) or "none"


def _is_audio(kind: pa.DataType) -> bool:
    return is_text(kind) or is_blob(kind) or bool(pa.types.is_null(kind))


def _is_heard(kind: pa.DataType) -> bool:
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
