"""`%load_ext thano_duckdb` and `%unload_ext thano_duckdb`."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Iterator
from dataclasses import dataclass

import duckdb
from IPython.core.interactiveshell import InteractiveShell
from sql.connection import ConnectionManager
from sql.run.resultset import ResultSet
from sqlparse.engine import grouping

from thano_duckdb.connection import Connection

from .connections import DEFAULT, Connections, forget_closed, open_database
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
        magics.on_unload, magics.opened = loaded.on_unload, loaded.opened
    shell.register_magics(magics)
    shell.display_formatter.formatters[_HTML].for_type(ResultSet, html_of(magics.config_of_jupysql))
    while _unlisted:
        magics.opened = _unlisted.pop().list_again(magics.connections)
    forget_closed()
    if ConnectionManager.current is None:
        magics.opened = open_database()
        magics.connections.add(DEFAULT, magics.opened)
    if magics.opened is not None and DEFAULT not in shell.user_ns:
        shell.push({DEFAULT: magics.opened})


def unload(shell: InteractiveShell) -> None:
    """Give `%sql` back to JupySQL, undo what `load` changed, and close the connection that it opened.

    It is closed when the cell ends: `%reload_ext` loads the extension again before that, and the tables stay.
    """
    magics = _loaded(shell)
    if magics is None:
        return
    del shell.magics_manager.registry[ThanoMagics.__name__]
    shell.register_magics(magics.config_of_jupysql)
    for kind in ("line", "cell"):
        shell.magics_manager.magics[kind].pop("thanosql", None)
    shell.display_formatter.formatters[_HTML].pop(ResultSet, None)
    magics.on_unload.close()
    if magics.opened is not None:
        aliases, is_current = magics.connections.remove(magics.opened)
        shell.drop_by_id({DEFAULT: magics.opened})
        if aliases and _is_open(magics.opened):
            _unlisted.append(_Unlisted(magics.opened, tuple(aliases), is_current))
            _close_unlisted_later(shell)


@dataclass(frozen=True)
class _Unlisted:
    """The connection that `load` opened, between `unload` and the end of the cell.

    Attributes:
        connection: open.
        aliases: that JupySQL had it under.
        is_current: whether it was the current one.
    """

    connection: Connection
    aliases: tuple[str, ...]
    is_current: bool

    def list_again(self, connections: Connections) -> Connection:
        """Give it to JupySQL again."""
        current = ConnectionManager.current
        for alias in self.aliases:
            connections.add(alias, self.connection)
        if not self.is_current:
            ConnectionManager.current = current
        return self.connection


_unlisted: list[_Unlisted] = []
_ENDS_CELL = ("pre_execute", "post_execute")
"""The first for an extension that was unloaded outside of any cell."""


def _close_unlisted_later(shell: InteractiveShell) -> None:
    def close() -> None:
        for event in _ENDS_CELL:
            shell.events.unregister(event, close)
        while _unlisted:
            _unlisted.pop().connection.close()

    for event in _ENDS_CELL:
        shell.events.register(event, close)


def _is_open(connection: Connection) -> bool:
    try:
        connection.cursor().close()
    except duckdb.ConnectionException:
        return False
    return True


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
