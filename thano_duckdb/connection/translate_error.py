"""DuckDB's errors in our words and at the place in the user's text, where they are about a statement of ours."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence

import duckdb

from thano_duckdb import errors
from thano_duckdb.dialect import Plan, hint, missing_column, near_miss, unknown_model
from thano_duckdb.errors import ModelError, ThanoError

# DuckDB passes on the text of what a function raises, not the exception.
_RAISED_BY_FUNCTION = re.compile(r"executing the UDF: (?P<kind>\w+): (?P<message>.*)", re.DOTALL)
_UNKNOWN_COLUMN = re.compile(
    r'(?:"src" does not have a column named|Referenced column) "(?P<column>.*?)"(?: not found)?'
)


def explain(
    error: duckdb.Error, plan: Plan | None, source: str, columns_of: Callable[[str], Sequence[str]]
) -> ThanoError | duckdb.Error | None:
    """The error of ours behind one of DuckDB's, or None where it is DuckDB's own and there is nothing to add to it.

    Args:
        error: what DuckDB raised.
        plan: our statements in the text, or None where there are none.
        source: the text as the user wrote it.
        columns_of: gives the columns of a query as the user wrote it; none where they cannot be told.
    """
    if raised := _RAISED_BY_FUNCTION.search(str(error)):
        kind = getattr(errors, raised["kind"], None)
        if not (isinstance(kind, type) and issubclass(kind, ThanoError)):
            return None
        return _placed(kind(raised["message"]), plan, source)
    if isinstance(error, duckdb.ParserException) and (missed := near_miss(source)):
        return missed
    if advice := hint(source):
        return type(error)(f"{error}\n\n{advice}")
    named = _UNKNOWN_COLUMN.search(str(error)) if isinstance(error, duckdb.BinderException) else None
    if named is None or plan is None:
        return None
    return missing_column(plan, source, named["column"], columns_of)


def _placed(error: ThanoError, plan: Plan | None, source: str) -> ThanoError:
    """An error about a model that the text names, at its place in it."""
    if plan is None or not isinstance(error, ModelError):
        return error
    for statement in plan.statements:
        named = getattr(statement, "model", None)
        if named is not None and f"'{named.text}'" in str(error):
            return unknown_model(plan, source, named.text, str(error)) or error
    return error
