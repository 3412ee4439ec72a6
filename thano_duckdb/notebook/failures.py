"""Errors as a cell shows them: one line that says what is wrong, and where in the cell."""

from __future__ import annotations

import difflib
import re
from collections.abc import Sequence

import duckdb
from IPython.core.error import UsageError

from thano_duckdb.dialect import hint
from thano_duckdb.errors import DialectError, ThanoError

# How DuckDB ends a message about a location in the SQL.
_DUCKDB_LOCATION = re.compile(r"\n+LINE \d+: (?P<line>.*)\n(?P<before>\s*)\^.*", re.DOTALL)
_DUCKDB_KIND = re.compile(r"^[A-Z][\w ]* Error: ")
_LINE_PREFIX = re.compile(r"LINE \d+: ")
_MISSING_TABLE = re.compile(r'Table with name "?(?P<name>[^"]+?)"? does not exist')
_MAX_SHOWN_CHARS = 80


def one_line(error: Exception, statement: str, cell: str, saved: Sequence[str] = ()) -> UsageError:
    """The error that IPython shows as a single line.

    Args:
        error: DuckDB's or ours.
        statement: what was run, as JupySQL passed it on: without comments, with snippets and variables filled in.
        cell: the whole cell as the user wrote it, including the line of the magic.
        saved: names of saved queries (`--save`), one of which may be meant by the name of a table.
    """
    if isinstance(error, DialectError):
        text = error.problem
        location = _location_in_cell(cell, statement, statement.split("\n")[error.line - 1], error.column)
    elif isinstance(error, ThanoError):
        text, location = str(error), ""
    else:
        text, location = _duckdb_text(error, statement, cell)
    shown = UsageError(" ".join(text.split()) + location + _about_saved_queries(error, saved))
    shown.error_type = type(error).__name__  # how JupySQL names the kind
    return shown


def interrupted(message: str) -> UsageError:
    """Likewise for the stop button: the cells after it do not run."""
    shown = UsageError(message or "Interrupted.")
    shown.error_type = "KeyboardInterrupt"
    return shown


def is_expected(error: Exception) -> bool:
    """Whether an error is about what the user asked for, and not a fault of the program."""
    return isinstance(error, ThanoError | duckdb.Error)


def _about_saved_queries(error: Exception, saved: Sequence[str]) -> str:
    missing = _MISSING_TABLE.search(str(error)) if isinstance(error, duckdb.CatalogException) else None
    if missing is None:
        return ""
    if missing["name"] in saved:
        return " If using snippets, you may pass the --with argument explicitly."  # as JupySQL says
    return "".join(
        f" Did you mean the saved query '{name}'?" for name in difflib.get_close_matches(missing["name"], saved, 1)
    )


def _duckdb_text(error: Exception, statement: str, cell: str) -> tuple[str, str]:
    """DuckDB's sentence; and where in the cell it is, with what we add to it."""
    message = _DUCKDB_KIND.sub("", str(error))
    advice = hint(statement, str(error)) or ""
    if advice:
        message = message.removesuffix(advice).rstrip()
        advice = f" {advice}"
    found = _DUCKDB_LOCATION.search(message)
    if found is None:
        return message, advice
    prefix = _LINE_PREFIX.search(found[0])
    column = len(found["before"]) - (len(prefix[0]) if prefix else 0) + 1
    line = found["line"]
    if line.startswith("..."):
        line, column = line[3:], column - 3
    line = line.removesuffix("...")
    return message[: found.start()], _location_in_cell(cell, statement, line, column) + advice


def _location_in_cell(cell: str, statement: str, line: str, column: int) -> str:
    """` (line 3, column 8 of the cell: ..)`, as far as the location can be found in the cell."""
    lead = len(line) - len(line.lstrip())
    fragment, column = line.strip(), max(1, column - lead)
    start = cell.find(statement)
    if start < 0 or fragment not in statement:
        start = 0
    at = cell.find(fragment, start)
    if at < 0 or not fragment:  # what was run is not what the user wrote
        return ""
    at = min(at + column - 1, len(cell))
    line_start = cell.rfind("\n", 0, at) + 1
    shown = cell[line_start:].split("\n", 1)[0].strip()
    if len(shown) > _MAX_SHOWN_CHARS:
        shown = f"{shown[:_MAX_SHOWN_CHARS]}.."
    return f" (line {cell.count(chr(10), 0, at) + 1}, column {at - line_start + 1} of the cell: {shown})"
