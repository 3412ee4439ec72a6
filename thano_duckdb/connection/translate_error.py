"""DuckDB's errors in our words and at their position in the user's text, where they are about one of our statements."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence

import duckdb

from thano_duckdb import errors
from thano_duckdb.dialect import ROWS, Copy, hint, missing_column, near_miss, unknown_model
from thano_duckdb.dialect.quoting import literal
from thano_duckdb.errors import NEAR_COLUMN, DialectError, ModelError, ThanoError, did_you_mean

from .parse_errors import EXCERPT, with_own_line
from .request import Request
from .unread_recordings import unread_recordings
from .unread_table import settings_advice, unread_table

# DuckDB passes on the text of what a function raises, not the exception.
_RAISED_BY_FUNCTION = re.compile(r"executing the UDF: (?P<kind>\w+): (?P<message>.*)", re.DOTALL)
_UNKNOWN_COLUMN = re.compile(
    rf'(?:"{ROWS}" does not have a column named|Referenced column) "(?P<column>.*?)"(?: not found)?'
)

_NO_COLUMN = re.compile(
    r"list_value\((?P<known>[^()]*)\), \(lambda c: .*lower\('(?P<column>.*)'\).* resulted in an empty set of columns"
)
_TABLE_MACRO = re.compile(r"\b(?P<name>thano_(?:predict|evaluate|plan))\b", re.IGNORECASE)
_NO_NAME = "COLUMNS expression can only contain lambda parameters"
"""What DuckDB says where the name of a column is not given as text."""
_BARE_COLUMN = re.compile(
    r'\b(?P<option>audio_col|text_col)\s*(?::=|=>)\s*(?P<column>"[^"]+"|[^\W\d]\w*)', re.IGNORECASE
)
_QUOTED = re.compile(r"'((?:[^']|'')*)'")
_FILTERED_RATE = re.compile(r'Function "(?P<name>thano_[wc]er)" is a Macro Function')


def translate_error(
    error: duckdb.Error,
    request: Request,
    columns_of: Callable[[str], Sequence[str]],
    may_read: Callable[[str], bool],
) -> ThanoError | duckdb.Error | None:
    """Our error behind one of DuckDB's, or None where it is DuckDB's own and there is nothing to add to it.

    Args:
        error: what DuckDB raised.
        request: what ran.
        columns_of: gives the columns of a query as the user wrote it; none where they cannot be determined.
        may_read: whether the database may read a path.
    """
    if raised := _RAISED_BY_FUNCTION.search(str(error)):
        kind = getattr(errors, raised["kind"], None)
        if not (isinstance(kind, type) and issubclass(kind, ThanoError)):
            return None
        message = EXCERPT.sub("", raised["message"])
        return _located(kind(message), request)
    if unread := unread_table(str(error), request.plan):
        return unread
    if request.plan is not None and (recordings := unread_recordings(str(error), request.source, may_read)):
        return recordings
    if isinstance(error, duckdb.ParserException) and (missed := near_miss(request.source)):
        return missed
    statements = request.plan.statements if request.plan is not None else ()
    message = with_own_line(str(error), request.source, statements)
    if advice := _advice(str(error), request):
        return type(error)(f"{message}\n\n{advice}")
    if isinstance(error, duckdb.BinderException) and (missing := _column_of_macro(str(error), request.source)):
        return missing
    unknown = _UNKNOWN_COLUMN.search(str(error)) if isinstance(error, duckdb.BinderException) else None
    if unknown is not None and request.plan is not None:
        found = missing_column(request.plan, request.source, unknown["column"], columns_of)
        if found is not None:
            return found
    return type(error)(message) if message != str(error) else None


def _column_of_macro(message: str, source: str) -> ThanoError | None:
    """The error for a column that `thano_predict`, `thano_evaluate` or `thano_plan` misses, or is not given as text."""
    missing, called = _NO_COLUMN.search(message), _TABLE_MACRO.search(source)
    if called is None:
        return None
    name = called["name"].lower()
    if _NO_NAME in message and (bare := _BARE_COLUMN.search(source, called.end())):
        column = bare["column"].strip('"')
        written = f"{bare['option'].lower()} := {literal(column)}"
        return DialectError(f"{name} takes the name of a column as text: {written}", source, bare.start("column"))
    if missing is None:
        return None
    column = missing["column"]
    near = did_you_mean(column, _QUOTED.findall(missing["known"]), nearness=NEAR_COLUMN)
    options = "audio_col := '..'" + (" or text_col := '..'" if name == "thano_evaluate" else "")
    return ThanoError(
        f"{name} reads the column '{column}', which its table does not have.{near} {options} names another."
    )


def _advice(message: str, request: Request) -> str | None:
    """A sentence to add to an error of DuckDB's own."""
    if rate := _FILTERED_RATE.search(message):
        name = rate["name"]
        return (
            f"To leave rows out of {name} write {name}(CASE WHEN condition THEN reference END, hypothesis); with OVER "
            f"it takes FILTER too. For DISTINCT rows write SELECT {name}(..) FROM (SELECT DISTINCT ..)."
        )
    copied = request.plan is not None and any(isinstance(node, Copy) for node in request.plan.statements)
    if copied and "already exists" in message:
        return "OPTIONS (overwrite=True) replaces the table, OPTIONS (if_exists='append') adds rows to it."
    return settings_advice(message, request.plan) or hint(request.source, message)


def _located(error: ThanoError, request: Request) -> ThanoError:
    """An error about a model that the text names, at its position in it."""
    if request.plan is None or not isinstance(error, ModelError):
        return error
    for statement in request.plan.statements:
        named = getattr(statement, "model", None)
        if named is not None and f"'{named.text}'" in str(error):
            return unknown_model(request.plan, request.source, named.text, str(error)) or error
    return error
