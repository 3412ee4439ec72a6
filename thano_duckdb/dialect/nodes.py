"""One of our statements as data: what it says, where in the text it says it, and the DuckDB SQL that it becomes."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import ClassVar

from thano_duckdb.errors import DialectError
from thano_duckdb.option import StatementKind

from .given_options import GivenOptions
from .quoting import identifier
from .span import Span

ROWS = "_thano_rows"
"""What our SQL calls the rows of a statement's query.

Where the query lacks the column `audio_path`, DuckDB takes `_thano_rows.audio_path` for a field of its STRUCT column
`_thano_rows`: no column should have such a name.
"""


@dataclass(frozen=True, slots=True)
class Name:
    """A model, table, data set or file, and where it is written.

    Attributes:
        text: the name without its quotes; of a table, as written.
        span: where it is written, quotes included.
    """

    text: str
    span: Span


@dataclass(frozen=True, slots=True, kw_only=True)
class Node(ABC):
    """One of our statements.

    Attributes:
        kind: which one.
        runs_now: it changes something beyond its own result, so that running it twice is not the same as once.
        span: the whole statement, its query included.
        keyword: the words that it begins with, such as `PREDICT USING`.
        source: the whole text that it stands in.
        options: the options that it gives; none where OPTIONS is omitted.
    """

    kind: ClassVar[StatementKind]
    runs_now: ClassVar[bool] = False

    span: Span
    keyword: Span
    source: str = field(repr=False, compare=False)
    options: GivenOptions

    @abstractmethod
    def sql_around(self) -> tuple[str, str]:
        """The SQL before the query of the statement and the SQL after it; without a query all of it is in the first.

        Raises:
            DialectError: the statement cannot be run, such as a COPY of a file that is not read.
        """

    def sql_around_unknown(self) -> tuple[str, str]:
        """The same for text whose tables are looked for, and may not exist yet."""
        return self.sql_around()

    def error(self, problem: str, span: Span | None = None) -> DialectError:
        """What to raise for a problem at `span`, by default at the statement's first keyword."""
        return DialectError(problem, self.source, (span or self.keyword).start)

    def warnings(self) -> Iterator[tuple[str, Span]]:
        """What is off but not wrong in it, each with its place; options without effect, and what a statement adds."""
        for given in self.options.ignored:
            yield f"{self.kind} ignores the option '{given.option.name}'", given.name_span

    @property
    def query_text(self) -> str:
        """The query after AS as the user wrote it; empty for a statement without one."""
        return ""


@dataclass(frozen=True, slots=True, kw_only=True)
class QueryNode(Node):
    """A statement over the rows of a query.

    Attributes:
        query: where the query after AS is written.
    """

    query: Span

    @property
    def query_text(self) -> str:
        """The query after AS as the user wrote it."""
        return self.query.of(self.source)

    def column(self, option: str) -> str:
        """The column of the query that an option names, as SQL."""
        name = self.options.text(option)
        assert name is not None, f"{option} has a default"
        return f"{ROWS}.{identifier(name)}"

    def audio(self) -> str:
        """The audio of a row, as SQL: its column, with the file that its relative paths stand in where there is one."""
        column = self.column("audio_col")
        if self.options.text("relative_to") is None:
            return column
        return f"system.main.struct_pack(audio := {column}, relative_to := {self.column('relative_to')})"
