"""Our statements as data: what each says, and where in the text it says it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar

from thano_duckdb.errors import DialectError

from .option import Statement
from .options import Options
from .span import Span


@dataclass(frozen=True, slots=True)
class Name:
    """A model, table, data set or file, and its place in the text.

    Attributes:
        text: the name without its quotes; of a table, as written.
        span: the place, quotes included.
    """

    text: str
    span: Span


@dataclass(frozen=True, slots=True, kw_only=True)
class Node:
    """A statement of ours.

    Attributes:
        span: the whole statement, its query included.
        keyword: the words that it begins with, such as `PREDICT USING`.
        source: the whole text that it stands in.
        options: what OPTIONS says; nothing where it is left away.
    """

    statement: ClassVar[Statement]
    runs_now: ClassVar[bool] = False
    """It changes something beyond its own result, so that running it twice is not the same as once."""

    span: Span
    keyword: Span
    source: str = field(repr=False, compare=False)
    options: Options

    def error(self, problem: str, place: Span | None = None) -> DialectError:
        """What to raise for a problem at `place`, by default at the statement's first keyword."""
        return DialectError(problem, self.source, (place or self.keyword).start)

    @property
    def query_text(self) -> str:
        """The query after AS as the user wrote it; empty for a statement without one."""
        return ""


@dataclass(frozen=True, slots=True, kw_only=True)
class QueryNode(Node):
    """A statement over the rows of a query.

    Attributes:
        query: place of the query after AS.
    """

    query: Span

    @property
    def query_text(self) -> str:
        """The query after AS as the user wrote it."""
        return self.query.of(self.source)


@dataclass(frozen=True, slots=True, kw_only=True)
class Predict(QueryNode):
    """`PREDICT USING model [OPTIONS (..)] AS query`."""

    statement = Statement.PREDICT
    model: Name


@dataclass(frozen=True, slots=True, kw_only=True)
class Evaluate(QueryNode):
    """`EVALUATE USING model [OPTIONS (..)] AS query`."""

    statement = Statement.EVALUATE
    model: Name


@dataclass(frozen=True, slots=True, kw_only=True)
class Build(QueryNode):
    """`BUILD MODEL name USING model [OPTIONS (..)] AS query`: `model` is the base."""

    statement = Statement.BUILD
    runs_now = True
    name: Name
    model: Name


@dataclass(frozen=True, slots=True, kw_only=True)
class Fit(QueryNode):
    """`FIT MODEL name USING model [OPTIONS (..)] AS query`: go on from a model already built."""

    statement = Statement.FIT
    runs_now = True
    name: Name
    model: Name


@dataclass(frozen=True, slots=True, kw_only=True)
class PrintAudio(QueryNode):
    """`PRINT AUDIO [OPTIONS (..)] AS query`."""

    statement = Statement.PRINT_AUDIO


@dataclass(frozen=True, slots=True, kw_only=True)
class Search(QueryNode):
    """`SEARCH AUDIO USING model OPTIONS (..) AS query`."""

    statement = Statement.SEARCH_AUDIO
    model: Name


@dataclass(frozen=True, slots=True, kw_only=True)
class Convert(QueryNode):
    """`CONVERT USING model [OPTIONS (..)] AS query`."""

    statement = Statement.CONVERT
    model: Name


@dataclass(frozen=True, slots=True, kw_only=True)
class Copy(Node):
    """`COPY table OPTIONS (..) FROM 'file or folder'`."""

    statement = Statement.COPY
    table: Name
    file: Name


@dataclass(frozen=True, slots=True, kw_only=True)
class ListAll(Node):
    """`LIST MODEL`, `LIST THANOSQL MODEL`, `LIST THANOSQL DATASET` or `LIST TABLE`.

    Attributes:
        what: the words after LIST, in capitals.
    """

    statement = Statement.LIST
    what: str


@dataclass(frozen=True, slots=True, kw_only=True)
class GetModel(Node):
    """`GET THANOSQL MODEL model [OPTIONS (..)]`."""

    statement = Statement.GET_MODEL
    runs_now = True
    model: Name


@dataclass(frozen=True, slots=True, kw_only=True)
class GetDataset(Node):
    """`GET THANOSQL DATASET name [OPTIONS (..)]`."""

    statement = Statement.GET_DATASET
    runs_now = True
    name: Name


@dataclass(frozen=True, slots=True, kw_only=True)
class Upload(Node):
    """`UPLOAD MODEL name [OPTIONS (..)] FROM 'folder'`."""

    statement = Statement.UPLOAD
    runs_now = True
    name: Name
    folder: Name


@dataclass(frozen=True, slots=True, kw_only=True)
class Delete(Node):
    """`DELETE MODEL name`."""

    statement = Statement.DELETE
    runs_now = True
    name: Name
