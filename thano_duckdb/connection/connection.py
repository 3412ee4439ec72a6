"""`Connection`: a DuckDB connection whose statements may be ours.

It has the whole API of `duckdb.DuckDBPyConnection`. What takes SQL text rewrites it first; everything else is passed on
to DuckDB as it is. All that DuckDB is asked happens within a `Run`.
"""

from __future__ import annotations

import contextlib
import functools
import weakref
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from types import TracebackType
from typing import Any, Self

import duckdb

from thano_duckdb.caller import call_in_user_frame
from thano_duckdb.dialect import rewrite, rewrite_to_find_tables

from .relation import Relation, adopt, relation_class
from .request import NO_TEXT, Request, understand
from .session import Session, Settings
from .sql_run import Run

__all__ = ["Connection"]

Install = Callable[[duckdb.DuckDBPyConnection, Settings], Session]
"""Puts our functions on a connection and opens its session: `thano_duckdb.functions.install`."""

_FETCH_ALL = frozenset({"fetchall", "fetchdf", "fetch_df", "df", "fetchnumpy", "to_arrow_table", "torch", "tf"})
"""After these no rows are left."""
_FETCH_SOME = frozenset({"fetchone", "fetchmany"})
"""After these no rows are left once they return nothing."""


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
        self, raw: duckdb.DuckDBPyConnection, settings: Settings, *, install: Install, owns: bool = True
    ) -> None:
        """Take over a connection.

        Args:
            raw: DuckDB's connection, which `close` closes.
            settings: for our functions.
            install: puts our functions on `raw`, and on the cursors made of it.
            owns: also close `raw` when this object is deleted.
        """
        self._raw = raw
        self._settings = settings
        self._install = install
        raw.execute("SET enable_progress_bar = false")  # it moves only every 2,048 clips: ours replaces it
        self._session = install(raw, settings)
        self._executed: Run | None = None
        """The run of the last `execute`, open while rows of it may be left to fetch."""
        self._requests: weakref.WeakKeyDictionary[Relation, Request] = weakref.WeakKeyDictionary()
        self._relation_class = relation_class(self)
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
            DialectError: a statement of ours is not well formed, or names a column or a model that does not exist.

        Example:
            >>> import thano_duckdb
            >>> from thano_duckdb.models.bundled import dataset_folder
            >>> con = thano_duckdb.connect()
            >>> folder = dataset_folder("librispeech_data")
            >>> _ = con.execute(f"CREATE TABLE clips AS FROM thano_audio('{folder}/08*.flac')")
            >>> transcripts = con.sql("PREDICT USING Wav2Vec2TinyEn AS SELECT audio_path, duration FROM clips LIMIT 3")
            >>> transcripts.columns
            ['audio_path', 'duration', 'predicted']
            >>> transcripts.filter("predicted LIKE '% BRIDGE'").project("predicted").fetchall()
            [('THE RIVER LOOKS GREEN FROM THE BRIDGE',)]
            >>> con.close()
        """
        request = self._understand(query)
        with self._whole_run(request):
            relation = call_in_user_frame(self._raw.sql, request.sql, alias=alias, params=params)
            if relation is not None and request.runs_now:
                relation = relation.materialize()
        if relation is not None:
            self._requests[adopt(relation, self._relation_class)] = request
        return relation

    query = sql
    from_query = sql

    def execute(self, query: Any, parameters: object = None) -> Self:
        """Run SQL text; its rows are fetched from this connection, as with DuckDB.

        Raises:
            DialectError: a statement of ours is not well formed, or names a column or a model that does not exist.

        Example:
            >>> import thano_duckdb
            >>> from thano_duckdb.models.bundled import dataset_folder
            >>> con = thano_duckdb.connect()
            >>> clip = str(dataset_folder("librispeech_data") / "082.flac")
            >>> _, text = con.execute("PREDICT USING Wav2Vec2TinyEn AS SELECT ? AS audio_path", [clip]).fetchone()
            >>> text
            'THE RIVER LOOKS GREEN FROM THE BRIDGE'
            >>> con.close()
        """
        self._end_executed()
        run = Run(self._raw, self._session, self._understand(query))
        with run.step():
            call_in_user_frame(self._raw.execute, run.request.sql, parameters)
        run.end_without_rows()
        self._executed = run
        return self

    def executemany(self, query: Any, parameters: object = None) -> Self:
        """Run SQL text once for each set of parameters."""
        self._end_executed()
        request = self._understand(query)
        with self._whole_run(request):
            call_in_user_frame(self._raw.executemany, request.sql, parameters)
        return self

    def extract_statements(self, query: str) -> list[duckdb.Statement]:
        """Parse SQL text of ours or DuckDB's into DuckDB's statements, which `execute` and `sql` take."""
        return self._raw.extract_statements(rewrite(query))

    def get_table_names(self, query: str, *, qualified: bool = False) -> set[str]:
        """The tables that SQL text of ours or DuckDB's reads."""
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
        return Connection(self._raw.cursor(), self._settings, install=self._install)

    duplicate = cursor

    def close(self) -> None:
        """Issue the pending warnings of the last statement, and close the connection."""
        self._end_executed()
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
        fetches = name in _FETCH_ALL or name in _FETCH_SOME

        @functools.wraps(method)
        def run(*args: Any, **kwargs: Any) -> Any:
            if not fetches:
                self._free_connection()
            with self._step():
                result = call_in_user_frame(method, *args, **kwargs)
            if name in _FETCH_ALL or (name in _FETCH_SOME and not result):
                self._end_executed()
            return self if result is self._raw else adopt(result, self._relation_class)

        return run

    # Runs

    @contextlib.contextmanager
    def reading(self, relation: Relation) -> Iterator[None]:
        """Read `relation` within a run of its own; a read within a read belongs to the outer one."""
        if self._session.statement is not None:
            yield
            return
        with self._whole_run(self._requests.get(relation, NO_TEXT)):
            yield

    def _understand(self, query: Any) -> Request:
        return understand(query, self._session.registry)

    def _whole_run(self, request: Request) -> AbstractContextManager[None]:
        """A run that begins and ends here."""
        self._free_connection()
        return Run(self._raw, self._session, request).whole()

    def _step(self) -> AbstractContextManager[None]:
        """A step of the run of the last `execute` while that is open, else a run of its own."""
        if self._executed is not None and self._executed.is_open:
            return self._executed.step()
        return Run(self._raw, self._session).whole()

    def _free_connection(self) -> None:
        """Complete the last `execute` if only its effect matters: other work may follow at once, as after DDL."""
        if self._executed is not None and self._executed.request.runs_now:
            self._executed.complete()

    def _end_executed(self) -> None:
        if self._executed is not None:
            self._executed.end()
