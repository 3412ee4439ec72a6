"""Which connection a word after `%sql` means, and JupySQL's list of them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import duckdb
from sql.connection import ConnectionManager

from thano_duckdb.connection import Connection, Settings
from thano_duckdb.functions import install

from .adapter import Cell, NotebookConnection

DEFAULT = "thano"
"""Alias, and variable, of the connection that is opened when the extension is loaded."""
_DATABASE_SUFFIXES = (".duckdb", ".ddb", ".db")
_URL = "duckdb://"


class Connections:
    """The connections of a notebook that are ours, by JupySQL's alias."""

    def __init__(self, cell: Cell, config: Any) -> None:
        """Connections for the statements of `cell`; `config` is JupySQL's own magic."""
        self._cell = cell
        self._config = config
        self._ours: dict[str, NotebookConnection] = {}

    @property
    def current(self) -> Connection | None:
        """The connection that the next statement runs on, if it is one of ours."""
        if ConnectionManager.current is None:
            return None
        ours = self._ours.get(ConnectionManager.current.alias)
        return ours.connection if ours else None

    def is_connection(self, word: str, variables: Mapping[str, Any]) -> bool:
        """Whether a word means a connection: one of ours or JupySQL's, or a database file."""
        return _is_database(word) or "://" in word or word in ConnectionManager.connections or (
            isinstance(variables.get(word), duckdb.DuckDBPyConnection | Connection)
        )  # fmt: skip

    def switch(self, word: str, alias: str | None, variables: Mapping[str, Any]) -> bool:
        """Make what `word` means the current connection; False where JupySQL has to do it."""
        given = variables.get(word)
        name = alias or word
        if isinstance(given, duckdb.DuckDBPyConnection | Connection):
            known = self._ours.get(name)
            if known is None or not _is_same(known.connection, given) or name not in ConnectionManager.connections:
                self.add(name, _ours(given))
                return True
        elif _is_database(word) and name not in ConnectionManager.connections:
            self.add(name, open_database(word.removeprefix(f"{_URL}/").removeprefix(_URL)))
            return True
        if name in self._ours and name in ConnectionManager.connections:
            ConnectionManager.set(name, displaycon=False, alias=name, config=self._config)
            return True
        return False

    def add(self, alias: str, connection: Connection) -> None:
        """Give JupySQL a connection, and make it the current one."""
        ConnectionManager.connections.pop(alias, None)
        self._ours[alias] = NotebookConnection(connection, self._cell)
        ConnectionManager.set(self._ours[alias], displaycon=False, alias=alias, config=self._config)

    def close_default(self) -> None:
        """Close the connection that was opened when the extension was loaded, if it still exists."""
        if DEFAULT in self._ours and DEFAULT in ConnectionManager.connections:
            was_current = ConnectionManager.current is ConnectionManager.connections[DEFAULT]
            ConnectionManager.close_connection_with_descriptor(DEFAULT)
            if was_current:
                ConnectionManager.current = None


def _is_database(word: str) -> bool:
    return word == ":memory:" or word.startswith(_URL) or word.endswith(_DATABASE_SUFFIXES)


def open_database(path: str = "") -> Connection:
    """A connection of ours to a database file, or in memory."""
    return Connection(duckdb.connect(path or ":memory:"), Settings(), install=install)


def _ours(given: duckdb.DuckDBPyConnection | Connection) -> Connection:
    if isinstance(given, Connection):
        return given
    return Connection(given, Settings(), install=install, owns=False)


def _is_same(ours: Connection, given: object) -> bool:
    return ours is given or ours.raw is given
