"""The magics `%sql`, `%%sql`, `%thanosql` and `%%thanosql`: JupySQL's own, with our statements, errors and pages."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import replace
from typing import Any

import duckdb
from IPython.core.error import UsageError
from IPython.core.interactiveshell import InteractiveShell
from IPython.core.magic import Magics, line_cell_magic, magics_class, needs_local_scope, no_var_expand
from IPython.display import display
from jinja2 import Template, TemplateError
from sql.connection import ConnectionManager
from sql.magic import IF_NOT_SELECT_MESSAGE
from sql.run.resultset import ResultSet
from sql.store import store

from sql import display as jupysql_display
from thano_duckdb.caller import warnings_on_one_line
from thano_duckdb.connection import Connection
from thano_duckdb.dialect import plan, split_statements
from thano_duckdb.errors import ThanoError

from .adapter import Cell, Cursor
from .connections import URL, Connections, no_connection, wrong_database
from .failures import interrupted, one_line
from .magic_line import MagicLine, assigned_variable, read_line

_BIT_SHIFT_GUARD = "_thano_result"
_NEEDS_DUCKDB = (
    "this is a statement of thano_duckdb, which runs on DuckDB only, and the current connection is {!r}: "
    "switch to a DuckDB connection first, with %sql and its name or a database file"
)
_NO_TOKEN = "No API token is needed: everything runs on this machine."


@magics_class
class ThanoMagics(Magics):
    """Replaces JupySQL's `%sql`, and leaves its work to `%jupysql`, the same under another name.

    Attributes:
        cell: what surrounds the statements of the current cell.
        connections: the notebook's.
        on_unload: puts back what loading the extension changed.
        opened: the connection that was opened when the extension was loaded.
    """

    def __init__(self, shell: InteractiveShell) -> None:
        """Find JupySQL, which has been loaded."""
        super().__init__(shell)
        self.on_unload = ExitStack()
        self.opened: Connection | None = None
        self._jupysql: Callable[..., Any] = shell.find_cell_magic("jupysql")
        self._jupysql_magic: Any = shell.find_cell_magic("jupysql").__self__
        self.cell = Cell(variables=shell.user_ns)
        self.connections = Connections(self.cell, self.config_of_jupysql)

    @property
    def config_of_jupysql(self) -> Any:
        """JupySQL's magic, which holds its settings (`%config SqlMagic`)."""
        return self._jupysql_magic

    @no_var_expand
    @needs_local_scope
    @line_cell_magic("sql")
    def sql(self, line: str, cell: str | None = None, local_ns: dict[str, Any] | None = None) -> Any:
        """Run SQL, DuckDB's or ours; options and results are JupySQL's."""
        return self._run("sql", line, cell, local_ns)

    @no_var_expand
    @needs_local_scope
    @line_cell_magic("thanosql")
    def thanosql(self, line: str, cell: str | None = None, local_ns: dict[str, Any] | None = None) -> Any:
        """The same under the name that the original tutorials use."""
        if cell is None and line.strip().upper().startswith("API_TOKEN"):
            print(_NO_TOKEN)  # noqa: T201 - as the original answers
            return None
        return self._run("thanosql", line, cell, local_ns)

    def __getattr__(self, name: str) -> Any:
        """What else JupySQL's magic has, for code that finds it under the name `sql`."""
        if name.startswith("_"):
            raise AttributeError(name)
        return getattr(self.config_of_jupysql, name)

    def _run(self, name: str, line: str, cell: str | None, local_ns: dict[str, Any] | None) -> Any:
        variables = {**self.shell.user_ns, **(local_ns or {})}
        ours = self._our_part(line, cell, variables)
        if ours is None:
            return self._hand_over(line, cell, local_ns)
        self.cell.text = line if cell is None else f"%%{name} {line}\n{cell}"
        self.cell.variables = variables
        self.cell.short_errors = self.config_of_jupysql.short_errors
        self.cell.pages.clear()
        try:
            with warnings_on_one_line():
                return self._answer(*ours, local_ns, variables)
        except KeyboardInterrupt as interrupt:
            if not self.cell.short_errors:
                raise
            raise interrupted(str(interrupt)) from None
        except (ThanoError, duckdb.Error) as error:
            if not self.cell.short_errors:
                raise
            raise one_line(error, "", self.cell.text) from None

    def _our_part(self, line: str, cell: str | None, variables: Mapping[str, Any]) -> tuple[MagicLine, str] | None:
        """The line and the SQL of a cell that runs on one of our connections, or None: then it is JupySQL's."""
        head = read_line(line, lambda word: self.connections.claims(word, variables))
        if head.has_refused_option or head.is_about_connections:
            return None
        if head.connection is None:
            word, alone = head.first_word(cell)
            if word.startswith(URL) and not head.sql:  # a connection string may be the first line of the body
                return replace(head, connection=word), (cell or "").partition(word)[2]
            self.connections.forget_variable(word, variables)
            is_foreign = self.connections.is_foreign(word, alone=alone, variables=variables)
            has_none = self.connections.current is None and ConnectionManager.current is None
            has_sql = bool(head.sql or (cell or "").strip())
            if has_none and has_sql and not is_foreign and not os.getenv("DATABASE_URL"):
                if mistake := wrong_database(word) if alone else no_connection():
                    raise UsageError(mistake)
                return None  # a word by itself is meant as a connection, and JupySQL says why it is none
            if is_foreign or head.persists or self.connections.current is None:
                return None
            if alone and head.sql and (mistake := wrong_database(word)):
                raise UsageError(mistake)
        return head, f"{head.sql}\n{cell or ''}"

    def _hand_over(self, line: str, cell: str | None, local_ns: dict[str, Any] | None) -> Any:
        """Let JupySQL do what is not ours, exactly as it is written."""
        try:
            return self._jupysql(line, *(() if cell is None else (cell,)), local_ns=local_ns)
        except Exception:
            reason = self._why_not_ours(line, cell)
            if reason is None:
                raise
            raise UsageError(reason) from None

    def _why_not_ours(self, line: str, cell: str | None) -> str | None:
        """What to do about a line that JupySQL could not run because it needs one of our connections."""
        head = read_line(line, lambda _: False)
        word, alone = head.first_word(cell)
        if alone and head.sql and (mistake := wrong_database(word)):
            return mistake
        text = f"{head.sql}\n{cell or ''}".lstrip()
        if self.connections.is_foreign(word, alone=alone, variables=self.shell.user_ns):
            text = text.removeprefix(word)
        try:
            if plan(text).is_plain:
                return None
        except ThanoError:
            pass  # one of our statements, with a mistake
        if ConnectionManager.current is None:
            return None  # JupySQL says how to open one
        return _NEEDS_DUCKDB.format(ConnectionManager.current.alias)

    def _answer(self, head: MagicLine, sql: str, local_ns: dict[str, Any] | None, variables: Mapping[str, Any]) -> Any:
        if head.connection:
            alias = head.value("--alias", "-A")
            self.connections.switch(head.connection, Template(alias).render(variables) if alias else None, variables)
        options = head.without("--alias", "-A") if head.connection else list(head.options)
        sql = sql.strip("\n").rstrip("; \t\r\n")  # otherwise a stray semicolon would give the result
        if not sql.strip():
            return self._jupysql(" ".join(options), "", local_ns=local_ns) if options or not head.connection else None
        variable = assigned_variable(sql)
        statements = split_statements(sql.partition("<<")[2] if variable else sql)
        if not statements:
            return None  # comments alone, which JupySQL stumbles over
        options += self._snippets(head, sql, variable, variables)
        if variable is None and "<<" in sql:  # JupySQL would take a bit shift for an assignment
            result = self._jupysql(" ".join(options), f"{_BIT_SHIFT_GUARD} = <<{sql}", local_ns=local_ns)
            self.shell.user_ns.pop(_BIT_SHIFT_GUARD, None)
        else:
            result = self._jupysql(" ".join(options), sql, local_ns=local_ns)
        self._show_pages(result)
        return result

    def _snippets(self, head: MagicLine, sql: str, variable: str | None, variables: Mapping[str, Any]) -> list[str]:
        """`--with` for each saved query that our statements read: JupySQL finds them in plain SQL only."""
        connection = self.connections.current
        if connection is None or not len(store) or head.value("--with", "-w") or head.value("--file", "-f"):
            return []
        saved = [name for name in store if name != head.value("--save", "-S")]
        try:
            query = Template(sql.partition("<<")[2] if variable else sql).render(variables)
            if plan(query).is_plain or query.lstrip().lower().startswith("with "):
                return []
            tables = connection.get_table_names(query)
            is_query = connection.extract_statements(query)[-1].type == duckdb.StatementType.SELECT
        except (TemplateError, ThanoError, duckdb.Error):
            return []  # the error is raised when the statement runs
        read = [name for name in saved if name in tables]
        if read and not is_query:  # CREATE TABLE .. AS, COPY, EXPLAIN: JupySQL says so of plain SQL
            jupysql_display.message_warning(
                f"Your query is using the following snippets: {', '.join(read)}. "
                f"{IF_NOT_SELECT_MESSAGE} CTE generation is disabled"
            )
            return []
        return [word for name in read for word in ("--with", name)]

    def _show_pages(self, result: Any) -> None:
        """Show what is not part of the result: players of an earlier PRINT AUDIO, the training curve of a BUILD."""
        cursor = result.sqlaproxy if isinstance(result, ResultSet) else None
        shown = cursor.page if isinstance(cursor, Cursor) else None
        for page in self.cell.pages:
            if page is not shown:
                display(page)
        self.cell.pages.clear()
