"""`thano_normalize`, `thano_word_errors`, `thano_char_errors`: the functions over text, which need no model."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence

import pyarrow as pa

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


def _normalize(texts: pa.ChunkedArray) -> pa.Array:
    return normalize(texts.combine_chunks())


def _errors(
    count: Callable[[Sequence[str | None], Sequence[str | None]], list[EditCounts | None]],
) -> Callable[[pa.ChunkedArray, pa.ChunkedArray], pa.Array]:
    def body(references: pa.ChunkedArray, hypotheses: pa.ChunkedArray) -> pa.Array:
        counts = count(references.to_pylist(), hypotheses.to_pylist())
        return pa.array([None if one is None else dataclasses.asdict(one) for one in counts], type=EDIT_COUNTS)

    return body


_PAIR = (arguments.text("the reference"), arguments.text("the hypothesis"))

FUNCTIONS = (
    Function("thano_normalize", _normalize, pa.string(), (arguments.text("the argument of thano_normalize"),)),
    Function("thano_word_errors", _errors(metrics.word_errors), EDIT_COUNTS, _PAIR),
    Function("thano_char_errors", _errors(metrics.character_errors), EDIT_COUNTS, _PAIR),
)
