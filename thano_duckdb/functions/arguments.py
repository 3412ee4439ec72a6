"""Arguments of other types than a function takes: an ENUM, a number or a date where text is meant.

A body declares what each of its columns is (`Function.takes`) and gets text as `string` and contents of files as
`binary`. NULL stays NULL. The text of a value is DuckDB's: that of `CAST(value AS VARCHAR)`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import duckdb
import pyarrow as pa

from thano_duckdb.errors import AudioError, ThanoError

Argument = Callable[[pa.ChunkedArray], pa.ChunkedArray]
"""Makes a column what a body takes, or raises a `ThanoError`."""


def text(what: str, *, required: bool = False) -> Argument:
    """Text, or what can be written as text.

    Args:
        what: the argument's name for messages, such as `the model`.
        required: refuse NULL.
    """

    def convert(column: pa.ChunkedArray) -> pa.ChunkedArray:
        if required and column.null_count:
            raise ThanoError(f"{what} is NULL")
        return _strings(column, lambda kind: ThanoError(f"{what} must be text (VARCHAR), not {kind}"))

    return convert


def number(what: str) -> Argument:
    """A number of any type as `double`; `what` is its name for messages."""

    def convert(column: pa.ChunkedArray) -> pa.ChunkedArray:
        kind = column.type
        is_number = pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_decimal(kind)
        if not (is_number or pa.types.is_null(kind)):
            name = duckdb.from_arrow(pa.table({"value": column})).types[0]
            raise ThanoError(f"{what} must be a number (DOUBLE), not {name}")
        return column.cast(pa.float64())

    return convert


def options(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """Options as JSON text; a struct of them, and what is neither, is left to the body."""
    return column if pa.types.is_nested(column.type) else text("the options")(column)


def audio(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """Paths and URLs as `string`, contents of files as `binary`, NULL as either.

    A struct with `bytes` or `path`, as data sets of Hugging Face have it, stands for whichever its rows have.
    """
    kind = column.type
    if _is_blob(kind):
        return column.cast(pa.binary())
    if pa.types.is_struct(kind) and {"bytes", "path"}.intersection(kind.names):
        return _of_struct(column)
    return _strings(
        column, lambda of: AudioError(f"audio is a path or URL (VARCHAR) or the content of a file (BLOB), not {of}")
    )


def rows(optional: Mapping[str, Argument] | None = None, /, **fields: Argument) -> Argument:
    """A list of structs, with some of their fields converted, of which the `optional` ones may be missing."""
    converted = {**fields, **(optional or {})}

    def convert(column: pa.ChunkedArray) -> pa.ChunkedArray:
        if pa.types.is_null(column.type):
            return column
        if not (pa.types.is_list(column.type) and pa.types.is_struct(column.type.value_type)):
            raise ThanoError(f"the rows must be a LIST of STRUCTs, not {column.type}")
        if missing := [name for name in fields if name not in column.type.value_type.names]:
            raise ThanoError(f"the rows must have the fields {', '.join(fields)}; missing: {', '.join(missing)}")
        return pa.chunked_array([_with_fields(chunk, converted) for chunk in column.chunks])

    return convert


def _with_fields(lists: pa.Array, fields: dict[str, Argument]) -> pa.Array:
    if lists.offset:  # Arrow takes no mask for a slice
        lists = pa.concat_arrays([lists, lists.slice(0, 0)])
    structs = lists.values
    names = structs.type.names
    arrays = [structs.field(name) for name in names]
    converted = [
        _one_array(fields[name](pa.chunked_array([array]))) if name in fields else array
        for name, array in zip(names, arrays, strict=True)
    ]
    values = pa.StructArray.from_arrays(converted, names, mask=structs.is_null())
    return type(lists).from_arrays(lists.offsets, values, mask=lists.is_null())


def _of_struct(column: pa.ChunkedArray) -> pa.ChunkedArray:
    names = column.type.names
    contents, paths = (
        audio(pa.chunked_array([chunk.flatten()[names.index(name)] for chunk in column.chunks]))
        if name in names
        else pa.chunked_array([pa.nulls(len(column))])
        for name in ("bytes", "path")
    )
    if not pa.types.is_null(contents.type) and not _is_blob(contents.type):
        raise AudioError("the field 'bytes' of an audio struct is the content of a file (BLOB)")
    with_path_only = sum(
        path and not content
        for path, content in zip(paths.is_valid().to_pylist(), contents.is_valid().to_pylist(), strict=True)
    )
    if not with_path_only:
        return contents
    if contents.null_count < len(contents):
        raise AudioError("some audio structs have 'bytes' and others only a 'path': select one of the two fields")
    return paths


def _strings(column: pa.ChunkedArray, refusal: Callable[[str], ThanoError]) -> pa.ChunkedArray:
    kind = column.type
    if pa.types.is_string(kind):
        return column
    if pa.types.is_dictionary(kind):  # ENUM, pandas' category
        return _strings(column.cast(kind.value_type), refusal)
    if name := _name_of_no_text(kind):
        raise refusal(name)
    if (
        pa.types.is_null(kind)
        or pa.types.is_large_string(kind)
        or pa.types.is_string_view(kind)
        or pa.types.is_integer(kind)
    ):
        return column.cast(pa.string())
    # Arrow writes `1` for 1.0, and the microseconds of every time.
    with duckdb.connect() as connection:
        relation = connection.from_arrow(pa.table({"value": column})).select("CAST(value AS VARCHAR) AS value")
        return relation.to_arrow_table().column("value").cast(pa.string())


def _is_variant(kind: pa.DataType) -> bool:
    """Whether it is DuckDB's VARIANT, which arrives as what it is made of."""
    return (
        bool(pa.types.is_struct(kind))
        and kind.names == ["metadata", "value"]
        and all(_is_blob(field.type) for field in kind)
    )


_NOT_TEXT: tuple[tuple[Callable[[pa.DataType], bool], str], ...] = (
    (pa.types.is_list, "a LIST"),
    (pa.types.is_large_list, "a LIST"),
    (pa.types.is_fixed_size_list, "an ARRAY"),
    (pa.types.is_map, "a MAP"),
    (_is_variant, "a VARIANT"),
    (pa.types.is_struct, "a STRUCT"),
    (pa.types.is_union, "a UNION"),
    (lambda kind: isinstance(kind, pa.BaseExtensionType), "a type of its own"),
)


def _name_of_no_text(kind: pa.DataType) -> str | None:
    """What DuckDB calls a type whose values are no text, or None."""
    if _is_blob(kind):
        return "a BLOB"
    return next((name for is_kind, name in _NOT_TEXT if is_kind(kind)), None)


def _is_blob(kind: pa.DataType) -> bool:
    return bool(pa.types.is_binary(kind) or pa.types.is_large_binary(kind) or pa.types.is_binary_view(kind))


def _one_array(column: pa.ChunkedArray) -> pa.Array:
    if not column.num_chunks:  # pyarrow's cast leaves none of an empty one
        return pa.array([], column.type)
    return pa.concat_arrays(column.chunks) if column.num_chunks > 1 else column.chunk(0)
