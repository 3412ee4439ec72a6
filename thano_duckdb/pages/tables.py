"""Anything that holds rows as an Arrow table, and its values as text for a page."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import duckdb
import pyarrow as pa

from thano_duckdb.connection.access import Access
from thano_duckdb.connection.relation import file_cursors_of
from thano_duckdb.errors import ThanoError
from thano_duckdb.functions.arguments import is_blob
from thano_duckdb.functions.audio_column import audio, is_audio_struct
from thano_duckdb.functions.clips import AudioValue

MAX_TEXT = 300
"""A page shows only this many characters of a longer value."""


def as_table(result: Any) -> pa.Table:
    """The rows of a relation, a data frame, an Arrow table, a JupySQL result or a list of dicts.

    Raises:
        ThanoError: it is something else, or Arrow cannot hold its values.
    """
    try:
        return _table(result)
    except (pa.ArrowException, TypeError, ValueError, OverflowError) as error:
        raise ThanoError(f"this {type(result).__name__} cannot be read as a table: {error}") from error


def _table(result: Any) -> pa.Table:
    if isinstance(result, pa.Table):
        return result
    if isinstance(result, list | tuple) and all(isinstance(row, dict) for row in result):
        names = list(dict.fromkeys(name for row in result for name in row))
        return pa.table({str(name): [row.get(name) for row in result] for name in names})
    if isinstance(result, duckdb.DuckDBPyRelation):
        return result.to_arrow_table()  # unlike a stream, it is read within the statement of the relation
    if hasattr(type(result), "DataFrame"):  # a result of JupySQL
        result = result.DataFrame()
    if hasattr(type(result), "__arrow_c_stream__"):
        return pa.table(result)
    raise ThanoError(
        f"this {type(result).__name__} holds no rows to show: give a relation (con.sql(..)), a data frame, an Arrow "
        "table, a result of %sql, or a list of dicts"
    )


def values_at(column: pa.ChunkedArray, row_indices: Sequence[int]) -> list[Any]:
    """The values of some rows, of any type: Arrow's `take` does not support the string views that polars gives."""
    return [column[at].as_py() for at in row_indices]


def audio_values(column: pa.ChunkedArray, name: str, row_indices: Sequence[int]) -> list[AudioValue]:
    """The audio of some rows, as `clips.clip_of` takes it.

    Raises:
        ThanoError: the column holds something else.
    """
    if not is_audio(column.type):
        raise ThanoError(f"the column '{name}' holds {column.type}, not audio: paths, URLs, or the contents of files")
    values: list[AudioValue] = audio(rows_at(column, row_indices)).to_pylist()
    return values


def rows_at(column: pa.ChunkedArray, row_indices: Sequence[int]) -> pa.ChunkedArray:
    """Some rows of a column of any type, as `values_at`."""
    chunks = [chunk for at in row_indices for chunk in column.slice(at, 1).chunks]
    return pa.chunked_array(chunks, column.type)


def is_audio(kind: pa.DataType) -> bool:
    """Whether a column of this type can hold audio."""
    return is_text(kind) or is_blob(kind) or bool(pa.types.is_null(kind)) or is_audio_struct(kind)


def is_text(kind: pa.DataType) -> bool:
    """Whether a column of this type holds text; an ENUM, or pandas' category, does too."""
    if pa.types.is_dictionary(kind):
        return is_text(kind.value_type)
    return bool(pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind))


def shown(value: object) -> str:
    """A value as a page shows it: long text is cut, and of bytes and long lists only the number is shown."""
    if value is None:
        return "NULL"
    text = f"{value:.6g}" if isinstance(value, float) else str(without_bulk(value))
    return text if len(text) <= MAX_TEXT else f"{text[:MAX_TEXT]}…"


def without_bulk(value: object) -> object:
    """A value with its bytes and long lists, wherever they are in it, replaced by how much they are."""
    match value:
        case bytes():
            return _Bulk(f"<{len(value):,} bytes>")
        case dict():
            return {name: without_bulk(field) for name, field in value.items()}
        case list() if len(value) > MAX_TEXT:
            return _Bulk(f"<{len(value):,} values>")
        case list():
            return [without_bulk(item) for item in value]
    return value


class _Bulk(str):
    """A description in place of a value; within a struct it has no quotes."""

    __slots__ = ()

    def __repr__(self) -> str:
        return str(self)


def access_of_result(result: Any) -> Access | None:
    """What the database of a relation may read; None for other results, which have no connection."""
    if not isinstance(result, duckdb.DuckDBPyRelation):
        return None

    def ask(sql: str) -> list[tuple[Any, ...]]:
        rows = result.limit(0).query("no_rows", sql)
        return rows.fetchall() if rows is not None else []

    return Access(ask, file_cursors_of(result))
