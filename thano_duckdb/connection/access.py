"""What the settings of a database let our functions read and write: the rules of DuckDB's own readers.

`enable_external_access`, `disabled_filesystems`, `allowed_directories` and `allowed_paths` are settings of the whole
database. DuckDB itself is asked about each path: its `glob` refuses what `read_blob` would refuse, in the same way
whether the file exists or not. It is asked twice, because it resolves `..` in the text before it follows links, while
the operating system follows a link first: for the path as DuckDB reads it, and for the file that it leads to. Every
name in these queries is qualified with `system.main`, where nobody can create anything, so no macro can answer in
DuckDB's place.

URLs are compared with the settings here: DuckDB needs an extension for most of them, takes `HTTP://` for a local path,
and does not decode `%2e%2e`, which a client does.
"""

from __future__ import annotations

import contextlib
import os
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from functools import cached_property, partial
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import duckdb

from thano_duckdb.audio.limits import ReadLimits
from thano_duckdb.audio.source import Clip
from thano_duckdb.dialect.quoting import literal

from .database_files import DatabaseFiles, file_cursor

_SETTINGS = "SELECT system.main.current_setting('enable_external_access'), system.main.current_setting('access_mode')"
_LISTED = "SELECT system.main.current_setting('allowed_directories'), system.main.current_setting('allowed_paths')"
_PRINTABLE_URL = re.compile(r"[^:/]+://[^\s\\\x00-\x20\x7f-\x9f]+")
_ANY_FILE = "a file that need not exist"


class Access:
    """What one statement may read and write. Its settings are read once, when they are first needed."""

    def __init__(
        self,
        ask: Callable[[str], list[tuple[Any, ...]]],
        open_cursor: Callable[[], duckdb.DuckDBPyConnection] | None = None,
    ) -> None:
        """Ask a database.

        Args:
            ask: runs a query on a connection of the database and returns its rows.
            open_cursor: see `database_files.file_cursor`; None: the database opens no URLs itself.
        """
        self._ask = ask
        self._open_cursor = open_cursor

    @cached_property
    def _answers(self) -> tuple[bool, bool, bool]:
        """Whether external access is on, whether the database is read-only, and whether it opens any local file.

        By default one query answers all. DuckDB does not say which file systems are disabled, but refuses a query with
        a path of theirs.
        """
        opens_files = True
        try:
            external, mode = self._ask(f"{_SETTINGS} FROM (VALUES (0)) LEFT JOIN {_glob(_ANY_FILE)} ON true LIMIT 1")[0]
        except duckdb.Error:
            opens_files = False
            external, mode = self._ask(_SETTINGS)[0]
        return bool(external), str(mode).casefold() == "read_only", opens_files

    @property
    def _is_external(self) -> bool:
        return self._answers[0]

    @property
    def is_read_only(self) -> bool:
        """Whether the database was opened with `read_only=True`."""
        return self._answers[1]

    @property
    def is_unrestricted(self) -> bool:
        """Whether everything may be read and written, as by default."""
        return self._is_external and self._answers[2]

    def allows(self, location: str) -> bool:
        """Whether the file at a path or URL may be read and written, whether it exists or not."""
        if self.is_unrestricted:
            return True
        if Clip.of(location).is_url:
            return self._is_external or self._is_listed(location)
        try:
            return self._is_path_open(Clip.of(location).written_path)
        except ValueError:  # no path: a NUL in it
            return False

    def allows_folder(self, folder: Path) -> bool:
        """Whether the files of a folder may be read and written, whether it exists or not."""
        if self.is_unrestricted:
            return True
        try:
            if not self.allows_within(str(folder)):
                return False
            with contextlib.suppress(OSError):
                return all(self._is_path_open(str(file)) for file in folder.iterdir())  # a link may lead out of it
        except ValueError:
            return False
        return True

    def allows_within(self, folder: str) -> bool:
        """Whether files in a folder may be read, unless they are links that lead elsewhere."""
        return self.is_unrestricted or self._is_path_open(os.path.join(folder, _ANY_FILE))

    def allows_name(self, path: str) -> bool:
        """Whether the name of a local file, which need not exist, may be known: it lies in a folder that may be read.

        The file itself may be a link to somewhere else.
        """
        return self.is_unrestricted or self._is_open(os.path.join(os.path.realpath(os.path.dirname(path)), _ANY_FILE))

    def limited(self, limits: ReadLimits) -> ReadLimits:
        """`limits`, with what the database opens itself, and without redirects where only some URLs are allowed.

        A server could redirect to any other URL, and DuckDB would follow.
        """
        if not self._is_external:
            limits = replace(limits, max_redirects=0)
        if self._open_cursor is None:
            return limits
        return replace(limits, database=DatabaseFiles(self._open_cursor, with_web=self._is_external))

    def _is_listed(self, url: str) -> bool:
        """Whether a URL is one of `allowed_paths`, or lies within one of `allowed_directories`."""
        url = _normalized(url)
        folders, files = self._listed_urls
        return bool(url) and (url in files or url.startswith(folders))

    @cached_property
    def _listed_urls(self) -> tuple[tuple[str, ...], frozenset[str]]:
        """The URLs of `allowed_directories`, each with a `/` at its end, and those of `allowed_paths`."""
        folders, files = self._ask(_LISTED)[0]
        return tuple(filter(None, map(_normalized, folders))), frozenset(filter(None, map(_normalized, files)))

    def _is_path_open(self, path: str) -> bool:
        """Whether DuckDB would open a local file, and the file that its links lead to."""
        return all(self._is_open(each) for each in {os.path.abspath(path), os.path.realpath(path)})

    def _is_open(self, location: str) -> bool:
        """Whether DuckDB would open a file or URL. It checks the text before it expands `*` and the like."""
        try:
            self._ask(f"SELECT 1 FROM {_glob(location)} LIMIT 1")
        except duckdb.Error:  # a refusal, as a rule; whatever else it is, nothing says that it is allowed
            return False
        return True


def _normalized(url: str) -> str:
    """A URL with its protocol and host in lower case; empty where it may mean another URL than its text says."""
    if not _PRINTABLE_URL.fullmatch(url):
        return ""
    protocol, _, rest = url.partition("://")
    host, slash, path = rest.partition("/")
    folders = re.split(r"[/\\;?#]", unquote(path))
    return "" if ".." in folders or "." in folders else f"{protocol.lower()}://{host.lower()}{slash}{path}"


def _glob(location: str) -> str:
    return f"system.main.glob({literal(location)})"


@contextlib.contextmanager
def access_of(connection: duckdb.DuckDBPyConnection, file_settings: Mapping[str, str]) -> Iterator[Access]:
    """The access of a connection's database within the block.

    It is asked on a cursor, so that a running statement is not disturbed. `file_settings` are those of the connection
    alone, see `database_files`.

    Raises:
        duckdb.ConnectionException: the connection is closed.
    """
    cursor = connection.cursor()
    try:
        yield Access(lambda sql: cursor.execute(sql).fetchall(), partial(file_cursor, connection, file_settings))
    finally:
        cursor.close()


def in_transaction(connection: duckdb.DuckDBPyConnection) -> bool:
    """Whether a transaction was begun on a connection: outside any, each query has one of its own.

    Raises:
        duckdb.ResourceInUseException: rows of its last `execute` are left to fetch; they are not touched.
        duckdb.TransactionException: the transaction has failed, and only ROLLBACK is left.
    """
    query = "SELECT system.main.current_transaction_id()"
    return connection.sql(query).fetchall() == connection.sql(query).fetchall()
