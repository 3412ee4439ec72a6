"""Arguments of other types than a function takes: an ENUM, a number or a date where text is meant.

A body declares what each of its columns is (`Function.takes`) and gets text as `string` and contents of files as
`binary`. NULL stays NULL. The text of a value is DuckDB's: that of `CAST(value AS VARCHAR)`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import duckdb
import pyarrow as pa

from thano_duckdb.errors import ThanoError

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
        return strings(column, lambda kind: ThanoError(f"{what} must be text (VARCHAR), not {kind}"))

    return convert


def number(what: str) -> Argument:
    """A number of any type as `double`; `what` is its name for messages."""

    def convert(column: pa.ChunkedArray) -> pa.ChunkedArray:
        kind = column.type
        is_number = pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_decimal(kind)
        if not (is_number or pa.types.is_null(kind)):
            raise ThanoError(f"{what} must be a number (DOUBLE), not {sql_name(kind)}")
        return column.cast(pa.float64())

    return convert


def options(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """Options as JSON text; a struct of them, and what is neither, is left to the body."""
    return column if pa.types.is_nested(column.type) else text("the options")(column)


def rows(**fields: Argument) -> Argument:
    """A list of structs, with some of their fields converted."""

    def convert(column: pa.ChunkedArray) -> pa.ChunkedArray:
        if pa.types.is_null(column.type):
            return column
        is_list = pa.types.is_list(column.type) or pa.types.is_large_list(column.type)  # by arrow_large_buffer_size
        if not (is_list and pa.types.is_struct(column.type.value_type)):
            raise ThanoError(f"the rows must be a LIST of STRUCTs, not {column.type}")
        if missing := [name for name in fields if name not in column.type.value_type.names]:
            raise ThanoError(f"the rows must have the fields {', '.join(fields)}; missing: {', '.join(missing)}")
        return pa.chunked_array([_with_fields(chunk, fields) for chunk in column.chunks])

    return convert


def _with_fields(lists: pa.Array, fields: dict[str, Argument]) -> pa.Array:
    if lists.offset:  # Arrow takes no mask for a slice
        lists = pa.concat_arrays([lists, lists.slice(0, 0)])
    structs = lists.values
    names = structs.type.names
    converted = _converted(names, [structs.field(name) for name in names], fields)
    values = pa.StructArray.from_arrays(converted, names, mask=structs.is_null())
    return type(lists).from_arrays(lists.offsets, values, mask=lists.is_null())


def struct(optional: Mapping[str, Argument] | None = None, /, **fields: Argument) -> Argument:
    """Structs, with some of their fields converted, of which the `optional` ones may be missing."""
    converted = {**fields, **(optional or {})}

    def convert(column: pa.ChunkedArray) -> pa.ChunkedArray:
        if not pa.types.is_struct(column.type):
            raise ThanoError(f"a row must be a STRUCT with the fields {', '.join(fields)}, not {sql_name(column.type)}")
        names = column.type.names
        if missing := [name for name in fields if name not in names]:
            raise ThanoError(f"a row must have the fields {', '.join(fields)}; missing: {', '.join(missing)}")
        structs = _one_array(column)
        return pa.chunked_array([pa.StructArray.from_arrays(_converted(names, structs.flatten(), converted), names)])

    return convert


def _converted(names: list[str], arrays: list[pa.Array], fields: Mapping[str, Argument]) -> list[pa.Array]:
    return [
        _one_array(fields[name](pa.chunked_array([array]))) if name in fields else array
        for name, array in zip(names, arrays, strict=True)
    ]


def strings(column: pa.ChunkedArray, refusal: Callable[[str], ThanoError]) -> pa.ChunkedArray:
    """Text, or what can be written as text, as `string`.

    Raises:
        ThanoError: what `refusal` makes of the name of a type whose values are no text.
    """
    kind = column.type
    if pa.types.is_string(kind):
        return column
    if pa.types.is_dictionary(kind):  # ENUM, pandas' category
        return strings(column.cast(kind.value_type), refusal)
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
        and all(is_blob(field.type) for field in kind)
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
    if is_blob(kind):
        return "a BLOB"
    return next((name for is_kind, name in _NOT_TEXT if is_kind(kind)), None)


def sql_name(kind: pa.DataType) -> str:
    """What DuckDB calls a type."""
    return str(duckdb.from_arrow(pa.table({"value": pa.array([], kind)})).types[0])


def is_blob(kind: pa.DataType) -> bool:
    """Whether a type is bytes."""
    return bool(pa.types.is_binary(kind) or pa.types.is_large_binary(kind) or pa.types.is_binary_view(kind))


def _one_array(column: pa.ChunkedArray) -> pa.Array:
    if not column.num_chunks:  # pyarrow's cast leaves none of an empty one
        return pa.array([], column.type)
    return pa.concat_arrays(column.chunks) if column.num_chunks > 1 else column.chunk(0)
