"""Which statements take every row of their query."""

from __future__ import annotations

import pytest

from thano_duckdb.dialect import plan

PREDICT = "PREDICT USING m AS FROM clips"


@pytest.mark.parametrize(
    "sql",
    [
        f"CREATE TABLE t AS {PREDICT}",
        f"CREATE OR REPLACE TEMP TABLE a.b.t AS {PREDICT} WHERE x > 3 LIMIT 10;",
        f'CREATE TABLE IF NOT EXISTS "with" AS {PREDICT}',
        f"INSERT INTO t {PREDICT}",
        f"INSERT INTO t (audio_path, predicted) {PREDICT} -- the end",
        f"INSERT OR REPLACE INTO t BY NAME {PREDICT}",
        f"COPY ({PREDICT}) TO 'out.parquet' (FORMAT parquet);",
        "EVALUATE USING m OPTIONS (by='speaker') AS FROM clips",
        "CREATE TABLE t AS EVALUATE USING m AS FROM clips",
    ],
)
def test_a_statement_that_takes_every_row_can_be_read_ahead(sql: str) -> None:
    whole = plan(sql).whole
    assert whole is not None
    assert whole.query.startswith("FROM clips")
    assert whole.clips_sql.startswith('SELECT _thano_rows."audio_path" AS audio, NULL AS hotwords')
    assert (
        whole.sql_in_order.replace("SELECT * FROM (FROM clips", "FROM clips").replace(") OFFSET 0", "") == plan(sql).sql
    )


@pytest.mark.parametrize(
    "sql",
    [
        PREDICT,
        f"CREATE VIEW v AS {PREDICT}",
        f"CREATE MACRO m() AS TABLE {PREDICT}",
        f"CREATE TABLE t AS SELECT * FROM ({PREDICT}) LIMIT 3",
        f"CREATE TABLE t AS SELECT 1 UNION ALL {PREDICT}",
        f"CREATE TABLE t AS WITH clips AS (SELECT 'a.wav' AS audio_path) {PREDICT}",
        f"INSERT INTO t WITH clips AS (SELECT 'a.wav' AS audio_path) {PREDICT}",
        f"COPY (SELECT * FROM ({PREDICT}) LIMIT 3) TO 'out.csv'",
        f"INSERT INTO clips VALUES ('b.wav'); CREATE TABLE t AS {PREDICT}",
        f"CREATE TABLE t AS {PREDICT}; DROP TABLE clips",
        f"COPY ({PREDICT}) TO 'out.csv'; DROP TABLE clips",
        f"EXPLAIN ANALYZE CREATE TABLE t AS {PREDICT}",
        f"PREPARE p AS {PREDICT}",
        "SELECT * FROM (EVALUATE USING m AS FROM clips)",
        "CREATE TABLE t AS PREDICT USING m OPTIONS (channel='each') AS FROM clips",
        "CREATE TABLE t AS PREDICT USING m AS PREDICT USING n AS FROM clips",
        "PRINT AUDIO AS FROM clips",
    ],
)
def test_any_other_statement_is_left_to_duckdb(sql: str) -> None:
    assert plan(sql).whole is None


def test_hotwords_and_languages_of_the_rows_are_read_too() -> None:
    options = "OPTIONS (audio_col='a', relative_to='f', hotwords_col='h', language_col='l')"
    whole = plan(f"INSERT INTO t PREDICT USING m {options} AS FROM clips").whole
    assert whole is not None
    assert whole.clips_sql == (
        'SELECT system.main.struct_pack(audio := _thano_rows."a", relative_to := _thano_rows."f") AS audio, '
        '_thano_rows."h" AS hotwords, CAST(_thano_rows."l" AS VARCHAR) AS language FROM (FROM clips) AS _thano_rows'
    )
