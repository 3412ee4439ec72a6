"""Our connection as JupySQL takes one: the Python Database API 2.0 (PEP 249), as far as JupySQL uses it.

JupySQL runs a statement again to make a data frame of its result, and loses rows where it assumes that it need not.
So a cursor runs a statement once, keeps its rows within DuckDB, and gives every reader all of them.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import duckdb
from sql.store import store

from thano_duckdb.caller import call_in_user_frame, in_cell
from thano_duckdb.connection import Connection
from thano_duckdb.connection.explanation import is_explanation, text_of
from thano_duckdb.dialect import Build, Fit, PrintAudio, plan, rewrite
from thano_duckdb.pages.curve import curve
from thano_duckdb.pages.explanation_page import explanation
from thano_duckdb.pages.page import Page
from thano_duckdb.pages.player_table import player_table

from .failures import is_expected, one_line

_CHANGES_ROWS = (duckdb.StatementType.INSERT, duckdb.StatementType.UPDATE, duckdb.StatementType.DELETE)
_ENDS_TRANSACTION = re.compile(r"\s*(commit|rollback)\s*;?\s*", re.IGNORECASE)
_SCAN_ALL_FRAMES = "SET python_scan_all_frames=true"
"""JupySQL sends it before each statement so that DuckDB finds data frames; our connection finds them anyway."""


@dataclass
class Cell:
    """The cell whose statements are running.

    Attributes:
        text: as the user wrote it, including the line of the magic.
        variables: of the user.
        short_errors: one line for each error instead of a traceback.
        pages: what its statements show besides their rows.
    """

    text: str = ""
    variables: Mapping[str, Any] = field(default_factory=dict)
    short_errors: bool = True
    pages: list[Page] = field(default_factory=list)


class NotebookConnection:
    """What JupySQL takes for a connection: all statements of all cells run on the one behind it."""

    # JupySQL recognises DuckDB by these two.
    df = pl = None

    def __init__(self, connection: Connection, cell: Cell) -> None:
        """Run statements on `connection`; `cell` is updated for each cell."""
        self.connection = connection
        self.cell = cell

    def cursor(self) -> Cursor:
        """For one statement."""
        return Cursor(self.connection, self.cell)

    def commit(self) -> None:
        """Does nothing: DuckDB commits by itself, and a transaction may span cells."""

    def close(self) -> None:
        """Close the connection."""
        self.connection.close()


class Cursor:
    """One statement and its rows.

    Attributes:
        description: of the columns, as PEP 249 has it.
        rowcount: rows that were inserted, updated or deleted, else -1.
        page: what to show instead of a table of the rows, or None.
    """

    def __init__(self, connection: Connection, cell: Cell) -> None:
        """Run on `connection`."""
        self._connection = connection
        self._cell = cell
        self._sql: str | None = None
        self._relation: Any = None
        self._rows: Iterator[tuple[Any, ...]] = iter(())
        self.description: list[tuple[Any, ...]] | None = None
        self.rowcount = -1
        self.page: Page | None = None

    def execute(self, sql: str, parameters: object = None) -> Cursor:
        """Run a statement; the same one again only returns its rows again."""
        if sql == _SCAN_ALL_FRAMES:
            return self
        if sql != self._sql:
            try:
                with in_cell(self._cell.variables):
                    self._run(sql, parameters)
            except duckdb.TransactionException:
                if not _ENDS_TRANSACTION.fullmatch(sql):
                    raise
                self._keep(sql, [duckdb.StatementType.TRANSACTION], None)  # every statement is committed by itself
            except Exception as error:
                if not (self._cell.short_errors and is_expected(error)):
                    raise
                raise one_line(self._located(error, sql), sql, self._cell.text, list(store)) from None
        self._rewind()
        return self

    def _run(self, sql: str, parameters: object) -> None:
        kinds = [statement.type for statement in self._connection.extract_statements(sql)]
        relation = self._connection.sql(sql, params=parameters) if kinds else None  # a stray semicolon is none
        if relation is not None:
            relation = relation.materialize()
        self._keep(sql, kinds, relation)

    def _keep(self, sql: str, kinds: Sequence[duckdb.StatementType], relation: Any) -> None:
        self._sql = sql
        is_query = bool(kinds) and kinds[-1] == duckdb.StatementType.SELECT
        if relation is None or not (is_query or len(relation)):  # CREATE, SET, ..
            relation = self._connection.sql("SELECT NULL::VARCHAR AS Success LIMIT 0")
        elif kinds[-1] in _CHANGES_ROWS and relation.columns == ["Count"]:
            self.rowcount = relation.fetchall()[0][0]
        self.description = relation.description
        self._relation = relation
        if kinds[-1:] == [duckdb.StatementType.EXPLAIN]:
            self._explain(relation.fetchall())
        else:
            self._make_page(sql, relation)

    def _explain(self, rows: Sequence[tuple[str, str]]) -> None:
        """Make a page of what is explained of our statements; DuckDB's own EXPLAIN stays a table."""
        if is_explanation(rows):
            self.page = explanation(text_of(rows))
            self._cell.pages.append(self.page)

    def _located(self, error: Exception, sql: str) -> Exception:
        """The same error with its location, which DuckDB gives for an executed statement but not for a relation."""
        if isinstance(error, duckdb.BinderException | duckdb.CatalogException):
            try:  # nothing runs: it fails as before
                with in_cell(self._cell.variables):
                    call_in_user_frame(self._connection.raw.execute, f"EXPLAIN\n{rewrite(sql)}")
            except duckdb.Error as located:
                return located if type(located) is type(error) else error
        return error

    def _make_page(self, sql: str, relation: duckdb.DuckDBPyRelation) -> None:
        """Make a page of what is better seen than read: players, or a training curve."""
        statements = plan(sql).statements
        match statements[0] if statements else None:
            case PrintAudio() as statement:
                with self._connection.access() as access:
                    self.page = player_table(
                        relation.to_arrow_table(),
                        audio_col=statement.options.text("audio_col") or "",
                        may_read=access.allows,
                        relative_to=statement.options.text("relative_to"),
                        options=statement.options.for_function,
                        limits=access.limited(self._connection.read_limits.changed(statement.options.for_function)),
                    )
                self._cell.pages.append(self.page)
            case Build() | Fit():
                self._cell.pages.append(curve(relation))

    def _rewind(self) -> None:
        self._rows = iter(self._new_rows())

    def _new_rows(self) -> Any:
        # DuckDB's own method: ours would keep a run open between two rows.
        return duckdb.DuckDBPyRelation.iter_rows(self._relation)

    def all_rows(self) -> list[tuple[Any, ...]]:
        """Every row from the first, which takes none away from `fetchone`."""
        return list(self._new_rows())

    @property
    def n_rows(self) -> int:
        """Rows of the result: counted only where they are shown, since that is a query of its own."""
        return 0 if self._relation is None else len(self._relation)

    def fetchone(self) -> tuple[Any, ...] | None:
        """The next row, or None."""
        return next(self._rows, None)

    def fetchmany(self, size: int = 1) -> list[tuple[Any, ...]]:
        """The next `size` rows at most."""
        return list(itertools.islice(self._rows, size))

    def fetchall(self) -> list[tuple[Any, ...]]:
        """The rows that are left."""
        return list(self._rows)

    def df(self) -> Any:
        """All rows as a pandas DataFrame."""
        return self._relation.df()

    def pl(self) -> Any:
        """All rows as a polars DataFrame."""
        return self._relation.pl()

    def close(self) -> None:
        """Does nothing: the rows live as long as the cursor."""
