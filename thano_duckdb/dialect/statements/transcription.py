"""PREDICT and EVALUATE transcribe the rows of a query, PRINT AUDIO plays them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar, Self

from thano_duckdb.dialect.nodes import ROWS, Name, QueryNode
from thano_duckdb.dialect.quoting import identifier, json_literal, literal
from thano_duckdb.dialect.span import Span
from thano_duckdb.dialect.token_reader import TokenReader
from thano_duckdb.option import StatementKind, Value
from thano_duckdb.text_options import SCORING_OPTIONS

from .syntax import Syntax, over_a_query

ALWAYS_THERE = ("confidence", "words", "duration", "error")
"""The columns of `include` that every transcript has; `alternatives` need a beam search, which may change the text."""
N_ALTERNATIVES = 5
"""Where `include` asks for alternatives, and `n_best` does not say how many."""
AUDIO_INFO_COLUMNS = ("duration", "sample_rate", "channels", "frames", "format", "subtype", "error")
"""What PRINT AUDIO adds to its query: the fields of `thano_audio_info`."""


CHANNEL = "channel"
"""The column that `channel='each'` adds."""

GROUP_COLUMNS = (
    *("wer", "wer_low", "wer_high", "cer", "ser"),
    *("substitutions", "deletions", "insertions", "words", "clips", "failed", "audio_hours"),
)
"""What EVALUATE adds to the columns of `by`."""


def _columns_without(names: list[str]) -> str:
    """The columns of a query but for those of these names, for its SELECT list."""
    new = f"system.main.list_value({', '.join(map(literal, names))})"
    # COLUMNS(lambda ..) alone would call whatever `list_filter` the database has.
    return f"COLUMNS(system.main.list_filter(*, lambda c: thano_keeps(c, {new})))"


@dataclass(frozen=True, slots=True, kw_only=True)
class AddingNode(QueryNode):
    """A statement that gives the columns of its query, and columns of its own after them.

    A column of its own replaces one of the same name in the query, whatever the case of its letters. The text alone
    does not say which columns the query has: `COLUMNS` lets DuckDB decide when it binds the query.

    Attributes:
        reads: the options that name columns which the function is given.
    """

    reads: ClassVar[tuple[str, ...]] = ("audio_col", "relative_to")

    def added_columns(self) -> list[str]:
        """The names of its own columns."""
        raise NotImplementedError

    def added_sql(self) -> str:
        """The SELECT list of its own columns."""
        raise NotImplementedError

    def sql_around(self) -> tuple[str, str]:
        """A SELECT of the other columns of the query, then its own."""
        names, added, read_by = self.added_columns(), self.added_sql(), self._read_by
        replaced = [name for name in names if name.casefold() not in read_by]
        kept = _columns_without(replaced)
        if len(replaced) == len(names):
            return f"SELECT {kept}, {added} FROM (", f") AS {ROWS}"
        # What is read is among the columns of the query; DuckDB's COLUMNS may not be empty.
        read = [read_by[name.casefold()] for name in names if name.casefold() in read_by]
        others = f"{ROWS}.* EXCLUDE ({', '.join(self.column(option).removeprefix(f'{ROWS}.') for option in read)})"
        if not replaced:
            return f"SELECT {others}, {added} FROM (", f") AS {ROWS}"
        return f"SELECT {others}, {added} FROM (SELECT {kept} FROM (", f")) AS {ROWS}"

    def sql_around_unknown(self) -> tuple[str, str]:
        """The same where the columns of the query are not known: DuckDB finds its tables without."""
        return f"SELECT {ROWS}.*, {self.added_sql()} FROM (", f") AS {ROWS}"

    def warnings(self) -> Iterator[tuple[str, Span]]:
        """Also where a column that it reads is replaced; other columns are found when the statement runs."""
        yield from super(AddingNode, self).warnings()
        read_by = self._read_by
        for option in dict.fromkeys(read_by.get(name.casefold()) for name in self.added_columns()):
            if option is not None:
                what = option.removesuffix("_col")
                yield f"{self.kind} replaces the column of {what}", self.options.span_of(option) or self.keyword

    @property
    def _read_by(self) -> dict[str, str]:
        """For each column of the query that the function reads, in small letters, the option that names it."""
        named = ((option, self.options.text(option)) for option in self.reads)
        return {name.casefold(): option for option, name in named if name}


@dataclass(frozen=True, slots=True, kw_only=True)
class TranscribingNode(QueryNode):
    """A statement that transcribes each row of its query."""

    model: Name

    @classmethod
    def read(cls, reader: TokenReader, keyword: Span) -> Self:
        """Read `model [OPTIONS (..)] AS`."""
        model = reader.model("USING")
        return cls(model=model, **over_a_query(reader, keyword, cls.kind))

    def included(self) -> tuple[str, ...]:
        """The fields of the transcript that are wanted beside the text."""
        return ()

    @property
    def gives_each_channel(self) -> bool:
        """Whether each channel of a clip gets a row."""
        return self.options["channel"] == "each"

    def function_options(self) -> dict[str, Value]:
        """The options of the functions, which take one channel per row."""
        given = self.options.for_function
        return {name: value for name, value in given.items() if (name, value) != ("channel", "each")}

    def _with_alternatives(self, options: dict[str, Value]) -> dict[str, Value]:
        return {"n_best": N_ALTERNATIVES} | options if "alternatives" in self.included() else options

    def plan_around(self) -> tuple[str, str]:
        """The SQL before its query and after it that gives what it will take, an item a row, instead of its rows."""
        own = [name for name in ("hotwords", "language") if self.options.text(f"{name}_col") is not None]
        arguments = (
            literal(self.model.text),
            self.audio(),
            self.column("audio_col"),
            json_literal(self._with_alternatives(self.options.for_function)),
            literal(str(self.kind)),
            literal(" ".join(own)),
        )
        return f"SELECT unnest(thano_planned({', '.join(arguments)}), recursive := true) FROM (", f") AS {ROWS}"

    def clips_sql(self) -> str:
        """A query of what the call that transcribes a row is given of it: the audio, the hotwords and the language."""
        hotwords, language = (
            "NULL" if self.options.text(option) is None else self.column(option)
            for option in ("hotwords_col", "language_col")
        )
        columns = f"{self.audio()} AS audio, {hotwords} AS hotwords, CAST({language} AS VARCHAR) AS language"
        return f"SELECT {columns} FROM ({self.query_text}) AS {ROWS}"

    def transcript(self) -> str:
        """The call that transcribes a row."""
        arguments = [literal(self.model.text), self.audio()]
        if options := self._with_alternatives(self.function_options()):
            arguments.append(json_literal(options))
        if self.options.text("hotwords_col") is not None:
            arguments.append(f"hotwords := {self.column('hotwords_col')}")
        if self.options.text("language_col") is not None:
            arguments.append(f"language := CAST({self.column('language_col')} AS VARCHAR)")  # also a column of NULL
        if self.gives_each_channel:
            arguments.append(f"{CHANNEL} := {ROWS}.{identifier(CHANNEL)}")
        return f"thano_transcribe({', '.join(arguments)})"


@dataclass(frozen=True, slots=True, kw_only=True)
class Predict(AddingNode, TranscribingNode):
    """`PREDICT USING model [OPTIONS (..)] AS query`."""

    kind = StatementKind.PREDICT
    reads = ("audio_col", "relative_to", "hotwords_col", "language_col")

    def included(self) -> tuple[str, ...]:
        """What `include` asks for; of 'all', what costs nothing beside the other options of the statement."""
        asked = self.options.texts("include")
        if "all" not in asked:
            return asked
        fields = [*ALWAYS_THERE]
        if self.options["n_best"] is not None or "alternatives" in asked:
            fields.append("alternatives")
        if self.options["hotwords"] or self.options["hotwords_col"] is not None or "hotwords" in asked:
            fields.append("hotwords")
        return tuple(fields)

    def sql_around(self) -> tuple[str, str]:
        """As `AddingNode`; the rows for each channel are made below it: LIMIT and filters act before the model."""
        head, tail = super(Predict, self).sql_around()
        if not self.gives_each_channel:
            return head, tail
        for option in (*self.reads, "result_col"):
            if (self.options.text(option) or "").casefold() == CHANNEL:
                raise self.error(
                    f"channel='each' adds a column '{CHANNEL}', so {option} must be another one",
                    self.options.span_of(option),
                )
        arguments = self.audio()
        if options := self.function_options():
            arguments += f", {json_literal(options)}"
        channels = f"unnest(thano_channels({arguments})) AS {identifier(CHANNEL)}"
        return f"{head}SELECT {_columns_without([CHANNEL])}, {channels} FROM (", f") AS {ROWS}{tail}"

    def added_columns(self) -> list[str]:
        """The transcript, and what `include` asks for."""
        return [self.options.text("result_col") or "", *self.included()]

    def added_sql(self) -> str:
        """Fields of the transcript."""
        result, *included = self.added_columns()
        if result.lower() in included:
            raise self.error("result_col and include name the same column", self.options.span_of("include"))
        call = self.transcript()
        fields = {result: "text"} | {name: name for name in included}
        return ", ".join(
            f"system.main.struct_extract({call}, {literal(field)}) AS {identifier(name)}"
            for name, field in fields.items()
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Evaluate(TranscribingNode):
    """`EVALUATE USING model [OPTIONS (..)] AS query`."""

    kind = StatementKind.EVALUATE

    def function_options(self) -> dict[str, Value]:
        """Without those that say how the texts are compared."""
        given = super(Evaluate, self).function_options()
        return {name: value for name, value in given.items() if name not in SCORING_OPTIONS}

    def warnings(self) -> Iterator[tuple[str, Span]]:
        """Also where a column of `by` has the name of a metric: the result has both."""
        yield from super(Evaluate, self).warnings()
        both = ", ".join(f"'{name}'" for name in self.options.texts("by") if name.casefold() in GROUP_COLUMNS)
        if both:
            place = self.options.span_of("by") or self.keyword
            yield f"EVALUATE gives {both} twice: the column of by, then the metric", place

    def sql_around(self) -> tuple[str, str]:
        """A SELECT of the metrics of all rows, one below the other, or of a row for each group of `by`."""
        arguments = f"{self.column('text_col')}, {self.transcript()}"
        given = self.options.for_function
        if scoring := {name: given[name] for name in SCORING_OPTIONS if name in given}:
            arguments += f", options := {json_literal(scoring)}"
        by = self.options.texts("by")
        if not by:
            return f"SELECT unnest(thano_scores({arguments}), recursive := true) FROM (", f") AS {ROWS}"
        groups = ", ".join(f"{ROWS}.{identifier(name)}" for name in by)
        scores = "_thano_scores"
        while scores in (name.casefold() for name in by):
            scores += "_"
        # Grouped first: unnest would call the function once for each field of its struct.
        grouped = f"SELECT {groups}, thano_group_scores({arguments}) AS {scores}"
        kept = ", ".join(identifier(name) for name in by)
        order = ", ".join(str(number) for number in range(1, len(by) + 1))
        return (
            f"SELECT {kept}, unnest({scores}) FROM ({grouped} FROM (",
            f") AS {ROWS} GROUP BY {groups}) ORDER BY {order}",
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class PrintAudio(AddingNode):
    """`PRINT AUDIO [OPTIONS (..)] AS query`."""

    kind = StatementKind.PRINT_AUDIO

    @classmethod
    def read(cls, reader: TokenReader, keyword: Span) -> Self:
        """Read `[OPTIONS (..)] AS`."""
        return cls(**over_a_query(reader, keyword, cls.kind))

    def added_columns(self) -> list[str]:
        """What the headers of the audio say."""
        return [*AUDIO_INFO_COLUMNS]

    def added_sql(self) -> str:
        """Fields of the header."""
        arguments = self.audio()
        if options := self.options.for_function:
            arguments += f", {json_literal(options)}"
        return f"unnest(thano_audio_info({arguments}))"


SYNTAXES = (
    Syntax(keywords="PREDICT USING", read=Predict.read, stands_as_query=True),
    Syntax(keywords="EVALUATE USING", read=Evaluate.read, stands_as_query=True),
    Syntax(
        keywords="PRINT AUDIO",
        read=PrintAudio.read,
        in_query="in a query thano_audio_info(audio_path) gives the same",
        may_follow_with_list=True,
        cannot_be_names=lambda beginning: beginning.words[2] in ("as", "options"),
    ),
)
