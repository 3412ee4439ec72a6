"""EXPLAIN of our statements: which SQL says what they will take."""

from __future__ import annotations

import duckdb
import pytest

from thano_duckdb.dialect import parse, planned_statements, rewrite

M = "PREDICT USING m AS FROM librispeech_test"


def planned(sql: str) -> list[tuple[str, str]]:
    return [(each.title, each.sql) for each in planned_statements(sql, parse(sql))]


@pytest.mark.parametrize(
    ("text", "titles"),
    [
        (f"EXPLAIN {M}", ["PREDICT USING m"]),
        (f"explain\n  {M};", ["PREDICT USING m"]),
        (f"EXPLAIN CREATE TABLE t AS {M}", ["PREDICT USING m"]),
        (f"EXPLAIN INSERT INTO heard {M}", ["PREDICT USING m"]),
        (f"EXPLAIN COPY ({M}) TO 'x.csv'", ["PREDICT USING m"]),
        (f"EXPLAIN SELECT predicted FROM ({M}) WHERE speaker = 'ann'", ["PREDICT USING m"]),
        (f"EXPLAIN WITH p AS ({M}) FROM p", ["PREDICT USING m"]),
        ("EXPLAIN evaluate using m@2 AS FROM librispeech_test", ["EVALUATE USING m@2"]),
        (f"EXPLAIN PREDICT USING n AS SELECT audio_path FROM ({M})", ["PREDICT USING n", "PREDICT USING m"]),
        (f"SELECT 1; EXPLAIN {M}", ["PREDICT USING m"]),
        (f"EXPLAIN ANALYZE {M}", []),
        (f"EXPLAIN (FORMAT json) {M}", []),
        (f"EXPLAIN (ANALYZE) {M}", []),
        (M, []),
        (f"EXPLAIN {M}; {M}", []),
        ("EXPLAIN LIST MODEL", []),
        ("EXPLAIN SELECT 'PREDICT USING m AS FROM t'", []),
    ],
)
def test_which_statements_are_planned(text: str, titles: list[str]) -> None:
    assert [title for title, _ in planned(text)] == titles


@pytest.mark.parametrize(
    "text",
    [
        f"EXPLAIN {M}",
        "EXPLAIN PREDICT USING m AS SELECT * FROM librispeech_test WHERE speaker = 'ann' -- of Ann",
        "EXPLAIN WITH ann AS (FROM librispeech_test WHERE speaker = 'ann') PREDICT USING m AS FROM ann",
        "EXPLAIN CREATE TABLE t AS WITH a AS (FROM librispeech_test), b AS (FROM a) PREDICT USING m AS (FROM b)",
        "EXPLAIN WITH p AS (PREDICT USING m AS FROM librispeech_test) EVALUATE USING m AS FROM p",
        "EXPLAIN PREDICT USING m OPTIONS (audio_col='my audio', include='alternatives', channel='each') AS FROM calls",
        "EXPLAIN PREDICT USING m OPTIONS (relative_to='speaker', hotwords_col='text') AS FROM librispeech_test",
        "EXPLAIN PREDICT USING 'my ''model' AS\nSELECT\n  audio_path FROM librispeech_test",
    ],
)
def test_the_sql_of_a_plan_runs(text: str, database: duckdb.DuckDBPyConnection) -> None:
    for _, sql in planned(text):
        rows = database.execute(sql).fetchall()
        assert [item for item, *_ in rows][:2] == ["rows", "arguments"]


def test_a_plan_gets_what_the_statement_says(database: duckdb.DuckDBPyConnection) -> None:
    text = (
        "EXPLAIN PREDICT USING m OPTIONS (channel='each', batch_size=3, include='alternatives', hotwords_col='text', "
        "language_col='speaker') AS FROM librispeech_test WHERE speaker = 'ann'"
    )
    ((_, sql),) = planned(text)
    (_, n_rows, *_), (*_, arguments) = database.execute(sql).fetchall()
    assert n_rows == 2
    assert arguments == 'm {"batch_size": 3, "channel": "each", "n_best": 5} PREDICT hotwords language'


def test_the_statement_itself_is_rewritten_as_before() -> None:
    assert rewrite(f"EXPLAIN {M}") == f"EXPLAIN {rewrite(M)}"
