"""How our statements are recognised and read: what the module of each states, and the steps that several share."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from thano_duckdb.dialect.lexer import SPACES, Tokens
from thano_duckdb.dialect.nodes import Node
from thano_duckdb.dialect.option_reader import read_options
from thano_duckdb.dialect.span import Span
from thano_duckdb.dialect.token_reader import TokenReader
from thano_duckdb.errors import did_you_mean
from thano_duckdb.option import StatementKind

QUERY_STARTS = frozenset({"(", "select", "from", "with", "values", "table"}) | frozenset(
    {"pivot", "pivot_wider", "unpivot", "pivot_longer", "describe", "desc", "summarize", "show"}
)
"""What DuckDB's queries begin with."""
AFTER_A_QUERY = frozenset({")", "union", "intersect", "except", "order", "limit", "offset"})
"""What may follow a query that is part of another one."""


@dataclass(frozen=True, slots=True)
class Beginning:
    """The first words where a statement may begin, among words that may also be names of DuckDB's tables and columns.

    Attributes:
        words: the first four, in lower case; empty beyond the end of the text.
        is_first: nothing is in front of them within their parenthesis.
    """

    words: tuple[str, str, str, str]
    is_first: bool


@dataclass(frozen=True, kw_only=True)
class Syntax:
    """One of our statements, for the parser: how it begins, where it may stand, and how it is read.

    Attributes:
        keywords: the words that it begins with, such as `PREDICT USING`.
        read: reads what follows the keywords, up to its query, or to its end where it has none; it gets a reader after
            the keywords, and where these are written.
        stands_as_query: it may stand wherever DuckDB takes a query; otherwise it stands alone.
        in_query: what a query can have instead of it, a clause for the error; empty for nothing.
        may_follow_with_list: it may follow a WITH list, as every query may.
        also_requires: what must also be true of the tokens from the first keyword on; None for nothing more.
        cannot_be_names: whether the words are ours where DuckDB might have a table and its alias, `(list model)`, or a
            column and its type, `CREATE TABLE t (print audio)`.
    """

    keywords: str
    read: Callable[[TokenReader, Span], Node]
    stands_as_query: bool = False
    in_query: str = ""
    may_follow_with_list: bool = False
    also_requires: Callable[[Tokens, int], bool] | None = None
    cannot_be_names: Callable[[Beginning], bool] = lambda _beginning: True

    @cached_property
    def words(self) -> list[str]:
        """The keywords in lower case."""
        return self.keywords.lower().split()

    @cached_property
    def is_always_ours(self) -> bool:
        """The second keyword is USING: it is reserved, and so neither an alias nor a type."""
        return self.words[1:2] == ["using"]


def written_at(reader: TokenReader, keyword: Span) -> dict[str, Any]:
    """The fields of a node that say where it is written; it ends before the next token."""
    return {"keyword": keyword, "span": reader.span(), "source": reader.tokens.sql}


def over_a_query(reader: TokenReader, keyword: Span, kind: StatementKind) -> dict[str, Any]:
    """Read `[OPTIONS (..)] AS`; returns the fields of a `QueryNode` whose query begins at the next token.

    That a query begins there, and where it ends, is for the parser to find.
    """
    options = read_options(reader, kind)
    if reader.word != "as":
        if reader.word == "(" and reader.tokens.word(reader.index + 2) == "=":
            raise reader.error(f"OPTIONS is missing before the options of {kind}: write OPTIONS (name = value, ..)")
        if reader.word in QUERY_STARTS:
            raise reader.error(f"AS is missing before the query of {kind}")
        expected = "AS" if options.given else "OPTIONS (..) or AS"
        near = did_you_mean(reader.word, ["OPTIONS", "AS"])
        raise reader.error(f"{kind} continues with {expected} and a query, not {reader.shown}.{near}")
    reader.skip()
    before = reader.tokens.end(reader.index - 1)
    if reader.at_end or reader.word == ")":
        raise reader.error(f"The query of {kind} is missing after AS")
    # A comment between AS and the query belongs to the query.
    gap = reader.tokens.sql[before : reader.here]
    start = reader.here - len(gap.lstrip(SPACES))
    return {**written_at(reader, keyword), "options": options, "query": Span(start, start)}
