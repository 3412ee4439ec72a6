"""Which statements transcribe every row of their query, so that rows can be read ahead of DuckDB."""

from __future__ import annotations

from dataclasses import dataclass

from .lexer import lex
from .statements.transcription import Evaluate, TranscribingNode


@dataclass(frozen=True, slots=True)
class WholeReading:
    """How the rows of a statement are read ahead.

    Attributes:
        sql_in_order: DuckDB SQL that gives what the statement gives, its rows transcribed in the order of the query.
        query: the query, as the user wrote it.
        clips_sql: a query of the audio, the hotwords and the language of each row; `TranscribingNode.clips_sql`.
    """

    sql_in_order: str
    query: str
    clips_sql: str


# Between the first word of a statement and PREDICT these begin another query, or a CTE that the query may use.
_OTHER_QUERIES = frozenset({"with", "select", "from", "values", "union", "intersect", "except", ";"})
_OF_CREATE = frozenset({"or", "replace", "temp", "temporary"})


def reads_everything(sql: str, statement: TranscribingNode) -> bool:
    """Whether the text `sql` is one statement that takes all rows of `statement`.

    That is CREATE TABLE AS, INSERT and COPY TO, with `statement` at their top level, and EVALUATE, which is an
    aggregate. Not with `channel='each'`: all audio would have to be read once more to know the rows.
    """
    if statement.gives_each_channel:
        return False
    before, after = lex(sql[: statement.span.start]).words, lex(sql[statement.span.end :]).words
    if before == ["copy", "("]:
        return after[:2] == [")", "to"] and ";" not in after[:-1]
    if after not in ([], [";"]) or not _OTHER_QUERIES.isdisjoint(before):
        return False
    if not before:
        return isinstance(statement, Evaluate)
    if before[0] == "insert":
        return before[-1] != "("
    kind = next((word for word in before[1:] if word not in _OF_CREATE), "")
    return before[0] == "create" and kind == "table" and before[-1] == "as"
