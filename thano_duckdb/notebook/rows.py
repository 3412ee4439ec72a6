"""JupySQL's results as HTML in which nothing of the data is alive.

JupySQL takes the escapes out of its tables again, to make links of addresses: a transcript or a file name that holds
`<script>` would run. IPython asks us instead of it.
"""

from __future__ import annotations

from collections.abc import Callable

from sql.run.resultset import ResultSet

from .adapter import Cursor
from .page import render


def html_of(displaylimit: Callable[[], int]) -> Callable[[ResultSet], str]:
    """A formatter of results for IPython; `displaylimit` rows at most, 0 for all."""

    def to_html(result: ResultSet) -> str:
        cursor = result.sqlaproxy
        if not isinstance(cursor, Cursor):
            html: str = result._repr_html_()
            return html
        if cursor.page is not None:
            return cursor.page.html
        limit = displaylimit()
        result.fetch_for_repr_if_needed()
        rows = result[:limit] if limit else result[:]
        return render("rows.html", "", names=result.field_names, rows=rows, n_rows=cursor.n_rows).html

    return to_html
