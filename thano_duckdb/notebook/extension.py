"""`%load_ext thano_duckdb` and `%unload_ext thano_duckdb`."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Iterator

from IPython.core.interactiveshell import InteractiveShell
from sql.connection import ConnectionManager
from sql.run.resultset import ResultSet
from sqlparse.engine import grouping

from .connections import DEFAULT, open_database
from .magics import ThanoMagics
from .rows import html_of

_HTML = "text/html"


def load(shell: InteractiveShell) -> None:
    """Load JupySQL, put our magics in front of it, and open a connection where there is none."""
    shell.extension_manager.load_extension("sql")  # nothing happens if it is loaded already
    loaded = _loaded(shell)
    magics = ThanoMagics(shell)
    if loaded is None:
        magics.on_unload.enter_context(_relaxed_libraries())
    else:
        magics.on_unload = loaded.on_unload
    shell.register_magics(magics)
    settings = magics.config_of_jupysql
    shell.display_formatter.formatters[_HTML].for_type(ResultSet, html_of(lambda: settings.displaylimit))
    if ConnectionManager.current is None:
        connection = open_database()
        magics.connections.add(DEFAULT, connection)
        if DEFAULT not in shell.user_ns:
            shell.push({DEFAULT: connection})


def unload(shell: InteractiveShell) -> None:
    """Give `%sql` back to JupySQL, undo what `load` changed, and close the connection that it opened."""
    magics = _loaded(shell)
    if magics is None:
        return
    del shell.magics_manager.registry[ThanoMagics.__name__]
    shell.register_magics(magics.config_of_jupysql)
    for kind in ("line", "cell"):
        shell.magics_manager.magics[kind].pop("thanosql", None)
    shell.display_formatter.formatters[_HTML].pop(ResultSet, None)
    magics.on_unload.close()
    connection = shell.user_ns.get(DEFAULT)
    magics.connections.close_default()
    shell.drop_by_id({DEFAULT: connection})


def _loaded(shell: InteractiveShell) -> ThanoMagics | None:
    magics = shell.magics_manager.registry.get(ThanoMagics.__name__)
    return magics if isinstance(magics, ThanoMagics) else None


@contextlib.contextmanager
def _relaxed_libraries() -> Iterator[None]:
    """Let JupySQL's parsers accept our statements and long cells.

    sqlglot logs a complaint about each of our statements beside a saved query; sqlparse refuses a cell of ten thousand
    words.
    """
    logger, level = logging.getLogger("sqlglot"), logging.getLogger("sqlglot").level
    max_tokens = grouping.MAX_GROUPING_TOKENS
    logger.setLevel(logging.ERROR)
    grouping.MAX_GROUPING_TOKENS = None  # type: ignore[assignment]
    try:
        yield
    finally:
        logger.setLevel(level)
        grouping.MAX_GROUPING_TOKENS = max_tokens
