"""BUILD MODEL and FIT MODEL train on the rows of a query."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

from thano_duckdb.dialect.nodes import ROWS, Name, QueryNode
from thano_duckdb.dialect.quoting import json_literal, literal
from thano_duckdb.dialect.span import Span
from thano_duckdb.dialect.token_reader import TokenReader
from thano_duckdb.option import StatementKind

from .syntax import Beginning, Syntax, over_a_query


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainingNode(QueryNode):
    """A statement that trains `model` and publishes the result as `name`."""

    runs_now = True
    name: Name
    model: Name

    @classmethod
    def read(cls, reader: TokenReader, keyword: Span) -> Self:
        """Read `name USING model [OPTIONS (..)] AS`."""
        name = reader.name("model", cls.kind)
        reader.expect("USING", f"{cls.kind} name is followed by USING and a model")
        model = reader.model("USING")
        return cls(name=name, model=model, **over_a_query(reader, keyword, cls.kind))

    def sql_around(self) -> tuple[str, str]:
        """A SELECT of one row per epoch."""
        # One struct for each row, so that audio and text cannot drift apart.
        fields = [f"audio := {self.audio()}", f"text := {self.column('text_col')}"]
        if self.options["split_by"] is not None:
            fields.append(f'"group" := CAST({self.column("split_by")} AS VARCHAR)')
        row = f"system.main.struct_pack({', '.join(fields)})"
        options = json_literal(self.options.for_function)
        names = f"{literal(self.name.text)}, {literal(self.model.text)}, {options}"
        return f"SELECT unnest(thano_build({names}, {row}), recursive := true) FROM (", f") AS {ROWS}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Build(TrainingNode):
    """`BUILD MODEL name USING model [OPTIONS (..)] AS query`: `model` is the base."""

    kind = StatementKind.BUILD


@dataclass(frozen=True, slots=True, kw_only=True)
class Fit(TrainingNode):
    """`FIT MODEL name USING model [OPTIONS (..)] AS query`: continue the training of `model`."""

    kind = StatementKind.FIT


def _cannot_be_names(beginning: Beginning) -> bool:
    return beginning.words[3] == "using"


SYNTAXES = (
    Syntax(keywords="BUILD MODEL", read=Build.read, may_follow_with_list=True, cannot_be_names=_cannot_be_names),
    Syntax(keywords="FIT MODEL", read=Fit.read, may_follow_with_list=True, cannot_be_names=_cannot_be_names),
)
