"""What the user asks for, and what DuckDB is asked for: SQL text, understood before anything runs."""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace

import duckdb

from thano_duckdb.caller import warn
from thano_duckdb.dialect import (
    ChangingCall,
    Evaluate,
    Node,
    Plan,
    PlannedStatement,
    Predict,
    changing_calls,
    plan,
    planned_statements,
    statements_in_place,
    unknown_model,
)
from thano_duckdb.errors import ModelError, RegistryError

from .access import in_transaction
from .interrupts import delayed_interrupts
from .parse_errors import parse_errors_translated
from .second_reading import SecondReading, find_second_reading
from .session import Session


@dataclass(frozen=True)
class Request:
    """SQL text, understood.

    Attributes:
        source: the text as written; empty where a `duckdb.Statement` was given.
        sql: what DuckDB runs.
        plan: our statements in it, or None where there are none.
        changes: the calls in it that change models or settings, or write a data set.
        planned: what it explains of our statements that transcribe, beside DuckDB's plan.
        shown: what `show` prints instead of a table of its rows; None for these.
        warned_of: what a run of it has warned of already, so that reading a lazy relation again does not.
        second_reading: reads its rows ahead of DuckDB; None where they are not.
    """

    source: str
    sql: str | duckdb.Statement
    plan: Plan | None
    changes: tuple[ChangingCall, ...] = ()
    planned: tuple[PlannedStatement, ...] = ()
    shown: str | None = None
    warned_of: set[str] = field(default_factory=set, compare=False)
    second_reading: SecondReading | None = None

    @property
    def text(self) -> str:
        """What DuckDB runs, as text; empty for what is no SQL, and which DuckDB will refuse."""
        return self.sql if isinstance(self.sql, str) else getattr(self.sql, "query", "")

    @property
    def may_change_models(self) -> bool:
        """Whether it holds a statement, or calls a function, that changes models or writes a data set."""
        return any(not call.is_setting for call in self.changes)

    @property
    def runs_now(self) -> bool:
        """Whether a statement changes something, so that it runs at once, and only once (BUILD, UPLOAD, ..)."""
        return self.plan is not None and self.plan.runs_now

    @property
    def statements(self) -> list[str]:
        """Its statements, each at its place in the text; none where a `duckdb.Statement` was given."""
        return statements_in_place(self.source)

    def holds_transaction_statement(self) -> bool:
        """Whether BEGIN, COMMIT or ROLLBACK is among its statements."""
        statements = duckdb.extract_statements(self.sql) if isinstance(self.sql, str) else [self.sql]
        return any(statement.type == duckdb.StatementType.TRANSACTION for statement in statements)

    def gives_rows(self) -> bool:
        """Whether its last statement is a query, whose rows are fetched after it was executed."""
        if isinstance(self.sql, str) and _SELECT.fullmatch(self.sql):
            return True
        last = duckdb.extract_statements(self.sql)[-1] if isinstance(self.sql, str) else self.sql
        return bool(last.type == duckdb.StatementType.SELECT)


_SELECT = re.compile(r"SELECT\b[^;]*;?\s*", re.IGNORECASE)
"""Surely a single query, such as those that PREDICT and EVALUATE become: there is no need to parse it."""

NO_TEXT = Request("", "", None)
"""For a method of DuckDB's that takes no SQL text."""


def understand(query: str | duckdb.Statement, session: Session, *, warns: bool = True) -> Request:
    """Rewrite SQL text, warn of options without effect if `warns`, and refuse unknown models.

    Raises:
        DialectError: one of our statements is not well formed, or names a model that does not exist.
    """
    if not isinstance(query, str):
        text = query.query if isinstance(query, duckdb.Statement) else ""  # what is neither is refused by DuckDB
        return Request("", query, None, changing_calls(text))
    found = plan(query)
    if warns:
        for sentence in found.warnings:
            warn(sentence)
    if not found.runs_now:  # otherwise the text itself may make the model that it uses
        for statement in found.statements:
            _check_model(statement, found, query, session)
    changes = changing_calls(found.sql)
    # A plan runs the query, which must change nothing.
    planned = planned_statements(query, found.statements) if found.statements and not changes else ()
    return Request(query, found.sql, None if found.is_plain else found, changes, planned)


def reading_ahead(request: Request, connection: duckdb.DuckDBPyConnection) -> Request:
    """The same request, to run with its rows read ahead, if it takes all of them and reading them twice is harmless.

    DuckDB then reads them on one thread: with several, it would not ask for them in the order in which they are read.
    """
    if request.plan is None or (whole := request.plan.whole) is None:
        return request
    with delayed_interrupts():
        found = find_second_reading(connection, whole)
    return request if found is None else replace(request, sql=whole.sql_in_order, second_reading=found)


def refuse_in_transaction(request: Request, connection: duckdb.DuckDBPyConnection) -> None:
    """Refuse what ROLLBACK could not undo.

    Raises:
        RegistryError: `request` changes models, and a transaction is open, or is opened by the same text.
    """
    if not request.may_change_models:
        return
    with delayed_interrupts(), parse_errors_translated(request.source):
        in_one = request.holds_transaction_statement() or in_transaction(connection)
    if in_one:
        raise RegistryError(
            "models and data sets are not changed inside a transaction, because ROLLBACK could not undo it: COMMIT or "
            "ROLLBACK first"
        )


def _check_model(statement: Node, found: Plan, query: str, session: Session) -> None:
    if isinstance(statement, Predict | Evaluate):
        try:
            session.check_model(statement.model.text)
        except ModelError as error:
            raise unknown_model(found, query, statement.model.text, str(error)) or error from None
