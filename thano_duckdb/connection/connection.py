"""`Connection`: a DuckDB connection whose statements may be ours.

It has the whole API of `duckdb.DuckDBPyConnection`. What takes SQL text rewrites it first; everything else is passed on
to DuckDB as it is. All that DuckDB is asked happens within a `Run`.
"""

from __future__ import annotations

import contextlib
import functools
import threading
import weakref
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from types import TracebackType
from typing import Any, Self

import duckdb

from thano_duckdb.audio.limits import ReadLimits
from thano_duckdb.caller import call_in_user_frame
from thano_duckdb.dialect import rewrite, rewrite_to_find_tables
from thano_duckdb.errors import ThanoError

from .access import Access
from .closing import close
from .database_files import file_cursor
from .explanation import explained
from .interrupts import delayed_interrupts
from .parse_errors import parse_errors_translated
from .relation import Relation, adopt
from .request import NO_TEXT, Request, reading_ahead, refuse_in_transaction, understand
from .running_statement import RunningStatement, StopReason
from .session import Session, Settings, open_session
from .sql_run import Run, run_leading_statements

__all__ = ["Connection"]

Install = Callable[[duckdb.DuckDBPyConnection, Session], None]
"""Puts our functions and the macros of a session on a connection: `thano_duckdb.functions.install`."""

_FETCH_ALL = frozenset({"fetchdf", "fetch_df", "df", "fetchnumpy", "to_arrow_table", "torch", "tf"})
"""After these, as after `fetchall`, no rows are left."""


class Connection:
    """A DuckDB connection that understands the statements of our dialect.

    Attributes not listed here are `duckdb.DuckDBPyConnection`'s own. Relations that it returns are DuckDB relations.

    Example:
        >>> import thano_duckdb
        >>> with thano_duckdb.connect() as con:
        ...     models = con.sql("SELECT name FROM (LIST THANOSQL MODEL)")
        ...     print(models.filter("name LIKE '%TinyEn'").fetchall())
        [('Wav2Vec2TinyEn',)]
    """

    def __init__(
        self,
        raw: duckdb.DuckDBPyConnection,
        settings: Settings,
        *,
        install: Install,
        owns: bool = True,
        session: Session | None = None,
    ) -> None:
        """Take over a connection.

        Args:
            raw: DuckDB's connection, which `close` closes.
            settings: for our functions.
            install: puts our functions on `raw`, and on the cursors made of it.
            owns: also close `raw` when this object is deleted.
            session: of a new cursor. Default: a new one.

        Functions and macros are installed before the first statement, whatever it is: a view that it reads may need
        them, and macros of the same names in the database would take their place.
        """
        self._raw = raw
        self._install = install
        self._is_installed = False
        self._installing = threading.Lock()
        self._is_interrupted = False
        self._executed: Run | None = None
        """The run of the last `execute`, open while rows of it may be left to fetch."""
        self._requests: weakref.WeakKeyDictionary[Relation, Request] = weakref.WeakKeyDictionary()
        with delayed_interrupts():
            self._session = session or open_session(raw, settings)
            # Not where rows of the last `execute` are left to fetch, or with lock_configuration.
            with contextlib.suppress(duckdb.ResourceInUseException, duckdb.InvalidInputException):
                raw.sql("SET enable_progress_bar = false")  # it moves only every 2,048 clips: ours replaces it
        if owns:
            weakref.finalize(self, raw.close)  # DuckDB complains at exit of what was left open

    @property
    def raw(self) -> duckdb.DuckDBPyConnection:
        """DuckDB's own connection behind this one."""
        self._install_once()
        return self._raw

    def access(self) -> AbstractContextManager[Access]:
        """What the database lets a statement read and write, within the block."""
        return self._session.access()

    @property
    def read_limits(self) -> ReadLimits:
        """What reading one clip may take, unless a statement says otherwise."""
        return self._session.settings.read_limits

    def file_cursor(self) -> duckdb.DuckDBPyConnection:
        """DuckDB's own cursor, with the settings of this connection about remote files, to read such files on."""
        return file_cursor(self._raw, self._session.file_settings)

    # Methods that take SQL text

    def sql(self, query: Any, *, alias: str = "", params: object = None) -> Any:
        """Run SQL text, our statements or DuckDB's; a query gives a relation, which runs when it is read.

        Raises:
            DialectError: one of our statements is not well formed, or names a column or a model that does not exist.

        Example:
            >>> import thano_duckdb
            >>> from thano_duckdb.models.bundled import dataset_folder
            >>> con = thano_duckdb.connect()
            >>> folder = dataset_folder("librispeech_data")
            >>> _ = con.execute(f"CREATE TABLE clips AS FROM thano_audio('{folder}/09*.flac')")
            >>> transcripts = con.sql("PREDICT USING Wav2Vec2TinyEn AS SELECT audio_path, duration FROM clips LIMIT 4")
            >>> transcripts.columns
            ['audio_path', 'duration', 'predicted']
            >>> transcripts.filter("predicted LIKE '% CITY'").project("predicted").fetchall()
            [('IT TOOK AN HOUR TO CROSS THE CITY',)]
            >>> con.close()
        """
        return self._relation(query, functools.partial(self._raw.sql, alias=alias), params, ahead=params is None)

    query = sql
    from_query = sql

    def execute(self, query: Any, parameters: object = None) -> Self:
        """Run SQL text; its rows are fetched from this connection, as with DuckDB.

        Raises:
            DialectError: one of our statements is not well formed, or names a column or a model that does not exist.

        Example:
            >>> import thano_duckdb
            >>> from thano_duckdb.models.bundled import dataset_folder
            >>> con = thano_duckdb.connect()
            >>> clip = str(dataset_folder("librispeech_data") / "093.flac")
            >>> _, text = con.execute("PREDICT USING Wav2Vec2TinyEn AS SELECT ? AS audio_path", [clip]).fetchone()
            >>> text
            'IT TOOK AN HOUR TO CROSS THE CITY'
            >>> con.close()
        """
        self._end_executed()
        request = self._understand(query, discards_rows=True)
        request, parameters = explained(self._raw, self._session, request, parameters)
        if parameters is None:
            request = reading_ahead(request, self._raw)
        run = Run(self._raw, self._session, request)
        refuse_in_transaction(run.request, self._raw)
        with run.step():
            call_in_user_frame(self._raw.execute, run.request.sql, parameters)
        run.end_without_rows()
        self._executed = run
        return self

    def executemany(self, query: Any, parameters: object = None) -> Self:
        """Run SQL text once for each set of parameters."""
        self._end_executed()
        request = self._understand(query, discards_rows=True)
        with self._whole_run(request):
            call_in_user_frame(self._raw.executemany, request.sql, parameters)
        return self

    def fetchone(self) -> tuple[Any, ...] | None:
        """The next row of the last `execute`, or None."""
        with self._step():
            row: tuple[Any, ...] | None = self._raw.fetchone()
        if row is None:
            self._end_executed()
        return row

    def fetchmany(self, size: int = 1) -> list[Any]:
        """The next `size` rows of the last `execute` at most."""
        with self._step():
            rows = self._raw.fetchmany(size)
        if not rows:
            self._end_executed()
        return rows

    def fetchall(self) -> list[Any]:
        """The rows of the last `execute` that are left."""
        with self._step():
            rows = self._raw.fetchall()
        self._end_executed()
        return rows

    def extract_statements(self, query: str) -> list[duckdb.Statement]:
        """Parse SQL text, our statements or DuckDB's, into DuckDB's statements, which `execute` and `sql` take."""
        self._session.statements.check_not_closing()
        with parse_errors_translated(query):
            return self._raw.extract_statements(rewrite(query))

    def get_table_names(self, query: str, *, qualified: bool = False) -> set[str]:
        """The tables that SQL text reads, our statements or DuckDB's."""
        self._install_once()
        with parse_errors_translated(query):
            return self._raw.get_table_names(rewrite_to_find_tables(query), qualified=qualified)

    # Opening and closing

    def cursor(self) -> Connection:
        """A connection of its own to the same database, with the same settings, for another thread.

        Example:
            >>> import thano_duckdb
            >>> con = thano_duckdb.connect()
            >>> _ = con.execute("CREATE TABLE t AS SELECT 'Yes!' AS text")
            >>> with con.cursor() as cursor:
            ...     print(cursor.execute("SELECT thano_normalize(text) FROM t").fetchall())
            [('yes',)]
            >>> con.close()
        """
        self._session.statements.check_not_closing()
        raw = self._raw.cursor()
        session = Session(raw, self._session.given_settings, self._session.registry)
        session.settings = self._session.settings
        return Connection(raw, session.settings, install=self._install, session=session)

    duplicate = cursor

    def begin(self) -> Self:
        """Begin a transaction."""
        self._delegate("begin", self._raw.begin)()
        return self

    def interrupt(self) -> None:
        """Stop the statement that another thread runs on this connection; there it raises `InterruptException`."""
        if self._installing.locked():  # a statement is about to begin
            self._is_interrupted = True
        self._stop(self._session.statements.all(), StopReason.INTERRUPT)

    def close(self) -> None:
        """Issue the pending warnings of the last statement, and close the connection.

        A statement that another thread runs is stopped first; it raises `duckdb.ConnectionException` there, and so does
        every statement that would start after this call.
        """
        close(self._raw, self._session.statements, self._end_executed)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, _kind: type[BaseException] | None, _error: BaseException | None, _at: TracebackType | None
    ) -> None:
        self.close()

    # Everything else is DuckDB's

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__") or name == "_raw":
            raise AttributeError(name)
        attribute = getattr(self._raw, name)
        return self._delegate(name, attribute) if callable(attribute) else attribute

    def __dir__(self) -> list[str]:
        return sorted({*super().__dir__(), *dir(self._raw)})

    def __reduce_ex__(self, _protocol: object) -> Any:
        """Refuse `copy.copy` and `pickle`, as DuckDB does.

        Raises:
            TypeError: always.
        """
        raise TypeError("a connection cannot be copied or pickled; cursor() gives a second one to the same database")

    def _prepare_script(self, query: Any, *args: Any, **kwargs: Any) -> Any:
        """What `duckdb.sql(query, connection=...)` asks a connection for; DuckDB's own, of the rewritten text."""
        request = self._understand(query)
        refuse_in_transaction(request, self._raw)
        with parse_errors_translated(request.source):
            return call_in_user_frame(self._raw._prepare_script, request.sql, *args, **kwargs)

    def _delegate(self, name: str, method: Any) -> Any:
        fetches = name in _FETCH_ALL

        @functools.wraps(method)
        def run(*args: Any, **kwargs: Any) -> Any:
            if not fetches:
                self._install_once()
                self._free_connection()
            with self._step():
                result = call_in_user_frame(method, *args, **kwargs)
            if fetches:
                self._end_executed()
            return self if result is self._raw else adopt(result, self)

        return run

    # Our functions

    def _install_once(self) -> None:
        """Install our functions and macros unless that is done.

        It is not possible on a connection that was taken over within a transaction, or with rows left to fetch, and is
        then tried again with the next statement. On a closed connection the statement itself raises the error.
        """
        self._session.statements.check_not_closing()
        if self._is_installed:
            return
        self._is_interrupted = False
        not_now = contextlib.suppress(
            ThanoError, duckdb.TransactionException, duckdb.ResourceInUseException, duckdb.ConnectionException
        )
        with delayed_interrupts(), self._installing, not_now:
            if not self._is_installed:
                self._install(self._raw, self._session)
                self._is_installed = True
        if self._is_interrupted:
            raise duckdb.InterruptException("INTERRUPT Error: Interrupted!")

    # Runs

    @contextlib.contextmanager
    def reading(self, relation: Relation) -> Iterator[None]:
        """Read `relation` within a run of its own; a read within a read belongs to the outer one."""
        if self._session.statements.runs_in_this_thread:
            yield
            return
        with self._whole_run(self._requests.get(relation, NO_TEXT)):
            yield

    def query_over(self, relation: Relation, name: str, query: Any) -> Any:
        """`relation.query(name, query)`: run SQL text, in which `name` is the relation."""
        return self._relation(query, lambda sql, **_: duckdb.DuckDBPyRelation.query(relation, name, sql))

    def shown_text(self, relation: Relation) -> str | None:
        """What `relation.show()` prints instead of a table of its rows; None for these."""
        return self._requests.get(relation, NO_TEXT).shown

    def _relation(self, query: Any, run: Callable[..., Any], params: object = None, *, ahead: bool = False) -> Any:
        """The relation that `run` makes of the rewritten text; None where the text gives no rows."""
        request, params = explained(self._raw, self._session, self._understand(query), params)
        if ahead:
            request = reading_ahead(request, self._raw)
        with self._whole_run(request):
            relation = call_in_user_frame(run, request.sql, params=params)
            if relation is not None and request.runs_now:
                relation = relation.materialize()
        if relation is not None:
            self._requests[adopt(relation, self)] = request
        return relation

    def _understand(self, query: Any, *, discards_rows: bool = False) -> Request:
        """Read what to run, and install our functions before the first statement.

        Of a text that changes models, all statements but the last run here. With `discards_rows`, the rows of the last
        `execute` go, as DuckDB will let them, where they are in the way of that, or of asking about transactions.
        """
        self._session.statements.check_not_closing()
        with delayed_interrupts():
            request = understand(query, self._session)
        if discards_rows and (request.may_change_models or request.planned or not self._is_installed):
            self._raw.complete()
        self._install_once()
        if request.may_change_models and len(request.statements) > 1:
            refuse_in_transaction(request, self._raw)
            return run_leading_statements(self._raw, self._session, request)
        return request

    def _whole_run(self, request: Request) -> AbstractContextManager[None]:
        """A run that begins and ends here."""
        self._free_connection()
        refuse_in_transaction(request, self._raw)
        return Run(self._raw, self._session, request).whole()

    def _step(self) -> AbstractContextManager[None]:
        """A step of the run of the last `execute` while that is open, else a run of its own."""
        if self._executed is not None and self._executed.is_open:
            return self._executed.step()
        return Run(self._raw, self._session).whole()

    def _stop(self, statements: list[RunningStatement], reason: StopReason) -> None:
        for statement in statements:
            statement.cancel(reason)
        self._raw.interrupt()

    def _free_connection(self) -> None:
        """Complete the last `execute` if only its effect matters: other work may follow at once, as after DDL."""
        if self._executed is not None and self._executed.request.runs_now:
            self._executed.complete()

    def _end_executed(self) -> None:
        if self._executed is not None:
            self._executed.end()
