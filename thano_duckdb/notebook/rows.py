"""JupySQL's results as HTML that no data can inject code into.

JupySQL removes the escapes from its tables again, to make links of addresses: a transcript or a file name that holds
`<script>` would run. So IPython is told to use our formatter instead.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from markupsafe import Markup
from sql.run.resultset import ResultSet

from thano_duckdb.pages.page import render
from thano_duckdb.pages.tables import without_bulk

from .adapter import Cursor

_MAX_BYTES = 64
"""A longer BLOB is audio rather than something to read."""

_SHORT = 40
"""A result of so many rows is shown whole."""


@dataclass(frozen=True)
class Column:
    """A column's name, and its alignment: text to the left, numbers as the notebook aligns them."""

    name: str
    style: Markup


def html_of(settings: Any) -> Callable[[ResultSet], str]:
    """A formatter of results for IPython: as many rows as JupySQL's `settings` say, and short results whole.

    Unless the user set `displaylimit`, a result of up to 40 rows is shown whole: JupySQL's own limit of 10 hides
    the last row of EVALUATE.
    """

    def to_html(result: ResultSet) -> str:
        cursor = result.sqlaproxy
        if not isinstance(cursor, Cursor):
            html: str = result._repr_html_()
            return html
        if cursor.page is not None:
            return cursor.page.html
        if cursor.n_rows <= _SHORT and not _is_limited(settings):
            rows = cursor.all_rows()
        else:
            limit = settings.displaylimit
            result.fetch_for_repr_if_needed()
            rows = result[:limit] if limit else result[:]
        columns = [_column(name, rows, at) for at, name in enumerate(result.field_names)]
        shown = [[_shown(value) for value in row] for row in rows]
        return render("rows.html", "", columns=columns, rows=shown, n_rows=cursor.n_rows).html

    return to_html


def _is_limited(settings: Any) -> bool:
    """Whether the user set how many rows are shown."""
    is_default = settings.displaylimit == settings.traits()["displaylimit"].default_value
    return not is_default or "displaylimit" in settings.config.SqlMagic


def _column(name: str, rows: Sequence[Sequence[Any]], at: int) -> Column:
    is_number = all(isinstance(row[at], int | float | Decimal | None) for row in rows)
    return Column(name, Markup("" if is_number else ' style="text-align: left"'))


def _shown(value: Any) -> Any:
    """A value for reading: numbers are rounded, of audio the size is shown; the result itself keeps all of it."""
    match value:
        case float() if abs(value) < 1e6:
            return float(f"{value:.6g}")
        case bytes() if len(value) <= _MAX_BYTES:
            return value
    return without_bulk(value)
