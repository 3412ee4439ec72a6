"""Properties of the rewriter; DuckDB's own parser decides what is DuckDB's SQL."""

from __future__ import annotations

import re
from collections.abc import Iterator

import duckdb
import pytest
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st

from tests.dialect import statements as sql_texts
from thano_duckdb.dialect import Node, QueryNode, parse, plan, rewrite, split_statements
from thano_duckdb.dialect.lexer import lex
from thano_duckdb.errors import DialectError

TEXT = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), min_size=1, max_size=20)


@pytest.fixture(scope="module")
def parser() -> Iterator[duckdb.DuckDBPyConnection]:
    with duckdb.connect() as connection:
        yield connection


def duckdb_statements(parser: duckdb.DuckDBPyConnection, sql: str) -> list[str] | None:
    """The statements that DuckDB's parser finds, or None where it refuses."""
    try:
        return [statement.query for statement in parser.extract_statements(sql)]
    except duckdb.Error:
        return None


def spaceless(sql: str) -> list[str]:
    return lex(sql).texts


@given(sql_texts.SOUP)
@settings(max_examples=500)
def test_text_without_a_statement_of_ours_comes_back_unchanged(sql: str) -> None:
    assert plan(sql).sql is sql


@given(sql_texts.STATEMENTS)
@settings(max_examples=300)
@example("FROM (delete model)")
@example("INSERT INTO t AS replace PIVOT evaluate USING predict(x)")
@example("FROM t WHERE x IN (copy = options)")
def test_what_duckdb_parses_is_never_touched(parser: duckdb.DuckDBPyConnection, sql: str) -> None:
    assume(not re.search(r"\( ?list model ?\)", sql))  # the one text that is ours although DuckDB parses it
    assume(duckdb_statements(parser, sql) is not None)
    assert plan(sql).sql is sql


@given(st.lists(sql_texts.STATEMENTS, max_size=3), st.data())
def test_scripts_are_split_where_duckdb_splits_them(
    parser: duckdb.DuckDBPyConnection, statements: list[str], data: st.DataObject
) -> None:
    script = "".join(data.draw(sql_texts.SPACES) + statement + " ;" for statement in statements)
    assume(not re.search(r"\bPIVOT\b", script))  # DuckDB makes several statements of one PIVOT
    theirs = duckdb_statements(parser, script)
    assume(theirs is not None)
    assert theirs is not None
    assert [spaceless(piece) for piece in split_statements(script)] == [
        [text for text in spaceless(piece) if text != ";"] for piece in theirs
    ]
    assert split_statements(script) == [statement for statement in statements if statement]


@given(sql_texts.predictions(), sql_texts.CONTEXTS)
def test_duckdb_parses_what_a_prediction_becomes_in_any_context(
    parser: duckdb.DuckDBPyConnection, prediction: str, context: str
) -> None:
    sql = context.format(prediction)
    result = rewrite(sql)
    assert duckdb_statements(parser, result) is not None
    assert context.format(rewrite(prediction)) == result


@given(sql_texts.predictions(), sql_texts.CONTEXTS)
def test_rewriting_twice_changes_nothing_more(prediction: str, context: str) -> None:
    once = rewrite(context.format(prediction))
    assert rewrite(once) is once


@given(sql_texts.predictions(), sql_texts.CONTEXTS, st.data())
def test_white_space_comments_and_case_do_not_matter(prediction: str, context: str, data: st.DataObject) -> None:
    sql = context.format(prediction)
    spaced = data.draw(sql_texts.spaced(sql))
    assert [word.lower() for word in spaceless(rewrite(spaced))] == [word.lower() for word in spaceless(rewrite(sql))]


@given(sql_texts.predictions(), sql_texts.CONTEXTS, st.data())
def test_spans_are_parts_of_the_text(prediction: str, context: str, data: st.DataObject) -> None:
    sql = data.draw(sql_texts.spaced(context.format(prediction)))
    found = parse(sql)
    assert len(found) == prediction.count("PREDICT USING")
    outer: list[Node] = []
    for node in found:
        assert isinstance(node, QueryNode)
        assert node.span.start == node.keyword.start <= node.query.start < node.query.end == node.span.end
        assert spaceless(node.keyword.of(sql).upper()) == ["PREDICT", "USING"]
        assert spaceless(node.span.of(sql))[-1] == spaceless(node.query_text)[-1]
        for option in node.options.given:
            assert option.name_span.of(sql) == option.option.name
        while outer and outer[-1].span.end <= node.span.start:
            outer.pop()
        assert not outer or outer[-1].span.end >= node.span.end
        outer.append(node)


def text_in_quotes(text: str, quote: str) -> str:
    return quote + text.replace(quote, quote * 2) + quote


@given(TEXT, TEXT, TEXT, st.sampled_from("'\""))
@example("'; DROP TABLE t; --", '"; DROP TABLE t; --', 'x" || (DELETE FROM t) || "', "'")
@example("\\", "\\'", '\\"', '"')
@example("$$", "${a}", "\u00a0", "'")
def test_names_and_texts_survive_quoting(
    parser: duckdb.DuckDBPyConnection, model: str, audio_col: str, result_col: str, quote: str
) -> None:
    column, text = text_in_quotes(audio_col, '"'), "audio"
    sql = (
        f"PREDICT USING {text_in_quotes(model, quote)} OPTIONS (audio_col={text_in_quotes(audio_col, quote)},"
        f" result_col = {text_in_quotes(result_col, quote)}) AS SELECT '{text}' AS {column}"
    )
    parser.execute("CREATE OR REPLACE MACRO thano_transcribe(model, audio) AS {'text': [model, audio]}")
    parser.execute("CREATE OR REPLACE MACRO thano_keeps(name, added) AS NOT list_contains(added, name)")
    parser.execute(rewrite(sql))
    replaced = audio_col.casefold() == result_col.casefold()
    kept = [] if replaced else [(audio_col, text)]
    assert [described[0] for described in parser.description or []] == [*(name for name, _ in kept), result_col]
    assert parser.fetchall() == [(*(value for _, value in kept), [model, text])]


@given(TEXT)
@example("'; DROP TABLE t; --/")
def test_paths_survive_quoting(parser: duckdb.DuckDBPyConnection, path: str) -> None:
    folder = path + "/"
    parser.execute("CREATE OR REPLACE MACRO thano_copied_audio(location) AS TABLE SELECT location AS folder")
    parser.execute(rewrite(f"COPY t OPTIONS (overwrite=True) FROM {text_in_quotes(folder, chr(39))}"))
    assert parser.execute("FROM t").fetchall() == [(folder,)]


@given(st.one_of(sql_texts.SOUP, st.text(max_size=30), sql_texts.predictions()))
@example("$/* a */ 1")
@example("$--a\n$() $#$/* b")
def test_tokens_are_slices_of_the_text_with_nothing_but_spaces_and_comments_between(sql: str) -> None:
    tokens = lex(sql)
    before = 0
    for index in range(len(tokens)):
        token = tokens[index]
        assert sql[token.start : token.end] == token.text != ""
        gap = sql[before : token.start]
        assert spaceless(gap) == [] or tokens.is_open
        before = token.end


@given(
    st.lists(
        st.one_of(
            st.sampled_from(
                [
                    *("PREDICT", "USING", "m", "AS", "OPTIONS", "(", ")", "[", "]", ",", "=", "-", "'x'", "x", "1"),
                    *(";", "LIST", "MODEL", "BUILD", "COPY", "FROM", "WITH", "UNION", "/*", "'", '"', "$$", "INSERT"),
                    *("INTO", "THANOSQL", "GET", "DELETE", "é", "EXPLAIN", "?", "$"),
                ]
            ),
            st.text(max_size=2),
        ),
        max_size=15,
    ).map(" ".join)
)
@settings(max_examples=500)
def test_any_text_is_rewritten_or_refused_in_one_sentence(sql: str) -> None:
    refusal = None
    result = sql
    try:
        result = rewrite(sql)
    except DialectError as error:
        refusal = error
    if refusal is None:
        assert (result is sql) == (parse(sql) == ())
    else:
        assert "\n" not in refusal.problem
        assert 1 <= refusal.line <= sql.count("\n") + 1
