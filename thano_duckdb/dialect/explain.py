"""EXPLAIN of our statements that transcribe: the SQL that says what they will take, beside DuckDB's own plan. Pure."""

from __future__ import annotations

from dataclasses import dataclass

from .lexer import Tokens, lex
from .nodes import Node
from .rewrite import rewrite
from .script import statement_spans
from .statements.transcription import TranscribingNode

_WITHOUT_PLAN = frozenset({"analyze", "("})
"""EXPLAIN ANALYZE runs the statement, and EXPLAIN (FORMAT json) is for programs: both stay DuckDB's."""


@dataclass(frozen=True, slots=True)
class PlannedStatement:
    """One of our statements under EXPLAIN.

    Attributes:
        title: its first words and its model.
        sql: DuckDB SQL whose rows say what it will take.
    """

    title: str
    sql: str


def planned_statements(sql: str, statements: tuple[Node, ...]) -> tuple[PlannedStatement, ...]:
    """What the last statement of a text explains of ours; none where it is no EXPLAIN.

    Args:
        sql: the text.
        statements: our statements in it.

    Raises:
        DialectError: one of our statements is not well formed.
    """
    if "explain" not in sql.casefold():
        return ()
    last = statement_spans(sql)[-1]
    tokens = lex(sql[: last.end])
    first = tokens.starts.index(last.start)
    if tokens.word(first) != "explain" or tokens.word(first + 1) in _WITHOUT_PLAN:
        return ()
    planned = []
    for statement in statements:
        if isinstance(statement, TranscribingNode) and statement.span.start >= last.start:
            head, tail = statement.plan_around()
            shared = _with_list(tokens, first + 1, tokens.starts.index(statement.span.start))
            # On a line of its own: the query may end with a comment.
            query = f"{shared}{head}{rewrite(statement.query_text)}\n{tail}"
            planned.append(PlannedStatement(f"{statement.keyword.of(sql).upper()} {statement.model.text}", query))
    return tuple(planned)


def _with_list(tokens: Tokens, first: int, index: int) -> str:
    """The WITH list in front of the statement at `index`, if that is in no parenthesis; empty without one."""
    depth, start = 0, None
    for number in range(first, index):
        word = tokens.word(number)
        depth += (word == "(") - (word == ")")
        if word == "with" and not depth and start is None:
            start = number
    if depth or start is None:
        return ""
    main_query = "SELECT 1"
    return rewrite(f"{tokens.sql[tokens.starts[start] : tokens.starts[index]]}{main_query}").removesuffix(main_query)
