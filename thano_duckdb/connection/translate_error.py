"""DuckDB's errors in our words and at their position in the user's text, where they are about one of our statements."""

from __future__ import annotations

import contextlib
import itertools
import re
from collections.abc import Callable, Iterator, Sequence

import duckdb

from thano_duckdb import errors
from thano_duckdb.dialect import ROWS, Copy, hint, missing_column, near_miss, unknown_model
from thano_duckdb.errors import ModelError, ThanoError, did_you_mean

from .request import Request
from .unread_table import settings_advice, unread_table

# DuckDB passes on the text of what a function raises, not the exception.
_RAISED_BY_FUNCTION = re.compile(r"executing the UDF: (?P<kind>\w+): (?P<message>.*)", re.DOTALL)
_UNKNOWN_COLUMN = re.compile(
    rf'(?:"{ROWS}" does not have a column named|Referenced column) "(?P<column>.*?)"(?: not found)?'
)

_EXCERPT = re.compile(r"\n\n(?P<head>LINE \d+: )(?P<text>.*)\n(?P<before> *)(?P<carets>\^+)")
_NO_COLUMN = re.compile(
    r"list_value\((?P<known>[^()]*)\), \(lambda c: .*lower\('(?P<column>.*)'\).* resulted in an empty set of columns"
)
_TABLE_MACRO = re.compile(r"\b(?P<name>thano_(?:predict|evaluate))\b", re.IGNORECASE)
_QUOTED = re.compile(r"'((?:[^']|'')*)'")
_FILTERED_RATE = re.compile(r'Function "(?P<name>thano_[wc]er)" is a Macro Function')


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
        message = _EXCERPT.sub("", raised["message"])
        return _located(kind(message), request)
    if unread := unread_table(str(error), request.plan):
        return unread
    if isinstance(error, duckdb.ParserException) and (missed := near_miss(request.source)):
        return missed
    message = _with_own_line(str(error), request)
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


def _with_own_line(message: str, request: Request) -> str:
    """The message of DuckDB with the user's line in place of one of the SQL that our statements became."""
    excerpt = _EXCERPT.search(message)
    if excerpt is None or request.plan is None or excerpt["text"].strip(". ") in request.source:
        return message
    source, line = request.source, excerpt["head"] + excerpt["text"]
    at = len(excerpt["before"])
    marked = line[at : at + len(excerpt["carets"])]
    places = [match.start() for match in re.finditer(re.escape(marked), source)]
    # Where the user wrote the same several times: the place that goes on in the same way.
    first = max(
        places,
        key=lambda place: _n_equal(source[place:], line[at:]),
        default=request.plan.statements[0].keyword.start,
    )
    width = len(marked) if places else 1
    number, start = source.count("\n", 0, first) + 1, source.rfind("\n", 0, first) + 1
    head = f"LINE {number}: "
    text = source[start:].split("\n", 1)[0]
    own = f"\n\n{head}{text}\n{' ' * (len(head) + first - start)}{'^' * width}"
    return f"{message[: excerpt.start()]}{own}{message[excerpt.end() :]}"


def _n_equal(one: str, other: str) -> int:
    """How many characters two texts have in common at their beginning."""
    return sum(1 for _ in itertools.takewhile(lambda pair: pair[0] == pair[1], zip(one, other, strict=False)))


def _column_of_macro(message: str, source: str) -> ThanoError | None:
    """The error for a column that `thano_predict` or `thano_evaluate` misses."""
    missing, called = _NO_COLUMN.search(message), _TABLE_MACRO.search(source)
    if missing is None or called is None:
        return None
    column, name = missing["column"], called["name"].lower()
    near = did_you_mean(column, _QUOTED.findall(missing["known"]))
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


@contextlib.contextmanager
def near_misses_named(source: str) -> Iterator[None]:
    """Within the block, which parses `source` and runs nothing, say what DuckDB's parser refuses as a run would.

    Raises:
        DialectError: `source` is nearly one of our statements.
    """
    try:
        yield
    except duckdb.ParserException as error:
        if missed := near_miss(source):
            raise missed from None
        raise error from None


def _located(error: ThanoError, request: Request) -> ThanoError:
    """An error about a model that the text names, at its position in it."""
    if request.plan is None or not isinstance(error, ModelError):
        return error
    for statement in request.plan.statements:
        named = getattr(statement, "model", None)
        if named is not None and f"'{named.text}'" in str(error):
            return unknown_model(request.plan, request.source, named.text, str(error)) or error
    return error
