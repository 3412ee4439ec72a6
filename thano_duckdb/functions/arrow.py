"""How a Python function over Arrow arrays becomes a function of DuckDB.

DuckDB calls with `ChunkedArray`s of at most 2,048 rows, constants repeated, and wants one array of as many rows.
"""

from __future__ import annotations

import functools
import inspect
import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal
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
    """One of our functions as DuckDB registers it.

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
            self.call,
            None,
            connection.sqltype(sql_type(self.returns)),
            type=ARROW,
            null_handling=SPECIAL,
            side_effects=self.changes_something,
        )

    @functools.cached_property
    def call(self) -> Callable[..., pa.Array]:
        """What DuckDB calls; it lives as long as this object.

        DuckDB itself keeps it only as long as the connection that registered it, though the database calls it longer.
        """
        n_arguments = len(inspect.signature(self.body).parameters)

        def call(*columns: pa.ChunkedArray) -> pa.Array:
            if len(columns) != n_arguments:
                arguments = "argument" if n_arguments == 1 else "arguments"
                advice = ""
                if self.name.startswith("_"):  # somebody calls it by that name
                    advice = f": use {self.name[1:]}, and where it is missing call thano_duckdb.load(connection)"
                raise ThanoError(f"{self.name} takes {n_arguments} {arguments}, not {len(columns)}{advice}")
            if self.name.startswith("_"):
                find_session(columns[-1][0].as_py())
            converted = [take(column) for take, column in zip(self.takes, columns, strict=False)]
            return self.body(*converted, *columns[len(converted) :])

        return call


_SQL_TYPES = {
    "bool": "BOOLEAN",
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


def session_of(sessions: pa.ChunkedArray) -> Session:
    """The session of the connection that calls, whose token is a function's last argument in each row.

    Raises:
        LookupError: see `find_session`.
    """
    return find_session(sessions[0].as_py())


def per_row(function: Callable[..., Any], returns: pa.DataType) -> Callable[..., pa.Array]:
    """A body that calls `function(session, *arguments)` row by row; its last argument is the token of the session.

    For functions that act on one thing at a time (those of the registry), not for functions over many rows.
    """

    @functools.wraps(function)  # as many arguments, the session's token being the last
    def body(*columns: pa.ChunkedArray) -> pa.Array:
        *arguments, sessions = columns
        session = session_of(sessions)
        rows = zip(*(column.to_pylist() for column in arguments), strict=True) if arguments else ((),) * len(sessions)
        return pa.array([function(session, *row) for row in rows], type=returns)

    return body


def option_texts(options: pa.ChunkedArray) -> list[str | None]:
    """The options of each row as JSON text; a STRUCT of them is as good.

    Raises:
        ThanoError: they are neither text nor a STRUCT.
    """
    return [options_text(each) for each in options.to_pylist()]


def options_text(options: object) -> str | None:
    """The options of a call as JSON text; a STRUCT of them is as good.

    Raises:
        ThanoError: they are neither text nor a STRUCT.
    """
    if isinstance(options, dict):
        return json.dumps(options, default=_json_value)
    if options is None or isinstance(options, str):
        return options
    raise ThanoError(f"the options {brief(str(options))} are neither JSON text nor a STRUCT; write {_EXAMPLE}")


def _json_value(value: object) -> float:
    """A value of a STRUCT of options that JSON has no type for.

    Raises:
        ThanoError: it is no number either.
    """
    if isinstance(value, Decimal):  # DuckDB's 0.1
        return float(value)
    raise ThanoError(f"the options hold {brief(str(value))}, which is neither text nor a number")


def parse_options(given: object, function: str, statement: StatementKind) -> dict[str, Any]:
    """The options of a call, checked as those of the statement that the function is behind.

    Args:
        given: JSON text such as `{"batch_size": 8}`, or a STRUCT of the same; an option of null counts as omitted,
            unless it says more.
        function: its name, for messages.
        statement: whose options it takes, by the table in `thano_duckdb.options`.

    Raises:
        ThanoError: not a JSON object, or an option or a value that the statement does not take.
    """
    text = options_text(given)
    if not text:
        return {}
    try:
        written = json.loads(text, object_pairs_hook=_Pairs)
        is_text = not _LONE_SURROGATE.search(json.dumps(written, ensure_ascii=False))
    except (ValueError, TypeError, RecursionError) as error:
        raise ThanoError(f"the options {brief(str(text))} are not JSON ({error}); write {_EXAMPLE}") from None
    if not is_text:
        raise ThanoError("the options hold half a character (a lone surrogate, such as \\ud800); write the whole one")
    if not isinstance(written, _Pairs):
        raise ThanoError(f"the options {brief(text)} must be a JSON object; write {_EXAMPLE}")
    options: dict[str, Any] = {}
    spellings: dict[str, str] = {}
    for name, value in written:
        option = find_option(statement, name, function=function)
        if option.name in options:
            raise ThanoError(option.given_twice(spellings[option.name], name))
        spellings[option.name] = name
        options[option.name] = None if value is None else option.accept(value)
    return {
        name: value for name, value in options.items() if value is not None or find_option(statement, name).takes_null
    }


_LONE_SURROGATE = re.compile("[\ud800-\udfff]")


class _Pairs(list[tuple[str, Any]]):
    """The names and values of a JSON object, also of names that it has twice."""


_EXAMPLE = "e.g. '{\"batch_size\": 8}'"
