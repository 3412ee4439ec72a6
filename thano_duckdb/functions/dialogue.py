"""`thano_turns(channel, words)`: the dialogue that the channels of a call make, an aggregate over their rows."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pyarrow as pa

from thano_duckdb.connection.session import Session
from thano_duckdb.errors import ThanoError
from thano_duckdb.speech import turns as speech_turns
from thano_duckdb.speech.transcript import Word

from . import arguments
from .arrow import Function, per_row

TURNS = pa.list_(
    pa.struct(
        [
            pa.field("turn", pa.int32()),
            pa.field("channel", pa.int32()),
            pa.field("start", pa.float64()),
            pa.field("end", pa.float64()),
            pa.field("text", pa.string()),
        ]
    )
)

_NO_WORDS = "thano_turns takes words with their times, such as PREDICT gives with OPTIONS (include='words')"


def turns(_session: Session, rows: list[dict[str, Any]] | None, pause_s: float | None) -> list[dict[str, Any]]:
    """The turns of one group of rows.

    Args:
        rows: STRUCT(channel, words) of each channel, words being those of `thano_transcribe`; NULL has none. NULL, as
            DuckDB's `list` gives it, for no rows.
        pause_s: see `speech.turns`; NULL for its default.

    Raises:
        ThanoError: the pause is negative, or the words have no times.
    """
    pause_s = speech_turns.PAUSE_S if pause_s is None else pause_s
    if not pause_s >= 0:
        raise ThanoError(f"the pause of thano_turns is a number of seconds from 0 on, not {pause_s:g}")
    channels = [(_channel(row["channel"]), [_word(word) for word in row["words"] or ()]) for row in rows or []]
    return [
        {"turn": number, "channel": turn.channel, "start": turn.start_s, "end": turn.end_s, "text": turn.text}
        for number, turn in enumerate(speech_turns.turns(channels, pause_s=pause_s), start=1)
    ]


def _channel(value: float | None) -> int | None:
    return None if value is None else int(value)


def _word(word: object) -> Word:
    match word:
        case {
            "word": str(text),
            "start": int() | float() | Decimal() as start,
            "end": int() | float() | Decimal() as end,
        }:
            return Word(text, float(start), float(end), 1.0)
    raise ThanoError(_NO_WORDS)


def _words(column: pa.ChunkedArray) -> pa.ChunkedArray:
    if not (pa.types.is_list(column.type) or pa.types.is_null(column.type)):
        raise ThanoError(_NO_WORDS)
    return column


FUNCTIONS = (
    Function(
        "_thano_turns",
        per_row(turns, TURNS),
        TURNS,
        (
            arguments.rows(channel=arguments.number("the channel"), words=_words),
            arguments.number("the pause"),
        ),
    ),
)
