"""`Connection`: a DuckDB connection whose statements may be ours.

It has the whole API of `duckdb.DuckDBPyConnection`. What takes SQL text rewrites it first; everything else goes on to
DuckDB as it is. Around what runs it keeps the statement: progress, Ctrl-C, warnings, errors with their place.
"""

from __future__ import annotations

import contextlib
import functools
import weakref
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Self

import duckdb

from thano_duckdb.caller import call_in_user_frame, warn
from thano_duckdb.dialect import Evaluate, Node, Plan, Predict, plan, rewrite, rewrite_to_find_tables, unknown_model
from thano_duckdb.errors import ModelError
from thano_duckdb.models import resolve
from thano_duckdb.monitoring.bar import is_shown
from thano_duckdb.monitoring.statement_bar import Progress

from .interrupts import on_interrupt
from .relation import Relation, adopt, relation_class
from .session import Session, Settings
from .statement import Statement
from .translate_error import explain

__all__ = ["Connection"]

Install = Callable[[duckdb.DuckDBPyConnection, Settings], Session]
"""Puts our functions on a connection and opens its session: `thano_duckdb.functions.install`."""

# After these nothing of a statement's rows is left; after those nothing is left once they give nothing.
_FETCH_ALL = frozenset({"fetchall", "fetchdf", "fetch_df", "df", "fetchnumpy", "to_arrow_table", "torch", "tf"})
_FETCH_SOME = frozenset({"fetchone", "fetchmany"})


@dataclass(frozen=True)
class _Request:
    """What the user asked for, and what DuckDB is asked for.

    Attributes:
        source: the text as written; empty where DuckDB's own `Statement` object was given.
        sql: what DuckDB runs.
        plan: our statements in it, or None where there are none.
        known: what a run of it has warned of already.
    """

    source: str
    sql: str | duckdb.Statement
    plan: Plan | None
    known: set[str] = field(default_factory=set, compare=False)

    @property
    def runs_now(self) -> bool:
        """Whether a statement changes something, so that a lazy relation must not run it again."""
        return self.plan is not None and self.plan.runs_now


class Connection:
    """A DuckDB connection that knows the statements of our dialect.

    Attributes not listed here are `duckdb.DuckDBPyConnection`'s own. Relations that it returns are DuckDB relations.
    """

    def __init__(
        self, raw: duckdb.DuckDBPyConnection, settings: Settings, *, install: Install, owns: bool = True
    ) -> None:
        """Take over a connection.

        Args:
            raw: DuckDB's connection, which `close` closes.
            settings: for our functions.
            install: puts our functions on `raw`, and on the cursors made of it.
            owns: also close `raw` when this object goes.
        """
        self._raw = raw
        self._settings = settings
        self._install = install
        raw.execute("SET enable_progress_bar = false")  # it moves once in 2,048 clips: ours takes its place
        self._session = install(raw, settings)
        self._open: Statement | None = None
        """The statement of the last `execute`, while rows of it may be left."""
        self._ran = False
        """Whether that statement is done although its rows were not fetched (BUILD, UPLOAD, ..)."""
        self._requests: weakref.WeakKeyDictionary[Relation, _Request] = weakref.WeakKeyDictionary()
        self.relation_class = relation_class(self)
        if owns:
            weakref.finalize(self, raw.close)  # DuckDB complains at exit of what was left open

    @property
    def raw(self) -> duckdb.DuckDBPyConnection:
        """DuckDB's own connection behind this one."""
        return self._raw

    # Methods that take SQL text

    def sql(self, query: Any, *, alias: str = "", params: object = None) -> Any:
        """Run SQL text of ours or DuckDB's; a query gives a relation, which runs when it is read.

        Raises:
            DialectError: a statement of ours is not well formed, or names a column or a model that is not there.
        """
        request = self._understand(query)
        with self._statement(request):
            relation = call_in_user_frame(self._raw.sql, request.sql, alias=alias, params=params)
            if relation is not None and request.runs_now:
                relation = relation.materialize()
        if relation is not None:
            self._requests[adopt(relation, self)] = request
        return relation

    query = sql
    from_query = sql

    def execute(self, query: Any, parameters: object = None) -> Self:
        """Run SQL text; its rows are fetched from this connection, as with DuckDB."""
        self._finish()
        request = self._understand(query)
        self._open, self._ran = self._new_statement(request), request.runs_now
        with self._running(self._open, request):
            call_in_user_frame(self._raw.execute, request.sql, parameters)
        if self._open.has_news and not self._gives_rows(request):
            self._finish()
        return self

    def executemany(self, query: Any, parameters: object = None) -> Self:
        """Run SQL text once for each set of parameters."""
        self._finish()
        request = self._understand(query)
        with self._statement(request):
            call_in_user_frame(self._raw.executemany, request.sql, parameters)
        return self

    def extract_statements(self, query: str) -> list[duckdb.Statement]:
        """Parse SQL text of ours or DuckDB's into DuckDB's statements, which `execute` and `sql` take."""
        return self._raw.extract_statements(rewrite(query))

    def get_table_names(self, query: str, *, qualified: bool = False) -> set[str]:
        """The tables that SQL text of ours or DuckDB's reads."""
        return self._raw.get_table_names(rewrite_to_find_tables(query), qualified=qualified)

    # Life

    def cursor(self) -> Connection:
        """A connection of its own to the same database, with the same settings, for another thread."""
        return Connection(self._raw.cursor(), self._settings, install=self._install)

    duplicate = cursor

    def close(self) -> None:
        """Close the connection; what it warns of at the end of a statement is said first."""
        self._finish()
        self._raw.close()

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

    def _delegate(self, name: str, method: Any) -> Any:
        @functools.wraps(method)
        def run(*args: Any, **kwargs: Any) -> Any:
            if name not in _FETCH_ALL | _FETCH_SOME:
                self._let_go()
            with self._running(self._open, _NOTHING) if self._open is not None else self._statement(_NOTHING):
                result = call_in_user_frame(method, *args, **kwargs)
            if name in _FETCH_ALL or (name in _FETCH_SOME and not result):
                self._finish()
            return self if result is self._raw else adopt(result, self)

        return run

    # Statements

    @contextlib.contextmanager
    def reading(self, relation: Relation) -> Iterator[None]:
        """Run a read of `relation` as a statement of this connection; a read within a read belongs to the outer one."""
        if self._session.statement is not None:
            yield
            return
        with self._statement(self._requests.get(relation, _NOTHING)):
            yield

    @contextlib.contextmanager
    def _statement(self, request: _Request) -> Iterator[None]:
        """A statement that begins and ends here."""
        self._let_go()
        statement = self._new_statement(request)
        try:
            with self._running(statement, request):
                yield
        finally:
            statement.close()
        statement.finish()

    @contextlib.contextmanager
    def _running(self, statement: Statement, request: _Request) -> Iterator[None]:
        """Let `statement` hear of what runs here, and turn what stops it into what the user should see.

        Raises:
            KeyboardInterrupt: the user pressed Ctrl-C.
            ThanoError: what one of our functions raised, or DuckDB of a column that our text names.
        """

        def stop() -> None:
            statement.cancel()
            self._raw.interrupt()

        try:
            with self._session.running(statement), on_interrupt(stop):
                yield
        except duckdb.Error as error:
            statement.close()
            if statement.cancelled:
                raise KeyboardInterrupt(statement.farewell) from None
            explained = explain(error, request.plan, request.source, self._columns_of)
            if explained is None:
                raise
            raise explained from None
        if statement.cancelled:
            statement.close()
            raise KeyboardInterrupt(statement.farewell)

    def _columns_of(self, query: str) -> list[str]:
        """The columns of a query within the user's text; none where DuckDB cannot say (parameters, CTEs)."""
        try:
            return list(call_in_user_frame(self._raw.sql, rewrite(query)).columns)
        except duckdb.Error:
            return []

    def _new_statement(self, request: _Request) -> Statement:
        return Statement(
            request.source,
            Progress(
                shown=is_shown(self._settings.progress),
                count_rows=functools.partial(self._count_rows, request),
            ),
            known=request.known if request is not _NOTHING else None,
        )

    def _count_rows(self, request: _Request) -> int | None:
        """The rows that a statement will transcribe, where its text alone tells.

        A plain cursor counts them: it knows none of our functions, so that counting can never transcribe.
        """
        if request.plan is None or len(request.plan.statements) != 1:
            return None
        with contextlib.closing(self._raw.cursor()) as cursor, contextlib.suppress(duckdb.Error):
            row = cursor.execute(f"SELECT count(*) FROM ({request.plan.statements[0].query_text})").fetchone()
            return int(row[0]) if row else None
        return None

    def _understand(self, query: Any) -> _Request:
        """Rewrite SQL text, warn of options without effect, and refuse unknown models before anything runs."""
        if not isinstance(query, str):
            return _Request("", query, None)
        found = plan(query)
        for sentence in found.warnings:
            warn(sentence)
        if not found.runs_now:  # what makes a model may come before what uses it
            for statement in found.statements:
                self._check_model(found, query, statement)
        return _Request(query, found.sql, None if found.is_plain else found)

    def _check_model(self, found: Plan, query: str, statement: Node) -> None:
        """Refuse a model that cannot be meant, at its place in the text and before anything runs."""
        if isinstance(statement, Predict | Evaluate):
            try:
                resolve.check(statement.model.text, self._session.registry)
            except ModelError as error:
                raise unknown_model(found, query, statement.model.text, str(error)) or error from None

    def _gives_rows(self, request: _Request) -> bool:
        """Whether rows of the last statement are left to fetch."""
        last = self._raw.extract_statements(request.sql)[-1] if isinstance(request.sql, str) else request.sql
        return last.type == duckdb.StatementType.SELECT

    def _let_go(self) -> None:
        """Free the connection of rows that nobody need fetch: as after DDL, other work may follow at once."""
        if self._ran:
            self._ran = False
            self._raw.complete()
            self._finish()

    def _finish(self) -> None:
        """Say the last word of the statement that `execute` opened."""
        statement, self._open = self._open, None
        if statement is not None:
            statement.finish()


_NOTHING = _Request("", "", None)
