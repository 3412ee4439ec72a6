"""`%load_ext thano_duckdb` and `%unload_ext thano_duckdb`."""

from __future__ import annotations

import logging

import sqlparse
from IPython.core.interactiveshell import InteractiveShell
from sql.connection import ConnectionManager
from sql.run.resultset import ResultSet

from .connections import DEFAULT, open_database
from .magics import ThanoMagics
from .rows import html_of

_HTML = "text/html"


def load(shell: InteractiveShell) -> None:
    """Load JupySQL, put our magics in front of it, and open a connection where there is none."""
    shell.extension_manager.load_extension("sql")  # nothing happens where it is loaded
    logging.getLogger("sqlglot").setLevel(logging.ERROR)  # it complains of each statement of ours beside a snippet
    sqlparse.engine.grouping.MAX_GROUPING_TOKENS = None  # type: ignore[assignment] # it would refuse a cell of ten thousand words
    magics = ThanoMagics(shell)
    shell.register_magics(magics)
    settings = magics.config_of_jupysql
    shell.display_formatter.formatters[_HTML].for_type(ResultSet, html_of(lambda: settings.displaylimit))
    if ConnectionManager.current is None:
        connection = open_database()
        magics.connections.add(DEFAULT, connection)
        if DEFAULT not in shell.user_ns:
            shell.push({DEFAULT: connection})


def unload(shell: InteractiveShell) -> None:
    """Give `%sql` back to JupySQL and close the connection that `load` opened."""
    magics = shell.magics_manager.registry.pop(ThanoMagics.__name__, None)
    if not isinstance(magics, ThanoMagics):
        return
    shell.register_magics(magics.config_of_jupysql)
    for kind in ("line", "cell"):
        shell.magics_manager.magics[kind].pop("thanosql", None)
    shell.display_formatter.formatters[_HTML].pop(ResultSet, None)
    connection = shell.user_ns.get(DEFAULT)
    magics.connections.close_default()
    shell.drop_by_id({DEFAULT: connection})
