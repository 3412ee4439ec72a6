"""URLs that the database itself can open: with its own secrets, settings and registered file systems.

What can be opened is asked of DuckDB: the types of secrets that it knows name the extensions that are loaded, without a
look at the disk, and `list_filesystems` names what Python has registered (`con.register_filesystem`). Each URL is read
by `read_blob` on a cursor, so the statement that is running is not disturbed. A cursor shares the secrets of the
database, and its global settings; those that were `SET` on the connection alone are copied to it. All names in these
queries are qualified with `system.main`, as in `access`.
"""

from __future__ import annotations

import contextlib
import re
from collections.abc import Callable, Mapping
from functools import cached_property
from typing import Any

import duckdb

from thano_duckdb.audio.failure import UnreadableAudioError, one_line
from thano_duckdb.audio.protocols import WEB
from thano_duckdb.dialect.quoting import identifier, literal
from thano_duckdb.errors import brief_location
from thano_duckdb.masking import mask_secrets

PROTOCOLS = {
    "httpfs": (*WEB, "s3", "s3a", "gs", "gcs", "hf"),
    "azure": ("az",),
}
"""What each extension of DuckDB opens, of the protocols that are read at all."""

_LOADED = "SELECT extension FROM system.main.duckdb_secret_types()"
_INSTALLED = (
    "SELECT extension_name, installed, system.main.current_setting('autoload_known_extensions') "
    "FROM system.main.duckdb_extensions()"
)
_SECRETS = "SELECT type, scope FROM system.main.duckdb_secrets()"
_SETTINGS = "SELECT name, value, scope FROM system.main.duckdb_settings()"
_FILE_SETTING = re.compile(
    r"(?:s3|http|httpfs|hf|azure)_\w+|ca_cert_file|enable_(?:server|curl_server)_cert_verification|force_download\w*"
    r"|auto_fallback_to_full_download|merge_http_secret_into_s3_request|unsafe_disable_etag_checks"
)
"""The settings of httpfs and azure."""
_HUB_FILE = re.compile(r"hf://(?:datasets|spaces)/")
_NOT_FOUND = re.compile(r"^FileNotFoundError|\bHTTP 404\b")
_DENIED = re.compile(r"^PermissionError|\bHTTP 40[13]\b")


def file_settings(connection: duckdb.DuckDBPyConnection) -> dict[str, str]:
    """The settings about remote files that a connection has for itself alone (`SET s3_region = ..`).

    Raises:
        duckdb.Error: the connection cannot be asked now.
    """
    rows = connection.sql(_SETTINGS).fetchall()
    return {name: value for name, value, scope in rows if scope == "LOCAL" and value and _FILE_SETTING.fullmatch(name)}


def file_cursor(connection: duckdb.DuckDBPyConnection, settings: Mapping[str, str]) -> duckdb.DuckDBPyConnection:
    """A cursor to read files on, with these settings.

    Closing a connection closes its cursors, and would wait for a read that was given up. A cursor of a cursor that is
    gone is not among them.
    """
    cursor = connection.cursor().cursor()
    with contextlib.suppress(duckdb.Error):  # lock_configuration
        for name, value in settings.items():
            cursor.execute(f"SET SESSION {identifier(name)} = {literal(value)}")
    return cursor


class DatabaseFiles:
    """Implements `audio.database_file.DatabaseFiles` for one database. Any thread may use it."""

    def __init__(self, open_cursor: Callable[[], duckdb.DuckDBPyConnection], *, with_web: bool) -> None:
        """Read on cursors that `open_cursor` gives.

        Args:
            open_cursor: see `file_cursor`.
            with_web: also read the `http(s)://` URLs for which there is a secret. DuckDB follows each redirect.
        """
        self._open_cursor = open_cursor
        self._with_web = with_web

    def reads(self, url: str, protocol: str) -> bool:
        """Whether the database opens `url`: an extension or a registered file system does.

        A web URL is left to our own client, which checks redirects, unless a secret of type http covers it.
        """
        if protocol in WEB:
            return self._with_web and "httpfs" in self._extensions and url.startswith(self._secret_scopes)
        if protocol in self._registered:
            return True
        if protocol == "hf" and not _HUB_FILE.match(url):  # DuckDB opens files of data sets and spaces alone
            return False
        return any(protocol in PROTOCOLS.get(extension, ()) for extension in self._extensions)

    def open(self, url: str) -> DatabaseFile:
        """The file at `url`, not read yet."""
        return DatabaseFile(self._open_cursor, url)

    @cached_property
    def _registered(self) -> frozenset[str]:
        """The protocols of the file systems that were registered in Python."""
        with contextlib.closing(self._open_cursor()) as cursor:
            return frozenset(cursor.list_filesystems())

    @cached_property
    def _extensions(self) -> frozenset[str]:
        """The extensions that are loaded, or that DuckDB loads when they are first needed."""
        loaded = {extension for (extension,) in self._ask(_LOADED)}
        installed = {name for name, is_installed, autoloads in self._ask(_INSTALLED) if is_installed and autoloads}
        return frozenset(loaded | installed)

    @cached_property
    def _secret_scopes(self) -> tuple[str, ...]:
        """How the URLs begin for which there is a secret of type http."""
        scopes = [scope or [""] for kind, scope in self._ask(_SECRETS) if kind == "http"]
        return tuple(beginning for scope in scopes for beginning in scope)

    def _ask(self, sql: str) -> list[tuple[Any, ...]]:
        """Rows about the database; none where it may not look at its own folders (`enable_external_access=false`)."""
        with contextlib.closing(self._open_cursor()) as cursor:
            try:
                return cursor.execute(sql).fetchall()
            except duckdb.PermissionException:
                return []


class DatabaseFile:
    """A file that `read_blob` opens; implements `audio.database_file.DatabaseFile`."""

    def __init__(self, open_cursor: Callable[[], duckdb.DuckDBPyConnection], url: str) -> None:
        """The file at `url`, to be read on a cursor of its own."""
        self._cursor = open_cursor()
        self._url = url

    def n_bytes(self) -> int:
        """The size, without the content."""
        return int(str(self._read("size")))

    def content(self) -> bytes:
        """All the bytes."""
        content = self._read("content")
        assert isinstance(content, bytes)
        return content

    def interrupt(self) -> None:
        """Stop what another thread reads; a request that is on its way is answered first."""
        with contextlib.suppress(duckdb.Error):  # it was closed meanwhile
            self._cursor.interrupt()

    def close(self) -> None:
        """Close the cursor."""
        self._cursor.close()

    def _read(self, column: str) -> object:
        """One column of `read_blob`.

        Raises:
            UnreadableAudioError: with the reason.
        """
        try:
            rows = self._cursor.execute(f"SELECT {column} FROM system.main.read_blob({_named(self._url)})").fetchall()
        except duckdb.Error as error:
            raise UnreadableAudioError(self._reason(error)) from error
        if not rows:
            raise UnreadableAudioError(self._reason(FileNotFoundError("FileNotFoundError")))
        return rows[0][0]

    def _reason(self, error: Exception) -> str:
        """One sentence without the secrets that DuckDB's own message may quote."""
        protocol = self._url.partition("://")[0]
        text = str(error).replace(self._url, brief_location(self._url))
        if text.startswith("Traceback"):  # of a file system that is written in Python
            text = text.splitlines()[-1]
        text = mask_secrets(text)
        if _NOT_FOUND.search(text):
            return f"There is nothing at this {protocol}:// address."
        if _DENIED.search(text):
            return f"Access to this {protocol}:// address is denied; check the secret of the database (CREATE SECRET)."
        return f"DuckDB cannot read it: {one_line(Exception(text))}."


def _named(url: str) -> str:
    """The argument of `read_blob` for a name that is taken as it is; in a text, `*` and `[` would make it a pattern."""
    return f"system.main.struct_pack(filename := {literal(url)})::VARIANT"
