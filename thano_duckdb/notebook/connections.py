"""Which connection a word after `%sql` means, and JupySQL's list of them.

Only what is surely DuckDB's becomes one of our connections. Every other word is JupySQL's business: a URL of another
database, an engine of SQLAlchemy's, a connection of `sqlite3`'s, an alias, a section of its file.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeGuard

import duckdb
from IPython.core.getipython import get_ipython
from sql.connection import ConnectionManager, is_pep249_compliant, is_spark
from sqlalchemy.engine import Engine, make_url

from sql import display
from thano_duckdb.connection import Connection, Settings
from thano_duckdb.errors import ThanoError
from thano_duckdb.functions import install

from .adapter import Cell, NotebookConnection

DEFAULT = "thano"
"""Alias, and variable, of the connection that is opened when the extension is loaded."""
URL = "duckdb://"
_MEMORY = ":memory:"
_NEW_FILE_SUFFIXES = (".duckdb", ".ddb")
"""Of a file that does not exist yet. Not `.db`, which SQLite's have too."""
_DUCKDB_MAGIC = (8, b"DUCK")  # at which byte of the file
_SQLITE_MAGIC = (0, b"SQLite format 3\0")
_FOREIGN = re.compile(r"[\w+.$-]+(://|@)|\[[^\]]*\]$")  # `sqlite://..`, `me@database`, `[section]`


class Connections:
    """The connections of a notebook that are ours, by JupySQL's alias."""

    def __init__(self, cell: Cell, config: Any) -> None:
        """Connections for the statements of `cell`; `config` is JupySQL's own magic."""
        self._cell = cell
        self._config = config
        self._named_by_variable: set[str] = set()

    @property
    def current(self) -> Connection | None:
        """The connection that the next statement runs on, if it is DuckDB's or ours."""
        forget_closed()
        current = ConnectionManager.current
        if _duckdb_behind(current) is None:
            return None
        return self._ours(current.alias).connection

    def claims(self, word: str, variables: Mapping[str, Any]) -> bool:
        """Whether a word surely means a DuckDB connection."""
        given, known = variables.get(word), ConnectionManager.connections.get(word)
        if known is not None and not (word in self._named_by_variable and _is_foreign_connection(given)):
            return _duckdb_behind(known) is not None  # as in JupySQL, an alias comes before a variable
        return _is_duckdb(given) or _is_database(word)

    def is_foreign(self, word: str, *, alone: bool, variables: Mapping[str, Any]) -> bool:
        """Whether JupySQL takes a word that we do not claim for a connection.

        Args:
            word: the first of the line, or of the body if the line has none.
            alone: whether it is the only one of its line, as an alias or a variable must be.
            variables: of the user.
        """
        if _FOREIGN.match(os.path.expandvars(word)):
            return True
        return alone and (word in ConnectionManager.connections or _is_foreign_connection(variables.get(word)))

    def switch(self, word: str, alias: str | None, variables: Mapping[str, Any]) -> None:
        """Make what a word means, which `claims` has accepted, the current connection."""
        given, name = variables.get(word), alias or word
        known = _duckdb_behind(ConnectionManager.connections.get(name))
        if _is_duckdb(given) and not _is_same(known, given):
            self.add(name, _ours(given))
            if alias is None:
                self._named_by_variable.add(name)
        elif known is not None:
            self._ours(name)
            if ConnectionManager.current is not ConnectionManager.connections[name]:
                self._announce(f"Switching to connection {name!r}")
            ConnectionManager.current = ConnectionManager.connections[name]
        elif _is_database(word):
            first = ConnectionManager.current is None
            self.add(name, open_database(_unquoted(word)))
            self._announce(f"Connecting {'to' if first else 'and switching to connection'} {name!r}")
        elif (source := _duckdb_behind(ConnectionManager.connections[word])) is not None:
            self.add(name, _ours(source))  # another alias for an open connection

    def forget_variable(self, word: str, variables: Mapping[str, Any]) -> None:
        """Drop the alias of a variable that holds a connection to another database now."""
        if word in self._named_by_variable and _is_foreign_connection(variables.get(word)):
            self._named_by_variable.discard(word)
            ConnectionManager.connections.pop(word, None)

    def add(self, alias: str, connection: Connection) -> None:
        """Give JupySQL a connection, and make it the current one."""
        ConnectionManager.connections.pop(alias, None)
        ConnectionManager.set(
            NotebookConnection(connection, self._cell), displaycon=False, alias=alias, config=self._config
        )

    def remove(self, connection: Connection) -> tuple[list[str], bool]:
        """Take a connection out of JupySQL's list, open as it is; its aliases, and whether it was the current one."""
        forget_closed()
        aliases = [
            alias for alias, known in ConnectionManager.connections.items() if _duckdb_behind(known) is connection
        ]
        is_current = _duckdb_behind(ConnectionManager.current) is connection
        for alias in aliases:
            del ConnectionManager.connections[alias]
        if is_current:
            ConnectionManager.current = None
        return aliases, is_current

    def _ours(self, alias: str) -> NotebookConnection:
        """The connection of an alias, with our statements, also where JupySQL had it before this extension."""
        behind: Any = ConnectionManager.connections[alias]._connection
        if isinstance(behind, NotebookConnection):
            behind.cell = self._cell  # the extension may have been loaded again
            return behind
        self.add(alias, _ours(behind))
        return self._ours(alias)

    def _announce(self, what: str) -> None:
        """As JupySQL announces what it does with a connection string or an alias."""
        if self._config.feedback:
            display.message(what)


def current_connection() -> Connection:
    """See `thano_duckdb.current_connection`."""
    shell = get_ipython()
    magics = shell.magics_manager.registry.get("ThanoMagics") if shell is not None else None
    if magics is None:
        raise ThanoError("no connection to DuckDB in this notebook: use %load_ext thano_duckdb, then %sql")
    current: Connection | None = magics.connections.current
    if current is not None:
        return current
    if ConnectionManager.current is None:
        raise ThanoError(no_connection())
    current_name = name_of(ConnectionManager.current)
    raise ThanoError(f"the current connection is {current_name}: switch to DuckDB first, with {_way_to_duckdb()}")


def no_connection() -> str:
    """What to do where no connection is the current one."""
    known = next(iter(ConnectionManager.connections), None)
    switch = f"switch to one that is open with %sql {known}, or " if known is not None else ""
    return (
        f"No active connection: {switch}open one with %sql my.duckdb (a file) or %sql {URL} (in memory, the tables are "
        "gone when it is closed)"
    )


def forget_closed() -> None:
    """Let no closed connection be the current one: `%sql --close` leaves it there."""
    if ConnectionManager.current not in ConnectionManager.connections.values():
        ConnectionManager.current = None


def name_of(connection: Any) -> str:
    """An open connection as messages show it: its alias, or its kind of database."""
    alias = connection.alias
    return repr(alias) if alias and "://" not in alias else str(getattr(connection, "dialect", None) or "another one")


def _way_to_duckdb() -> str:
    for alias, connection in ConnectionManager.connections.items():
        if _duckdb_behind(connection) is not None:
            return f"%sql {alias}"
    return f"%sql {URL}"


def open_database(name: str = _MEMORY) -> Connection:
    """One of our connections to a database: a file, `:memory:`, or a URL `duckdb://[/file][?setting=value]`."""
    path, settings = name, dict[str, Any]()
    if name.startswith(URL):
        url = make_url(os.path.expandvars(name))
        path, settings = url.database or _MEMORY, dict(url.query)
    return Connection(duckdb.connect(path, config=settings), Settings(), install=install)


def wrong_database(word: str) -> str | None:
    """What to write instead of a file's name that is no DuckDB database, or None for any other word."""
    name = _unquoted(word)
    path = Path(name)
    if path.suffix.lower() not in (*_NEW_FILE_SUFFIXES, ".db", ".sqlite", ".sqlite3") or _FOREIGN.match(word):
        return None
    if not path.exists():
        return f"there is no file '{name}'; to make a new DuckDB database of that name write %sql duckdb:///{name}"
    if _has(path, _SQLITE_MAGIC):
        return f"'{name}' is a database of SQLite, not of DuckDB; to open it write %sql sqlite:///{name}"
    return f"'{name}' is not a DuckDB database"


def _duckdb_behind(connection: Any) -> duckdb.DuckDBPyConnection | Connection | None:
    """The DuckDB connection behind one of JupySQL's, wrapped by us or not."""
    behind = getattr(connection, "_connection", None)  # SQLAlchemy's has no DuckDB connection there
    if isinstance(behind, NotebookConnection):
        return behind.connection
    return behind if _is_duckdb(behind) else None


def _is_duckdb(value: object) -> TypeGuard[duckdb.DuckDBPyConnection | Connection]:
    return isinstance(value, duckdb.DuckDBPyConnection | Connection)


def _is_foreign_connection(value: object) -> bool:
    if value is None or _is_duckdb(value):
        return False
    return isinstance(value, Engine) or is_pep249_compliant(value) or is_spark(value)


def _is_database(word: str) -> bool:
    """Whether a word opens a DuckDB database: where the file exists, its content says so."""
    if word == _MEMORY or word.startswith(URL):
        return True
    path = Path(_unquoted(word))
    if not path.suffix or _FOREIGN.match(word):
        return False
    try:
        return _has(path, _DUCKDB_MAGIC) if path.exists() else path.suffix.lower() in _NEW_FILE_SUFFIXES
    except (OSError, ValueError):  # too long for a file's name
        return False


def _has(path: Path, magic: tuple[int, bytes]) -> bool:
    start, expected = magic
    if not path.is_file():
        return False
    with path.open("rb") as file:
        return file.read(start + len(expected))[start:] == expected


def _unquoted(word: str) -> str:
    return word[1:-1] if len(word) > 1 and word[0] == word[-1] and word[0] in "'\"" else word


def _ours(given: duckdb.DuckDBPyConnection | Connection) -> Connection:
    if isinstance(given, Connection):
        return given
    return Connection(given, Settings(), install=install, owns=False)


def _is_same(known: duckdb.DuckDBPyConnection | Connection | None, given: object) -> bool:
    return known is given or (isinstance(known, Connection) and known.raw is given)
