"""`thano_normalize`, `thano_word_errors`, `thano_char_errors`: the functions over text, which need no model."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence

import pyarrow as pa

from thano_duckdb.errors import ThanoError
from thano_duckdb.speech import metrics
from thano_duckdb.speech.metrics import EditCounts
from thano_duckdb.speech.normalize import normalize

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


def _strings(column: pa.ChunkedArray, what: str) -> pa.Array:
    if pa.types.is_null(column.type):
        return pa.nulls(len(column), pa.string())
    if not (pa.types.is_string(column.type) or pa.types.is_large_string(column.type)):
        raise ThanoError(f"{what} must be VARCHAR, not {column.type}")
    return pa.concat_arrays([chunk.cast(pa.string()) for chunk in column.chunks])


def _normalize(texts: pa.ChunkedArray) -> pa.Array:
    return normalize(_strings(texts, "the text"))


def _errors(
    count: Callable[[Sequence[str | None], Sequence[str | None]], list[EditCounts | None]],
) -> Callable[[pa.ChunkedArray, pa.ChunkedArray], pa.Array]:
    def body(references: pa.ChunkedArray, hypotheses: pa.ChunkedArray) -> pa.Array:
        counts = count(
            _strings(references, "the reference").to_pylist(), _strings(hypotheses, "the hypothesis").to_pylist()
        )
        return pa.array([None if one is None else dataclasses.asdict(one) for one in counts], type=EDIT_COUNTS)

    return body


FUNCTIONS = (
    Function("thano_normalize", _normalize, pa.string()),
    Function("thano_word_errors", _errors(metrics.word_errors), EDIT_COUNTS),
    Function("thano_char_errors", _errors(metrics.character_errors), EDIT_COUNTS),
)
