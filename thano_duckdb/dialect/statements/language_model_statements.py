"""BUILD LANGUAGE MODEL learns an n-gram model from the rows of a query; UPLOAD LANGUAGE MODEL takes one from a file."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

from thano_duckdb.dialect.nodes import ROWS, Name, Node, QueryNode
from thano_duckdb.dialect.option_reader import read_options
from thano_duckdb.dialect.quoting import json_literal, literal
from thano_duckdb.dialect.span import Span
from thano_duckdb.dialect.token_reader import TokenReader
from thano_duckdb.option import StatementKind

from .syntax import Beginning, Syntax, over_a_query, written_at


@dataclass(frozen=True, slots=True, kw_only=True)
class BuildLanguageModel(QueryNode):
    """`BUILD LANGUAGE MODEL name [OPTIONS (..)] AS query`."""

    kind = StatementKind.BUILD_LANGUAGE_MODEL
    runs_now = True
    name: Name

    @classmethod
    def read(cls, reader: TokenReader, keyword: Span) -> Self:
        """Read `name [OPTIONS (..)] AS`."""
        name = reader.name("model", cls.kind)
        if reader.word == "using":
            raise reader.error(
                f"{cls.kind} has no base, so it has no USING: its name is followed by OPTIONS (..) or AS"
            )
        return cls(name=name, **over_a_query(reader, keyword, cls.kind))

    def sql_around(self) -> tuple[str, str]:
        """A SELECT of one row of figures."""
        options = json_literal(self.options.for_function)
        call = f"thano_build_language_model({literal(self.name.text)}, {options}, {self.column('text_col')})"
        return f"SELECT unnest({call}, recursive := true) FROM (", f") AS {ROWS}"


@dataclass(frozen=True, slots=True, kw_only=True)
class UploadLanguageModel(Node):
    """`UPLOAD LANGUAGE MODEL name [OPTIONS (..)] FROM 'file'`."""

    kind = StatementKind.UPLOAD_LANGUAGE_MODEL
    runs_now = True
    name: Name
    file: Name

    @classmethod
    def read(cls, reader: TokenReader, keyword: Span) -> Self:
        """Read `name [OPTIONS (..)] FROM 'file'`."""
        name = reader.name("model", cls.kind)
        options = read_options(reader, cls.kind)
        reader.expect("FROM", f"{cls.kind} name [OPTIONS (..)] is followed by FROM and an ARPA file or KenLM binary")
        file = reader.quoted("file")
        reader.expect_end()
        return cls(name=name, file=file, options=options, **written_at(reader, keyword))

    def sql_around(self) -> tuple[str, str]:
        """A call that copies the file into the registry."""
        name, file, options = literal(self.name.text), literal(self.file.text), json_literal(self.options.for_function)
        return f"SELECT * FROM thano_upload_language_model({name}, {file}, {options})", ""


def _cannot_be_names(beginning: Beginning) -> bool:
    return beginning.words[2] == "model"


SYNTAXES = (
    Syntax(
        keywords="BUILD LANGUAGE MODEL",
        read=BuildLanguageModel.read,
        may_follow_with_list=True,
        cannot_be_names=_cannot_be_names,
    ),
    Syntax(keywords="UPLOAD LANGUAGE MODEL", read=UploadLanguageModel.read, cannot_be_names=_cannot_be_names),
)
