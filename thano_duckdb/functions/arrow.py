"""How a Python function over Arrow arrays becomes a function of DuckDB.

DuckDB calls with `ChunkedArray`s of at most 2,048 rows, constants repeated, and wants one array of as many rows.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import duckdb
import pyarrow as pa
from duckdb.func import ARROW, SPECIAL

from thano_duckdb.connection.session import Session, find_session
from thano_duckdb.errors import ThanoError, brief
from thano_duckdb.option import StatementKind
from thano_duckdb.options import find_option

from .arguments import Argument


@dataclass(frozen=True)
class Function:
    """A function of ours as DuckDB registers it.

    Attributes:
        name: its name in SQL.
        body: takes one `ChunkedArray` per argument, returns an array of as many rows.
        returns: the type of that array.
        takes: what the first columns are; the others reach the body as they come.
        changes_something: DuckDB must call it exactly once per row.
    """

    name: str
    body: Callable[..., pa.Array]
    returns: pa.DataType
    takes: tuple[Argument, ...] = ()
    changes_something: bool = False

    def register(self, connection: duckdb.DuckDBPyConnection) -> None:
        """Register it on the connection's database, for any number and type of arguments and for NULLs."""
        create_function: Any = connection.create_function  # its stub does not allow None
        create_function(
            self.name,
            self._call,
            None,
            connection.sqltype(sql_type(self.returns)),
            type=ARROW,
            null_handling=SPECIAL,
            side_effects=self.changes_something,
        )

    def _call(self, *columns: pa.ChunkedArray) -> pa.Array:
        converted = [take(column) for take, column in zip(self.takes, columns, strict=False)]
        return self.body(*converted, *columns[len(converted) :])


_SQL_TYPES = {
    "string": "VARCHAR",
    "double": "DOUBLE",
    "int32": "INTEGER",
    "int64": "BIGINT",
    "timestamp[us, tz=UTC]": "TIMESTAMPTZ",
}


def sql_type(kind: pa.DataType) -> str:
    """What DuckDB calls an Arrow type.

    `DuckDBPyConnection.from_arrow` would say the same, but costs half a second of imports.
    """
    if pa.types.is_list(kind):
        return f"{sql_type(kind.value_type)}[]"
    if pa.types.is_struct(kind):
        fields = (f'"{field.name}" {sql_type(field.type)}' for field in kind)
        return f"STRUCT({', '.join(fields)})"
    return _SQL_TYPES[str(kind)]


def session_of(connections: pa.ChunkedArray) -> Session:
    """The session of the connection that calls, which a function's last argument names in each row.

    Raises:
        LookupError: see `find_session`.
    """
    return find_session(connections[0].as_py())


def per_row(function: Callable[..., Any], returns: pa.DataType) -> Callable[..., pa.Array]:
    """A body that calls `function(session, *arguments)` row by row; its last argument names the connection.

    For functions that act on one thing at a time (those of the registry), not for functions over many rows.
    """

    def body(*columns: pa.ChunkedArray) -> pa.Array:
        *arguments, connections = columns
        session = session_of(connections)
        rows = (
            zip(*(column.to_pylist() for column in arguments), strict=True) if arguments else ((),) * len(connections)
        )
        return pa.array([function(session, *row) for row in rows], type=returns)

    return body


def parse_options(text: str | None, function: str, statement: StatementKind) -> dict[str, Any]:
    """The options of a call as JSON text, checked as those of the statement that the function is behind.

    Args:
        text: such as `{"batch_size": 8}`; an option of null counts as omitted.
        function: its name, for messages.
        statement: whose options it takes, by the table in `thano_duckdb.options`.

    Raises:
        ThanoError: not a JSON object, or an option or a value that the statement does not take.
    """
    if not text:
        return {}
    try:
        written = json.loads(text, object_pairs_hook=_Pairs)
    except (ValueError, TypeError, RecursionError) as error:
        raise ThanoError(f"the options {brief(str(text))} are not JSON ({error}); write {_EXAMPLE}") from None
    if not isinstance(written, _Pairs):
        raise ThanoError(f"the options {brief(text)} must be a JSON object; write {_EXAMPLE}")
    options: dict[str, Any] = {}
    for name, value in written:
        option = find_option(statement, name, function=function)
        if option.name in options:
            raise ThanoError(f"The option '{option.name}' is given twice")
        options[option.name] = None if value is None else option.accept(value)
    return {name: value for name, value in options.items() if value is not None}


class _Pairs(list[tuple[str, Any]]):
    """The names and values of a JSON object, also of names that it has twice."""


_EXAMPLE = "e.g. '{\"batch_size\": 8}'"
