"""Our statements as DuckDB SQL.

A statement becomes a text before its query and one behind it; the query itself, with our statements in it, and
everything around stay as they are written. Nothing is looked up: no connection, no file, no model.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import singledispatch

from .copy import copy_sql
from .nodes import (
    Build,
    Convert,
    Copy,
    Delete,
    Evaluate,
    Fit,
    GetDataset,
    GetModel,
    ListAll,
    Node,
    Predict,
    PrintAudio,
    QueryNode,
    Search,
    Upload,
)
from .option import Kind
from .options import OPTIONS, Options
from .parser import parse
from .quoting import identifier, json_literal, literal
from .span import Span


@dataclass(frozen=True, slots=True)
class Plan:
    """What a text of ours becomes.

    Attributes:
        sql: DuckDB SQL.
        statements: our statements in the text, an outer one before those in its query.
        warnings: a sentence for each option that is accepted without effect.
        runs_now: a statement changes something beyond its own result, so that it must run once, now.
    """

    sql: str
    statements: tuple[Node, ...]
    warnings: tuple[str, ...]
    runs_now: bool

    @property
    def is_plain(self) -> bool:
        """Whether the text holds none of our statements: `sql` is then the very text."""
        return not self.statements


def rewrite(sql: str) -> str:
    """DuckDB SQL for a text of DuckDB's statements and ours; pure.

    Raises:
        DialectError: a statement of ours is not well formed; it names the place.

    Example:
        >>> from thano_duckdb import rewrite
        >>> print(rewrite("PREDICT USING my_model AS FROM calls"))
        SELECT src.*, thano_transcribe('my_model', src."audio_path").text AS "predicted" FROM (FROM calls) AS src
        >>> rewrite("SELECT 1 AS predict -- nothing of ours")
        'SELECT 1 AS predict -- nothing of ours'
    """
    return plan(sql).sql


def plan(sql: str) -> Plan:
    """DuckDB SQL for a text, with what the connection must know of it; pure.

    Raises:
        DialectError: a statement of ours is not well formed; it names the place.
    """
    statements = parse(sql)
    if not statements:
        return Plan(sql, (), (), runs_now=False)
    return Plan(
        _replaced(sql, statements),
        statements,
        tuple(_warnings(sql, statements)),
        runs_now=any(statement.runs_now for statement in statements),
    )


def _replaced(sql: str, statements: tuple[Node, ...]) -> str:
    """`sql` with each statement's own words replaced, and as many line ends as before in front of its query."""
    edits: list[tuple[Span, str]] = []
    ends: list[tuple[Span, str]] = []
    for statement in statements:
        head, tail = sql_around(statement)
        own_end = statement.query.start if isinstance(statement, QueryNode) else statement.span.end
        lines = "\n" * sql.count("\n", statement.span.start, own_end)
        edits.append((Span(statement.span.start, own_end), head + lines))
        if tail:
            ends.append((Span(statement.span.end, statement.span.end), tail))
    # Of queries that end at one place the inner one, which is the later in the list, ends first.
    edits += reversed(ends)
    edits.sort(key=lambda edit: edit[0].start)
    pieces, done = [], 0
    for span, text in edits:
        pieces += [sql[done : span.start], text]
        done = span.end
    return "".join([*pieces, sql[done:]])


def _warnings(sql: str, statements: tuple[Node, ...]) -> Iterator[str]:
    line, counted = 1, 0
    for statement in statements:
        for given in statement.options.ignored:
            start = given.name_span.start
            line, counted = line + sql.count("\n", counted, start), start
            column = start - sql.rfind("\n", 0, start)
            yield f"{statement.statement} ignores the option '{given.option.name}' (line {line}, column {column})"


@singledispatch
def sql_around(statement: Node) -> tuple[str, str]:
    """The SQL that stands in front of a statement's query, and behind it; all in front where it has no query."""
    raise NotImplementedError(type(statement).__name__)


@sql_around.register
def _predict(statement: Predict) -> tuple[str, str]:
    options = statement.options
    columns = {_text(options, "result_col"): "text"}
    for field in options.texts("include"):
        if field in (name.lower() for name in columns):
            raise statement.error("result_col and include name the same column", options.place("include"))
        columns[field] = field
    call = _transcript(statement)
    results = ", ".join(f"{call}.{field} AS {identifier(name)}" for name, field in columns.items())
    return f"SELECT src.*, {results} FROM (", ") AS src"


@sql_around.register
def _print_audio(statement: PrintAudio) -> tuple[str, str]:
    return f"SELECT src.*, unnest(thano_audio_info({_column(statement, 'audio_col')})) FROM (", ") AS src"


@sql_around.register
def _copy(statement: Copy) -> tuple[str, str]:
    return copy_sql(statement), ""


_LISTS = {
    "MODEL": "SELECT * FROM thano_models() WHERE kind <> 'built-in'",
    "THANOSQL MODEL": "SELECT * FROM thano_models()",
    "THANOSQL DATASET": "SELECT * FROM thano_datasets()",
    "TABLE": "SELECT table_name FROM duckdb_tables() WHERE NOT internal",
}


@sql_around.register
def _list(statement: ListAll) -> tuple[str, str]:
    return _LISTS[statement.what], ""


# These are table macros (sql/macros.sql): SELECT unnest(f(..)) of a struct would call f once for each of its fields.


@sql_around.register
def _get_model(statement: GetModel) -> tuple[str, str]:
    options = json_literal(statement.options.only_given("model_name", "overwrite"))
    return f"SELECT * FROM thano_get_model({literal(statement.model.text)}, {options})", ""


@sql_around.register
def _get_dataset(statement: GetDataset) -> tuple[str, str]:
    options = json_literal(statement.options.only_given("overwrite"))
    return f"SELECT * FROM thano_get_dataset({literal(statement.name.text)}, {options})", ""


@sql_around.register
def _upload(statement: Upload) -> tuple[str, str]:
    options = json_literal(statement.options.only_given("overwrite"))
    name, folder = literal(statement.name.text), literal(statement.folder.text)
    return f"SELECT * FROM thano_upload_model({name}, {folder}, {options})", ""


@sql_around.register
def _delete(statement: Delete) -> tuple[str, str]:
    return f"SELECT * FROM thano_delete_model({literal(statement.name.text)})", ""


@sql_around.register
def _evaluate(statement: Evaluate) -> tuple[str, str]:
    options = statement.options
    group = f"src.{identifier(by)}" if (by := options.text("by")) else None
    arguments = f"{_column(statement, 'text_col')}, {_transcript(statement)}"
    if group is None:
        return f"SELECT unnest(thano_scores({arguments}), recursive := true) FROM (", ") AS src"
    scores = f"unnest(thano_scores({arguments}, grouped := true), recursive := true)"
    return f"SELECT {group}, {scores} FROM (", f") AS src GROUP BY {group} ORDER BY {group}"


@sql_around.register(Build)
@sql_around.register(Fit)
def _build(statement: Build | Fit) -> tuple[str, str]:
    # One list of structs, so that audio and text cannot drift apart.
    row = f"{{'audio': {_column(statement, 'audio_col')}, 'text': {_column(statement, 'text_col')}}}"
    options = json_literal(
        statement.options.only_given(*(option.name for option in OPTIONS if option.kind is not Kind.COLUMN))
    )
    names = f"{literal(statement.name.text)}, {literal(statement.model.text)}, {options}"
    return f"SELECT unnest(thano_build({names}, list({row})), recursive := true) FROM (", ") AS src"


@sql_around.register(Search)
@sql_around.register(Convert)
def _unsupported(statement: Node) -> tuple[str, str]:
    raise statement.error(f"{statement.statement} is not supported yet")


def _transcript(statement: Predict | Evaluate) -> str:
    """The call that transcribes a row."""
    arguments = [literal(statement.model.text), _column(statement, "audio_col")]
    if engine := statement.options.only_given("batch_size", "device", "on_error", "precision"):
        arguments.append(json_literal(engine))
    return f"thano_transcribe({', '.join(arguments)})"


def _column(statement: QueryNode, option: str) -> str:
    return f"src.{identifier(_text(statement.options, option))}"


def _text(options: Options, name: str) -> str:
    text = options.text(name)
    assert text is not None, f"{name} has a default"
    return text
