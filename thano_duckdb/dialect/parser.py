"""Finds our statements in a text, wherever DuckDB takes a statement or a query.

One pass over the tokens, without recursion, with a stack of scopes: the statement itself, and one for each open
parenthesis. In a scope a query may stand at the beginning; after EXPLAIN, DESCRIBE or SUMMARIZE; after the AS of CREATE
and PREPARE; after the table of INSERT; after a WITH list; and after UNION, INTERSECT and EXCEPT. Only there do our
keywords begin one of our statements, so that a table or a column may have any name. The query of a statement extends
to the end of its scope, as that of CREATE TABLE AS does: a UNION after it belongs to that query.

One text can be read both ways: `FROM (LIST MODEL)`, to DuckDB a table `list` with the alias `model`. We take it as our
statement.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from enum import Enum, auto

from thano_duckdb.errors import DialectError

from .lexer import Tokens, check_is_text, lex
from .nodes import Node, QueryNode
from .span import Span
from .statements import FIRST_WORDS, find
from .statements.syntax import QUERY_STARTS, Beginning, Syntax
from .token_reader import TokenReader, never_closed


def parse(sql: str) -> tuple[Node, ...]:
    """Our statements in `sql`, an outer one before those in its query, in the order of the text.

    Raises:
        DialectError: one of our statements is not well formed, or stands where it is not allowed; or the text holds
            half a character.
        TypeError: `sql` is not a str.
    """
    check_is_text(sql)
    folded = sql.lower()
    if not any(word in folded for word in FIRST_WORDS):
        return ()
    return _Scanner(lex(sql)).run()


class _At(Enum):
    """What may stand next in a scope."""

    QUERY = auto()
    """A query, at the beginning of one."""
    BODY = auto()
    """Anything but the beginning of a query."""
    WITH_LIST = auto()
    """Names and bodies of a WITH list."""
    BEFORE_AS = auto()
    """CREATE or PREPARE, up to AS."""
    INSERT = auto()
    """INSERT after its table, up to its query."""


@dataclass(slots=True)
class _Scope:
    """A statement, or what is within one parenthesis.

    Attributes:
        opening: token of the parenthesis, or -1.
        first: its first token.
        holds_query: the parenthesis stands where DuckDB takes a query or a table, not a list of columns or types.
        at: what may stand next.
        alone: nothing but a WITH list came before, so that a statement which stands alone may begin.
        open: our statements whose query extends to the end of this scope, by their number.
    """

    opening: int
    first: int
    holds_query: bool = True
    at: _At = _At.QUERY
    alone: bool = False
    open: list[int] = field(default_factory=list)


# A parenthesis after one of these holds a query, a table, or a value; after a name it may hold columns with types.
_BEFORE_QUERY = frozenset({"(", ",", "=", "<", ">", "<=", ">=", "<>", "!=", "=="}) | frozenset(
    {"from", "join", "in", "as", "all", "any", "some", "except", "intersect", "using", "materialized"}
)
_SET_OPERATIONS = frozenset({"union", "intersect", "except"})
_OF_INTEREST = _SET_OPERATIONS | {"(", ")", ";"}
_BEFORE_STATEMENT = frozenset({"explain", "analyze"})
_BEFORE_DESCRIBED = frozenset({"describe", "desc", "summarize", "show"})


class _Scanner:
    """Reads the tokens once."""

    def __init__(self, tokens: Tokens) -> None:
        self.tokens = tokens
        self.nodes: list[Node] = []
        self.scopes: list[_Scope] = []

    def run(self) -> tuple[Node, ...]:
        words = self.tokens.words
        self.scopes = [_Scope(-1, 0, alone=True)]
        index, n_tokens = 0, len(words)
        while index < n_tokens:
            word = words[index]
            if word == "(":
                self._open(index)
                index += 1
            elif word == ")":
                self._close(index)
                index += 1
            elif word == ";":
                self._end_statement(index)
                self.scopes = [_Scope(-1, index + 1, alone=True)]
                index += 1
            else:
                index = self._word(index, word)
            if self.scopes[-1].at is _At.BODY:  # most of a text: nothing else matters there
                while index < n_tokens and words[index] not in _OF_INTEREST:
                    index += 1
        self._end_statement(n_tokens)
        return tuple(self.nodes)

    # Scopes

    def _open(self, index: int) -> None:
        scope, before = self.scopes[-1], self.tokens.word(index - 1)
        holds_query = (
            before in _BEFORE_QUERY
            or (scope.at in (_At.QUERY, _At.INSERT) and before != "union")
            or (before == "copy" and scope.opening < 0 and index - 1 == scope.first)
        )
        if scope.at is _At.QUERY and before not in _BEFORE_STATEMENT:
            scope.at, scope.alone = _At.BODY, False
        self.scopes.append(_Scope(index, index + 1, holds_query))

    def _close(self, index: int) -> None:
        scope = self.scopes[-1]
        if scope.opening < 0:
            if scope.open:
                raise self._error("This ) has no ( before it", index)
            return
        self._end_queries(scope, index)
        self.scopes.pop()
        around = self.scopes[-1]
        is_body = self.tokens.word(scope.opening - 1) in ("as", "materialized")
        if around.at is _At.WITH_LIST and is_body and self.tokens.word(index + 1) != ",":
            around.at = _At.QUERY

    def _end_statement(self, index: int) -> None:
        if any(scope.open for scope in self.scopes):
            if self.tokens.is_open and index == len(self.tokens):
                raise never_closed(self.tokens)
            if self.scopes[-1].opening >= 0:
                raise self._error("This ( is never closed", self.scopes[-1].opening)
            self._end_queries(self.scopes[-1], index)

    def _end_queries(self, scope: _Scope, index: int) -> None:
        """The queries of the scope's statements end before the token at `index`."""
        end = self.tokens.end(index - 1)
        for number in scope.open:
            node = self.nodes[number]
            assert isinstance(node, QueryNode)
            self.nodes[number] = replace(node, span=Span(node.span.start, end), query=Span(node.query.start, end))

    # Words

    def _word(self, index: int, word: str) -> int:
        """Read the token at `index`; returns the index of the next one to look at."""
        scope = self.scopes[-1]
        if scope.at is _At.QUERY:
            return self._begin(scope, index, word)
        if scope.at is _At.BODY:
            if word in _SET_OPERATIONS:
                return self._set_operation(scope, index)
        elif scope.at is _At.BEFORE_AS:
            if word == "as":
                scope.at = _At.QUERY
        elif scope.at is _At.INSERT and (word in QUERY_STARTS or self._ours(scope, index) is not None):
            return self._begin(scope, index, word)
        return index + 1

    def _after_table(self, index: int) -> int:
        """The index after INSERT [OR REPLACE | OR IGNORE] INTO table [AS alias]: these names may be any word."""
        while self.tokens.word(index) in ("insert", "or", "replace", "ignore"):
            index += 1
        index += 2
        while self.tokens.word(index) == ".":
            index += 2
        return index + 2 if self.tokens.word(index) == "as" else index

    def _set_operation(self, scope: _Scope, index: int) -> int:
        scope.at, scope.alone = _At.QUERY, False
        index += 1
        if self.tokens.word(index) in ("all", "distinct"):
            index += 1
        if (self.tokens.word(index), self.tokens.word(index + 1)) == ("by", "name"):
            index += 2
        return index

    def _begin(self, scope: _Scope, index: int, word: str) -> int:
        """A query or a statement begins at `index`."""
        if (syntax := self._ours(scope, index)) is not None:
            return self._read(scope, index, syntax)
        if word in _SET_OPERATIONS:
            return self._set_operation(scope, index)
        if word == "with":
            scope.at = _At.WITH_LIST
            return index + 1
        scope.alone = False
        if scope.opening < 0 and word in ("create", "prepare"):
            scope.at = _At.BEFORE_AS
        elif scope.opening < 0 and word == "insert":
            scope.at = _At.INSERT
            return self._after_table(index)
        elif not (
            word in _BEFORE_STATEMENT
            or word in _BEFORE_DESCRIBED
            or (word == "table" and self.tokens.word(index - 1) == "as")  # CREATE MACRO .. AS TABLE query
        ):
            scope.at = _At.BODY
        return index + 1

    def _read(self, scope: _Scope, index: int, syntax: Syntax) -> int:
        """Read our statement that begins at `index`."""
        may_stand = syntax.stands_as_query or (scope.alone and (index == scope.first or syntax.may_follow_with_list))
        if not may_stand:
            problem = f"{syntax.keywords} stands alone: it is not a query, and cannot be part of another statement"
            raise self._error("; ".join(filter(None, (problem, syntax.in_query))), index)
        reader = TokenReader(self.tokens, index)
        reader.skip(len(syntax.words))
        node = syntax.read(reader, reader.span())
        scope.at, scope.alone = _At.BODY, False
        if isinstance(node, QueryNode):
            if reader.word not in QUERY_STARTS and find(self.tokens, reader.index) is None:
                problem = f"After AS comes a query, and {reader.shown} does not begin one."
                raise reader.error(f"{problem} For a whole table write FROM table")
            scope.at = _At.QUERY
            scope.open.append(len(self.nodes))
        self.nodes.append(node)
        return reader.index

    def _ours(self, scope: _Scope, index: int) -> Syntax | None:
        """Our statement that begins at `index`, where a query may stand; None where it is DuckDB's.

        Within a parenthesis DuckDB may have a table and its alias there, `(list model)`, or a column and its type,
        `CREATE TABLE t (print audio)`: only what cannot be either is ours there.
        """
        syntax = find(self.tokens, index)
        if syntax is None or syntax.is_always_ours or (scope.opening < 0 and scope.alone):
            return syntax
        is_first = index == scope.first
        if is_first and not scope.holds_query:
            return None
        word = self.tokens.word
        words = word(index), word(index + 1), word(index + 2), word(index + 3)
        return syntax if syntax.cannot_be_names(Beginning(words, is_first)) else None

    def _error(self, problem: str, index: int) -> DialectError:
        return DialectError(problem, self.tokens.sql, self.tokens.starts[index])
