"""Our statements as DuckDB SQL.

A statement becomes SQL before its query and SQL after it; the query itself, with our statements in it, and everything
around stay as they are written. Nothing is looked up: no connection, no file, no model.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from .nodes import Node, QueryNode
from .parser import parse
from .span import Span
from .statements.transcription import TranscribingNode
from .whole_statements import WholeReading, reads_everything


@dataclass(frozen=True, slots=True)
class Plan:
    """What a text with our statements becomes.

    Attributes:
        sql: DuckDB SQL.
        statements: our statements in the text, an outer one before those in its query.
        warnings: a sentence, with its position, for each oddity that is no error, such as an option without effect.
        runs_now: a statement changes something beyond its own result, so that it must run exactly once, now.
        whole: how to read ahead, where the text is one statement that transcribes all rows of its query.
    """

    sql: str
    statements: tuple[Node, ...]
    warnings: tuple[str, ...]
    runs_now: bool
    whole: WholeReading | None = None

    @property
    def is_plain(self) -> bool:
        """Whether the text holds none of our statements: `sql` is then the very text."""
        return not self.statements


def rewrite(sql: str) -> str:
    """DuckDB SQL for a text of DuckDB's statements and ours; pure.

    Raises:
        DialectError: one of our statements is not well formed; the error says where.
        TypeError: `sql` is not a str.

    Example:
        >>> from thano_duckdb import rewrite
        >>> rewrite("LIST THANOSQL MODEL")
        'SELECT * FROM thano_models()'
        >>> "thano_transcribe('my_model', " in rewrite("PREDICT USING my_model AS FROM calls")
        True
        >>> rewrite("SELECT 1 AS predict -- only DuckDB")
        'SELECT 1 AS predict -- only DuckDB'
    """
    return plan(sql).sql


def rewrite_to_find_tables(sql: str) -> str:
    """SQL that reads the same tables as `rewrite` gives, and leaves DuckDB no columns to look up: pure.

    Raises:
        DialectError: one of our statements is not well formed; the error says where.
    """
    return _replaced(sql, parse(sql), lambda statement: statement.sql_around_unknown())


def plan(sql: str) -> Plan:
    """DuckDB SQL for a text, with what the connection must know about it; pure.

    Raises:
        DialectError: one of our statements is not well formed; the error says where.
    """
    statements = parse(sql)
    if not statements:
        return Plan(sql, (), (), runs_now=False)
    return Plan(
        _replaced(sql, statements),
        statements,
        tuple(_warnings(sql, statements)),
        runs_now=any(statement.runs_now for statement in statements),
        whole=_whole_reading(sql, statements),
    )


def _whole_reading(sql: str, statements: tuple[Node, ...]) -> WholeReading | None:
    statement = statements[0]
    if len(statements) > 1 or not isinstance(statement, TranscribingNode) or not reads_everything(sql, statement):
        return None
    return WholeReading(
        _replaced(sql, statements, lambda node: _around_in_order(*node.sql_around())),
        statement.query_text,
        statement.clips_sql(),
    )


def _around_in_order(head: str, tail: str) -> tuple[str, str]:
    """The same around a query whose rows DuckDB reads on one thread, in order: OFFSET 0 does nothing else."""
    return f"{head}SELECT * FROM (", f") OFFSET 0{tail}"


def _replaced(
    sql: str,
    statements: tuple[Node, ...],
    sql_around: Callable[[Node], tuple[str, str]] = lambda node: node.sql_around(),
) -> str:
    """`sql` with each statement's own words replaced, and as many line ends as before in front of its query."""
    edits: list[tuple[Span, str]] = []
    ends: list[tuple[Span, str]] = []
    for statement in statements:
        head, tail = sql_around(statement)
        own_end = statement.query.start if isinstance(statement, QueryNode) else statement.span.end
        lines = "\n" * sql.count("\n", statement.span.start, own_end)
        edits.append((Span(statement.span.start, own_end), head + lines))
        if tail:
            ends.append((Span(statement.span.end, statement.span.end), tail))
    # Of queries that end at the same character the inner one, which is the later in the list, ends first.
    edits += reversed(ends)
    edits.sort(key=lambda edit: edit[0].start)
    pieces, done = [], 0
    for span, text in edits:
        pieces += [sql[done : span.start], text]
        done = span.end
    return "".join([*pieces, sql[done:]])


def _warnings(sql: str, statements: tuple[Node, ...]) -> Iterator[str]:
    line, counted = 1, 0
    found = [warning for statement in statements for warning in statement.warnings()]
    for sentence, span in sorted(found, key=lambda warning: warning[1].start):
        line, counted = line + sql.count("\n", counted, span.start), span.start
        column = span.start - sql.rfind("\n", 0, span.start)
        yield f"{sentence} (line {line}, column {column})"
