"""What a connection holds for our functions: its settings, its models, and the statement that is running.

DuckDB calls a registered function with values only, on any of its threads, and a function belongs to the whole
database: every connection to it can call it. So two questions must be answered that no argument may be trusted with:

- **Which connection calls?** Each session has a token of 128 random bits. It is part of the text of the temporary
  macros of its connection, which no other connection can see or call, and is compared with nothing but itself: whoever
  has a token has the macros. It is no SQL variable, so it cannot be set, and we write it to no database file, view,
  name of a column or message. It is no secret from what runs on the connection itself: a view of somebody else's that
  the connection selects from can read it (`duckdb_functions()`) and hand it on, as it could hand on what the macros
  return. DuckDB does not tell a Python function which connection calls, so connections of one database trust each
  other's views. The query log would show the token too; `lock_configuration` prevents that.
- **Is a change asked for?** A function that changes models or writes files asks whether the text of the statement that
  its session runs holds this very call, see `check_asked_for`: neither a view, nor a token from elsewhere, nor another
  change that the statement does ask for is enough. A secret in the statement's SQL would prove less: a view reads it by
  `current_query()`.
- **What may it read and write?** The function asks the database of its session's connection, see `access`. The macros
  pass nothing about it.

The session knows its connection by a weak reference, so it keeps no database open.
"""

from __future__ import annotations

import contextlib
import re
import secrets
import weakref
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import duckdb

from thano_duckdb.audio.limits import ReadLimits
from thano_duckdb.cache_options import DEFAULT_CACHE_BYTES
from thano_duckdb.caller import warn
from thano_duckdb.errors import RegistryError, ThanoError
from thano_duckdb.models import resolve
from thano_duckdb.models.registry import Registry, model_home
from thano_duckdb.settings import SETTINGS, find_setting

from .access import Access, access_of
from .database_files import file_cursor, file_settings
from .running_statement import RunningStatement, not_scored_warnings, replaced_columns_warning
from .running_statements import RunningStatements

_SETS = re.compile(r"\b(?:SET|RESET)\b", re.IGNORECASE)


@dataclass(frozen=True)
class Settings:
    """The keywords of `connect` and `load`.

    Attributes:
        model_home: folder of the models that UPLOAD and BUILD make; None for the default folder.
        device: 'auto', 'cpu', 'openvino', 'cuda', 'cuda:0', 'cuda:1', .. or 'mps'; an option of a statement overrides
            it.
        precision: 'auto', 'float32', 'bfloat16', 'float16' or 'int8'; likewise.
        workers: how many processes transcribe; None for one for each GPU; likewise.
        cluster: 'off', 'auto', 'ray' or the address of a Ray cluster; likewise.
        progress: a bar on statements that take over two seconds: 'auto' (on a terminal or in a notebook), True, False.
        max_bytes, max_duration, timeout: limits on reading one clip (bytes; seconds of audio; seconds a URL may take),
            None for none; options of a statement override them.
        cache: whether transcripts are kept in the model home, or in which schema; likewise.
        cache_max_bytes: size of that cache in the model home at most, None for any; likewise.
    """

    model_home: Path | None = None
    device: str = "auto"
    precision: str = "auto"
    progress: bool | str = "auto"
    max_bytes: int | None = ReadLimits.max_bytes
    max_duration: float | None = ReadLimits.max_duration_s
    timeout: float | None = ReadLimits.timeout_s
    cache: bool | str = False
    cache_max_bytes: int | None = DEFAULT_CACHE_BYTES
    workers: int | None = None
    cluster: str = "off"

    def __post_init__(self) -> None:
        """Check what options of statements override.

        Raises:
            ThanoError: PREDICT does not take the value.
        """
        for name in SETTINGS:
            setting, value = find_setting(name), getattr(self, name)
            if value is not None or setting.default is not None:  # else NULL means that it is omitted
                object.__setattr__(self, name, setting.accept(value))

    @property
    def read_limits(self) -> ReadLimits:
        """What reading one clip may take."""
        return ReadLimits(self.max_bytes, self.max_duration, self.timeout)


class Session:
    """The state of one connection (a cursor has its own).

    Attributes:
        settings: of the connection, as they are now.
        given_settings: those that `connect` or `load` was given, which RESET brings back.
        registry: its models.
        token: what the macros of the connection name it by; see the module's docstring.
        knows_statements: its connection is a `Connection`, which announces every statement that it runs.
        statements: those that run on the connection, where it announces them.
        file_settings: those of DuckDB's about remote files that the connection has for itself alone.
    """

    def __init__(
        self,
        connection: duckdb.DuckDBPyConnection,
        settings: Settings,
        registry: Registry,
        *,
        knows_statements: bool = True,
    ) -> None:
        """Open a session for `connection`."""
        self.settings = settings
        self.given_settings = settings
        self.registry = registry
        self.knows_statements = knows_statements
        self.token = secrets.token_hex(16)
        self._connection = weakref.ref(connection)
        self.statements = RunningStatements()
        self.file_settings: dict[str, str] = {}
        self._settings_changed = False
        _sessions[self.token] = self

    @property
    def statement(self) -> RunningStatement | None:
        """The statement that is running, or None where a function is called outside any (plain DuckDB)."""
        return self.statements.current

    @contextlib.contextmanager
    def access(self) -> Iterator[Access]:
        """What the database of this connection lets a statement read and write; within the block.

        Raises:
            LookupError: the connection does not exist any more.
        """
        with access_of(self._open_connection(), self.file_settings) as access:
            yield access

    def file_cursor(self) -> duckdb.DuckDBPyConnection:
        """See `database_files.file_cursor`.

        Raises:
            LookupError: the connection does not exist any more.
        """
        return file_cursor(self._open_connection(), self.file_settings)

    def _open_connection(self) -> duckdb.DuckDBPyConnection:
        connection = self._connection()
        if connection is None:
            raise LookupError(NO_SESSION)
        return connection

    def cursor(self) -> duckdb.DuckDBPyConnection:
        """A cursor of the connection, with transactions of its own, on which something is done while a statement runs.

        Raises:
            LookupError: the connection does not exist any more.
        """
        connection = self._connection()
        if connection is None:
            raise LookupError(NO_SESSION)
        return connection.cursor()

    def note_settings(self, text: str) -> None:
        """A statement of this text is about to run; it may change settings."""
        self._settings_changed |= bool(_SETS.search(text))

    def update_settings(self, connection: duckdb.DuckDBPyConnection) -> None:
        """Read the settings of the connection again if they may have changed: not while a statement runs on it."""
        if self._settings_changed:
            with contextlib.suppress(duckdb.Error):  # not now: rows of its last `execute` are left to fetch
                self.file_settings = file_settings(connection)
                self._settings_changed = False

    def set(self, name: str, value: Any) -> None:
        """Change a setting for the statements that follow on this connection, and for its later cursors.

        Raises:
            ThanoError: there is no setting `name`, or it does not take the value.
        """
        find_setting(name)
        self.settings = replace(self.settings, **{name: value})

    def reset(self, name: str) -> None:
        """Bring back the value of a setting that the connection began with.

        Raises:
            ThanoError: there is no setting `name`.
        """
        find_setting(name)
        self.set(name, getattr(self.given_settings, name))

    def check_asked_for(self, function: str, *, is_last: bool = True, **arguments: object) -> None:
        """Refuse to change models or data sets where the user's statement does not say so.

        A view or a macro that it uses may be somebody else's. Of a plain connection, whose statements are not known,
        nothing is refused.

        Args:
            function: what changes something, such as `delete_model`.
            is_last: the change follows; False where the same call asks again before.
            arguments: what it is called with, apart from rows, by the names of the macro's parameters.

        Raises:
            RegistryError: the statement that is running does not say so, or it said so once and that is done.
        """
        if not self.knows_statements:
            return
        if (statement := self.statement) is None or not statement.allows(function, arguments, is_last=is_last):
            raise RegistryError(
                f"thano_{function} was called by a view or a macro, or more often than the statement says: models, "
                "data sets and settings are changed only by a statement that says so itself"
            )

    def check_not_planning(self) -> None:
        """Refuse to run a model, or to read whole clips, for a statement that is only explained.

        Raises:
            ThanoError: its query transcribes too.
        """
        if (statement := self.statement) is not None and statement.is_plan:
            raise ThanoError(
                "its query transcribes too, and EXPLAIN runs no model, so that the rows of the query are not known"
            )

    def check_changes_allowed(self, access: Access, what: str) -> None:
        """Refuse to change models or data sets on a read-only database, or where it may not write into the model home.

        Raises:
            RegistryError: `what` is refused.
        """
        if access.is_read_only:
            raise RegistryError(f"the database is open read-only, and so are its models: {what} is refused")
        if not access.allows_folder(self.registry.home):
            raise RegistryError(
                f"this database may not write files (enable_external_access=false, or the model home is not within its "
                f"allowed_directories), so {what} is refused"
            )

    def resolve(
        self,
        spec: str,
        access: Access,
        *,
        checks_folder: bool = True,
        is_base: bool = False,
        downloads: bool = True,
    ) -> resolve.ResolvedModel:
        """What a model's name means: the same throughout a statement, which warns if another model stands in.

        For `checks_folder`, `is_base` and `downloads` see `resolve.resolve`.

        Raises:
            ModelError: see `resolve.resolve`.
        """

        def find() -> resolve.ResolvedModel:
            allowed = may_use(spec, access)
            return resolve.resolve(
                spec,
                self.registry,
                allow_external=allowed,
                checks_folder=checks_folder,
                is_base=is_base,
                downloads=downloads,
            )

        if (statement := self.statement) is not None:
            return statement.resolve(spec, find)
        resolved = find()
        if resolved.notice:
            warn(resolved.notice)
        return resolved

    def check_model(self, spec: str) -> None:
        """Refuse a `spec` that cannot mean any model, without using the network.

        Raises:
            ModelError: as `resolve` would.
        """
        if resolve.is_known(spec, self.registry):
            return
        with self.access() as access:
            resolve.check(spec, self.registry, allow_external=may_use(spec, access))

    def notice(self, sentence: str) -> None:
        """Warn of something about the statement that is running: at its end, and once."""
        if (statement := self.statement) is not None:
            statement.notice(sentence)
        else:
            warn(sentence)

    def rows_not_scored(self, n_without_reference: int, n_without_audio: int) -> None:
        """Warn of rows that EVALUATE does not score: at the end of the statement, which adds up those of its groups."""
        if (statement := self.statement) is not None:
            statement.rows_not_scored(n_without_reference, n_without_audio)
        else:
            for sentence in not_scored_warnings(n_without_reference, n_without_audio):
                warn(sentence)

    def column_replaced(self, name: str) -> None:
        """Warn that a new column replaces the query's of that name: at the end of the statement, and once."""
        if (statement := self.statement) is not None:
            statement.column_replaced(name)
        else:
            warn(replaced_columns_warning([name]))


def may_use(spec: str, access: Access) -> bool:
    """Whether a model outside of the registry may be used: its folder, or the hub."""
    if resolve.is_path(spec):
        return access.allows_folder(resolve.local_folder(spec))
    return access.allows(spec) if spec.startswith("hf://") else access.is_unrestricted


NO_SESSION = "this connection has no session of thano_duckdb: call thano_duckdb.load(connection)"

_sessions: weakref.WeakValueDictionary[str, Session] = weakref.WeakValueDictionary()


def open_session(
    connection: duckdb.DuckDBPyConnection, settings: Settings, *, knows_statements: bool = True
) -> Session:
    """A session for `connection`, whose models are those of its database; see `Session.knows_statements`."""
    query = "SELECT path FROM system.main.duckdb_databases() WHERE database_name = system.main.current_database()"
    try:
        rows = connection.sql(query).fetchall()
    except duckdb.ResourceInUseException:  # rows of its last `execute` are left to fetch: they stay
        with contextlib.closing(connection.cursor()) as cursor:
            rows = cursor.execute(query).fetchall()
    database = (rows[0][0] if rows else None) or ""
    registry = Registry(model_home(settings.model_home, database))
    return Session(connection, settings, registry, knows_statements=knows_statements)


def find_session(token: object) -> Session:
    """The session that a function's call belongs to.

    Raises:
        LookupError: there is no such session: the connection was closed, or the function was not called by a macro.
    """
    session = _sessions.get(token) if isinstance(token, str) else None
    if session is None:
        raise LookupError(NO_SESSION)
    return session
