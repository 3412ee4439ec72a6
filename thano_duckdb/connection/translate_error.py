"""DuckDB's errors in our words and at their position in the user's text, where they are about one of our statements."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence

import duckdb

from thano_duckdb import errors
from thano_duckdb.dialect import hint, missing_column, near_miss, unknown_model
from thano_duckdb.errors import ModelError, ThanoError

from .request import Request

# DuckDB passes on the text of what a function raises, not the exception.
_RAISED_BY_FUNCTION = re.compile(r"executing the UDF: (?P<kind>\w+): (?P<message>.*)", re.DOTALL)
_UNKNOWN_COLUMN = re.compile(
    r'(?:"src" does not have a column named|Referenced column) "(?P<column>.*?)"(?: not found)?'
)


def translate_error(
    error: duckdb.Error, request: Request, columns_of: Callable[[str], Sequence[str]]
) -> ThanoError | duckdb.Error | None:
    """Our error behind one of DuckDB's, or None where it is DuckDB's own and there is nothing to add to it.

    Args:
        error: what DuckDB raised.
        request: what ran.
        columns_of: gives the columns of a query as the user wrote it; none where they cannot be determined.
    """
    if raised := _RAISED_BY_FUNCTION.search(str(error)):
        kind = getattr(errors, raised["kind"], None)
        if not (isinstance(kind, type) and issubclass(kind, ThanoError)):
            return None
        return _located(kind(raised["message"]), request)
    if isinstance(error, duckdb.ParserException) and (missed := near_miss(request.source)):
        return missed
    if advice := hint(request.source):
        return type(error)(f"{error}\n\n{advice}")
    unknown = _UNKNOWN_COLUMN.search(str(error)) if isinstance(error, duckdb.BinderException) else None
    if unknown is None or request.plan is None:
        return None
    return missing_column(request.plan, request.source, unknown["column"], columns_of)


def _located(error: ThanoError, request: Request) -> ThanoError:
    """An error about a model that the text names, at its position in it."""
    if request.plan is None or not isinstance(error, ModelError):
        return error
    for statement in request.plan.statements:
        named = getattr(statement, "model", None)
        if named is not None and f"'{named.text}'" in str(error):
            return unknown_model(request.plan, request.source, named.text, str(error)) or error
    return error
