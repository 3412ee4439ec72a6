"""`thano_normalize`, `thano_word_errors`, `thano_char_errors`: the functions over text, which need no model."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import pyarrow as pa

from thano_duckdb.option import StatementKind
from thano_duckdb.options import find_option
from thano_duckdb.speech import metrics
from thano_duckdb.speech.metrics import EditCounts
from thano_duckdb.speech.normalize import normalize

from . import arguments
from .arrow import Function

EDIT_COUNTS = pa.struct(
    [
        pa.field("substitutions", pa.int64()),
        pa.field("deletions", pa.int64()),
        pa.field("insertions", pa.int64()),
        pa.field("hits", pa.int64()),
        pa.field("length", pa.int64()),
    ]
)


def _normalize(texts: pa.ChunkedArray, locales: pa.ChunkedArray) -> pa.Array:
    def body(rows: pa.Table, **how: Any) -> list[str | None]:
        normalized: list[str | None] = normalize(rows["text"].combine_chunks(), **how).to_pylist()
        return normalized

    return _by_options(body, pa.string(), {"text": texts}, {"locale": locales})


def _word_errors(
    references: pa.ChunkedArray, hypotheses: pa.ChunkedArray, units: pa.ChunkedArray, locales: pa.ChunkedArray
) -> pa.Array:
    return _errors(metrics.word_errors, references, hypotheses, {"unit": units, "locale": locales})


def _character_errors(
    references: pa.ChunkedArray, hypotheses: pa.ChunkedArray, ignores_spaces: pa.ChunkedArray, locales: pa.ChunkedArray
) -> pa.Array:
    how = {"ignore_spaces": ignores_spaces, "locale": locales}
    return _errors(metrics.character_errors, references, hypotheses, how)


def _errors(
    count: Callable[..., list[EditCounts | None]],
    references: pa.ChunkedArray,
    hypotheses: pa.ChunkedArray,
    options: Mapping[str, pa.ChunkedArray],
) -> pa.Array:
    def body(rows: pa.Table, **how: Any) -> list[dict[str, int] | None]:
        counts = count(rows["reference"].to_pylist(), rows["hypothesis"].to_pylist(), **how)
        return [None if one is None else dataclasses.asdict(one) for one in counts]

    return _by_options(body, EDIT_COUNTS, {"reference": references, "hypothesis": hypotheses}, options)


def _by_options(
    body: Callable[..., Sequence[Any]],
    returns: pa.DataType,
    columns: Mapping[str, pa.ChunkedArray],
    options: Mapping[str, pa.ChunkedArray],
) -> pa.Array:
    """What `body` makes of the rows, called once for each combination of options, nearly always for one.

    Raises:
        ThanoError: an option is not one of EVALUATE's values; NULL means its default.
    """
    rows = pa.table(dict(columns))
    of_rows = list(zip(*(values.to_pylist() for values in options.values()), strict=True))
    results: list[Any] = [None] * len(of_rows)
    for combination in dict.fromkeys(of_rows):
        given = {
            name: find_option(StatementKind.EVALUATE, name).accept(value)
            for name, value in zip(options, combination, strict=True)
            if value is not None
        }
        numbers = [number for number, each in enumerate(of_rows) if each == combination]
        for number, result in zip(numbers, body(rows.take(numbers), **given), strict=True):
            results[number] = result
    return pa.array(results, returns)


def _any(column: pa.ChunkedArray) -> pa.ChunkedArray:
    return column


_PAIR = (arguments.text("the reference"), arguments.text("the hypothesis"))
_UNIT, _LOCALE = arguments.text("the unit"), arguments.text("the locale")

FUNCTIONS = (
    Function("thano_normalize", _normalize, pa.string(), (arguments.text("the argument of thano_normalize"), _LOCALE)),
    Function("thano_word_errors", _word_errors, EDIT_COUNTS, (*_PAIR, _UNIT, _LOCALE)),
    Function("thano_char_errors", _character_errors, EDIT_COUNTS, (*_PAIR, _any, _LOCALE)),
)
