"""What a connection holds for our functions: its settings, its models, and the statement that is running.

DuckDB calls a registered function with values only. So every connection gets an identifier, kept in its DuckDB
variable `thano_connection`, which the macros of `sql/macros.sql` pass to the functions: that is how a call on any of
DuckDB's threads finds the settings, the progress bar and the cancellation of the statement it belongs to.
"""

from __future__ import annotations

import contextlib
import itertools
import weakref
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import duckdb

from thano_duckdb.audio.limits import ReadLimits
from thano_duckdb.caller import warn
from thano_duckdb.models import resolve
from thano_duckdb.models.registry import Registry, model_home
from thano_duckdb.option import StatementKind
from thano_duckdb.options import find_option

from .running_statement import RunningStatement, replaced_columns_warning

CONNECTION_VARIABLE = "thano_connection"


@dataclass(frozen=True)
class Settings:
    """The keywords of `connect` and `load`.

    Attributes:
        model_home: folder of the models that UPLOAD and BUILD make; None for the default folder.
        device: 'auto', 'cpu', 'cuda', 'cuda:0', 'cuda:1', .. or 'mps'; an option of a statement overrides it.
        precision: 'auto', 'float32', 'bfloat16', 'float16' or 'int8'; likewise.
        progress: a bar on statements that take over two seconds: 'auto' (on a terminal or in a notebook), True, False.
        max_bytes, max_duration, timeout: limits on reading one clip (bytes; seconds of audio; seconds a URL may take),
            None for none; options of a statement override them.
    """

    model_home: Path | None = None
    device: str = "auto"
    precision: str = "auto"
    progress: bool | str = "auto"
    max_bytes: int | None = ReadLimits.max_bytes
    max_duration: float | None = ReadLimits.max_duration_s
    timeout: float | None = ReadLimits.timeout_s

    def __post_init__(self) -> None:
        """Check what options of statements override.

        Raises:
            ThanoError: PREDICT does not take the value.
        """
        for name in ("device", "precision", "max_bytes", "max_duration", "timeout"):
            accepted = find_option(StatementKind.PREDICT, name).accept(getattr(self, name))
            object.__setattr__(self, name, accepted)

    @property
    def read_limits(self) -> ReadLimits:
        """What reading one clip may take."""
        return ReadLimits(self.max_bytes, self.max_duration, self.timeout)


class Session:
    """The state of one connection (a cursor has its own)."""

    def __init__(self, settings: Settings, database: str) -> None:
        """Register the session under a new identifier; `database` is the path of the database file, or ''."""
        self.settings = settings
        self.registry = Registry(model_home(settings.model_home, database))
        self.identifier = f"connection-{next(_identifiers)}"
        self._statement: RunningStatement | None = None
        _sessions[self.identifier] = self

    @property
    def statement(self) -> RunningStatement | None:
        """The statement that is running, or None where a function is called outside any (plain DuckDB)."""
        return self._statement

    @contextlib.contextmanager
    def running(self, statement: RunningStatement) -> Iterator[None]:
        """Let our functions report to `statement` within the block, which each fetch of its rows enters again."""
        outer, self._statement = self._statement, statement
        try:
            yield
        finally:
            self._statement = outer

    def resolve(self, spec: str, *, allow_external: bool) -> resolve.ResolvedModel:
        """What a model's name means: the same throughout a statement, which warns if another model stands in.

        Raises:
            ModelError: see `resolve.resolve`.
        """

        def find() -> resolve.ResolvedModel:
            return resolve.resolve(spec, self.registry, allow_external=allow_external)

        if self._statement is not None:
            return self._statement.resolve(spec, find)
        resolved = find()
        if resolved.notice:
            warn(resolved.notice)
        return resolved

    def notice(self, sentence: str) -> None:
        """Warn of something about the statement that is running: at its end, and once."""
        if self._statement is not None:
            self._statement.notice(sentence)
        else:
            warn(sentence)

    def column_replaced(self, name: str) -> None:
        """Warn that a new column replaces the query's of that name: at the end of the statement, and once."""
        if self._statement is not None:
            self._statement.column_replaced(name)
        else:
            warn(replaced_columns_warning([name]))


_identifiers = itertools.count(1)
_sessions: weakref.WeakValueDictionary[str, Session] = weakref.WeakValueDictionary()


def open_session(connection: duckdb.DuckDBPyConnection, settings: Settings) -> Session:
    """A session for `connection`, tied to it by its DuckDB variable."""
    row = connection.execute("SELECT path FROM duckdb_databases() WHERE database_name = current_database()").fetchone()
    session = Session(settings, (row[0] if row else None) or "")
    connection.execute(f"SET VARIABLE {CONNECTION_VARIABLE} = '{session.identifier}'")
    return session


def find_session(identifier: str | None) -> Session:
    """The session that a function's call belongs to.

    Raises:
        LookupError: the connection was closed, or its variable was changed.
    """
    session = _sessions.get(identifier or "")
    if session is None:
        raise LookupError("this connection has no session of thano_duckdb: call thano_duckdb.load(connection)")
    return session
