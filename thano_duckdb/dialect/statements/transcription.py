"""PREDICT and EVALUATE transcribe the rows of a query, PRINT AUDIO plays them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

from thano_duckdb.dialect.nodes import Name, QueryNode
from thano_duckdb.dialect.quoting import identifier, json_literal, literal
from thano_duckdb.dialect.span import Span
from thano_duckdb.dialect.token_reader import TokenReader
from thano_duckdb.option import StatementKind

from .syntax import Syntax, over_a_query


@dataclass(frozen=True, slots=True, kw_only=True)
class TranscribingNode(QueryNode):
    """A statement that transcribes each row of its query."""

    model: Name

    @classmethod
    def read(cls, reader: TokenReader, keyword: Span) -> Self:
        """Read `model [OPTIONS (..)] AS`."""
        model = reader.model("USING")
        return cls(model=model, **over_a_query(reader, keyword, cls.kind))

    def transcript(self) -> str:
        """The call that transcribes a row."""
        arguments = [literal(self.model.text), self.column("audio_col")]
        if options := self.options.for_function:
            arguments.append(json_literal(options))
        return f"thano_transcribe({', '.join(arguments)})"


@dataclass(frozen=True, slots=True, kw_only=True)
class Predict(TranscribingNode):
    """`PREDICT USING model [OPTIONS (..)] AS query`."""

    kind = StatementKind.PREDICT

    def sql_around(self) -> tuple[str, str]:
        """A SELECT of the query's columns, the transcript, and what `include` asks for."""
        fields = {self.options.text("result_col") or "": "text"}
        for field in self.options.texts("include"):
            if field in (name.lower() for name in fields):
                raise self.error("result_col and include name the same column", self.options.span_of("include"))
            fields[field] = field
        call = self.transcript()
        results = ", ".join(f"{call}.{field} AS {identifier(name)}" for name, field in fields.items())
        return f"SELECT src.*, {results} FROM (", ") AS src"


@dataclass(frozen=True, slots=True, kw_only=True)
class Evaluate(TranscribingNode):
    """`EVALUATE USING model [OPTIONS (..)] AS query`."""

    kind = StatementKind.EVALUATE

    def sql_around(self) -> tuple[str, str]:
        """A SELECT of the metrics of all rows, or of each group of `by`."""
        arguments = f"{self.column('text_col')}, {self.transcript()}"
        if self.options.text("by") is None:
            return f"SELECT unnest(thano_scores({arguments}), recursive := true) FROM (", ") AS src"
        group = self.column("by")
        scores = f"unnest(thano_scores({arguments}, grouped := true), recursive := true)"
        return f"SELECT {group}, {scores} FROM (", f") AS src GROUP BY {group} ORDER BY {group}"


@dataclass(frozen=True, slots=True, kw_only=True)
class PrintAudio(QueryNode):
    """`PRINT AUDIO [OPTIONS (..)] AS query`."""

    kind = StatementKind.PRINT_AUDIO

    @classmethod
    def read(cls, reader: TokenReader, keyword: Span) -> Self:
        """Read `[OPTIONS (..)] AS`."""
        return cls(**over_a_query(reader, keyword, cls.kind))

    def sql_around(self) -> tuple[str, str]:
        """A SELECT of the query's columns and what the headers of the audio say."""
        arguments = self.column("audio_col")
        if options := self.options.for_function:
            arguments += f", {json_literal(options)}"
        return f"SELECT src.*, unnest(thano_audio_info({arguments})) FROM (", ") AS src"


SYNTAXES = (
    Syntax(keywords="PREDICT USING", read=Predict.read, is_query=True),
    Syntax(keywords="EVALUATE USING", read=Evaluate.read, is_query=True),
    Syntax(
        keywords="PRINT AUDIO",
        read=PrintAudio.read,
        follows_with=True,
        is_unambiguous=lambda beginning: beginning.words[2] in ("as", "options"),
    ),
)
