"""What DuckDB or the engine refuses at run time, reported where the user's text names it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from thano_duckdb.errors import NEAR_COLUMN, DialectError, did_you_mean
from thano_duckdb.option import StatementKind, ValueKind
from thano_duckdb.options import OPTIONS, find_option

from .lexer import Tokens, lex
from .nodes import Name, QueryNode
from .rewrite import Plan
from .span import Span
from .statements.transcription import AUDIO_INFO_COLUMNS, GROUP_COLUMNS, Evaluate, Predict, PrintAudio


def missing_column(
    plan: Plan, sql: str, column: str, columns_of: Callable[[str], Sequence[str]]
) -> DialectError | None:
    """The error for a column that DuckDB does not find.

    Args:
        plan: of `sql`.
        sql: the text as the user wrote it.
        column: the name that DuckDB misses.
        columns_of: gives the columns of a query as the user wrote it; none where they cannot be determined.

    Returns:
        An error at the option that names the column, or at the statement's keywords where the default holds; None
        where none of our statements names it, or its query has it.
    """
    # DuckDB looks into the inner query first.
    for statement in sorted(_over_queries(plan), key=lambda node: (node.span.end, -node.span.start)):
        option = _reads(statement, column)
        if option is None:
            continue
        known = list(columns_of(statement.query_text))
        if column.casefold() in (name.casefold() for name in known):
            continue
        span, name = statement.options.span_of(option), statement.kind
        problem = f"{name} reads the column '{column}', which its query does not have."
        listed = f" It has {', '.join(known)}." if known else ""
        problem += did_you_mean(column, known, nearness=NEAR_COLUMN) or listed
        if span is None:
            problem += f" OPTIONS ({option}='..') names another."
        return DialectError(problem, sql, (span or statement.keyword).start)
    return _made_later(plan, sql, column)


def unknown_model(plan: Plan, sql: str, model: str, problem: str) -> DialectError | None:
    """The error for a model that is not available, where the text names it; None where it does not."""
    for statement in plan.statements:
        named = getattr(statement, "model", None)
        if named is not None and named.text == model:
            return DialectError(problem, sql, named.span.start)
    return None


def quoted_tables(sql: str) -> Iterator[Name]:
    """What stands in quotes where a table may stand, after FROM, JOIN or a comma, such as `FROM 'calls'`."""
    tokens = lex(sql)
    for index, text in enumerate(tokens.texts):
        quote = text[0]
        if quote in "'\"" and len(text) > 2 and tokens.word(index - 1) in ("from", "join", ","):
            yield Name(text[1:-1].replace(quote * 2, quote), Span(tokens.starts[index], tokens.end(index)))


def _over_queries(plan: Plan) -> list[QueryNode]:
    return [statement for statement in plan.statements if isinstance(statement, QueryNode)]


def _reads(statement: QueryNode, column: str) -> str | None:
    """The option by which a statement reads a column, or None."""
    for option in OPTIONS:
        if statement.kind not in option.used_by:
            continue
        names: tuple[str | None, ...] = ()
        if option.kind is ValueKind.COLUMN:
            names = (statement.options.text(option.name),)
        elif option.kind is ValueKind.COLUMNS:
            names = statement.options.texts(option.name)
        if column.casefold() in (name.casefold() for name in names if name is not None):
            return option.name
    return None


def _made_later(plan: Plan, sql: str, column: str) -> DialectError | None:
    """The error for a query that uses what the statement around it makes."""
    name = column.casefold()
    for statement in _over_queries(plan):
        if name not in _made(statement):
            continue
        tokens = lex(sql)
        for index, (start, text) in enumerate(zip(tokens.starts, tokens.texts, strict=True)):
            inside = statement.query.start <= start < statement.query.end
            if inside and text.strip('"').casefold() == name and _may_mean(statement, name, tokens, index):
                problem = f"{statement.kind} makes the column '{column}' from its query, which cannot use it yet:"
                return DialectError(f"{problem} {_remedy(statement, column, tokens, index)}", sql, start)
    return None


def _made(statement: QueryNode) -> frozenset[str]:
    """The columns that a statement adds to those of its query, or could add, in small letters."""
    names: tuple[str, ...] = ()
    if isinstance(statement, Predict):
        names = (*statement.added_columns(), *_INCLUDABLE)
    elif isinstance(statement, Evaluate):
        names = GROUP_COLUMNS if statement.options.texts("by") else ("metric", "score")
    elif isinstance(statement, PrintAudio):
        names = AUDIO_INFO_COLUMNS
    return frozenset(name.casefold() for name in names)


def _could_include(statement: QueryNode, name: str) -> bool:
    """Whether PREDICT would make a column if `include` asked for it."""
    return isinstance(statement, Predict) and name not in map(str.casefold, statement.added_columns())


def _may_mean(statement: QueryNode, name: str, tokens: Tokens, index: int) -> bool:
    """Whether the token may mean a new column: who SELECTs what was not asked for means one of the query's own."""
    return not _could_include(statement, name) or _clause(tokens, index) != "select"


def _clause(tokens: Tokens, index: int) -> str:
    """The word that begins the clause of a token."""
    return next((word for word in reversed(tokens.words[:index]) if word in _CLAUSES), "")


def _remedy(statement: QueryNode, column: str, tokens: Tokens, index: int) -> str:
    """What to write instead; `index` is the token that names the column."""
    if isinstance(statement, PrintAudio):  # it is no query
        return f"write thano_audio_info({statement.options.text('audio_col')}).{column} in it"
    clause = "ORDER BY" if _clause(tokens, index) == "order" else "WHERE"
    options = f" OPTIONS (include='{column.lower()}')" if _could_include(statement, column.casefold()) else ""
    return f"write SELECT .. FROM ({statement.kind} ..{options}) {clause} {column} .."


_INCLUDABLE = tuple(name for name in find_option(StatementKind.PREDICT, "include").choices if name != "all")
_CLAUSES = frozenset({"select", "from", "where", "group", "having", "qualify", "order"})
