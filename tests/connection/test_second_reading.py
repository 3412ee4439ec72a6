"""The query of a statement is read a second time only where that changes nothing and gives the same rows."""

from __future__ import annotations

import os
from pathlib import Path

import pandas as pd
import pytest

import thano_duckdb
from thano_duckdb.connection.second_reading import SecondReading, find_second_reading
from thano_duckdb.dialect import WholeReading


def found(con: thano_duckdb.Connection, query: str) -> SecondReading | None:
    return find_second_reading(con.raw, WholeReading("", query, f"SELECT a FROM ({query})"))


def read(con: thano_duckdb.Connection, query: str) -> list[object]:
    reading = found(con, query)
    assert reading is not None
    with con.file_cursor() as cursor:
        reading.prepare(cursor)
        return [value for (value,) in cursor.sql(reading.clips_sql).fetchall()]


@pytest.fixture
def numbered(con: thano_duckdb.Connection) -> thano_duckdb.Connection:
    """A connection with a table of 10 rows, a sequence, and views over both."""
    con.execute("CREATE TABLE t AS SELECT range AS a, 'x' || range AS b FROM range(10)")
    con.execute("CREATE SEQUENCE s")
    con.execute("CREATE VIEW plain AS SELECT a FROM t WHERE b LIKE 'x%' AND current_date > DATE '2020-01-01'")
    con.execute("CREATE VIEW numbering AS SELECT nextval('s') AS a FROM t")
    con.execute("CREATE MACRO numbered(x) AS nextval('s') + x")
    con.create_function("python", lambda x: x, ["BIGINT"], "BIGINT")
    return con


@pytest.mark.parametrize(
    "query",
    [
        "FROM t",
        "FROM plain",
        "SELECT t.a FROM t ANTI JOIN (SELECT a + 100 AS a FROM plain) AS others USING (a) ORDER BY a",
        "WITH c AS (FROM t) SELECT a, count(*) FROM c GROUP BY a ORDER BY a",
        "SELECT unnest(range(10)) AS a",
        "SELECT a, row_number() OVER (ORDER BY a) FROM t ORDER BY a",
    ],
)
def test_tables_are_read_twice(numbered: thano_duckdb.Connection, query: str) -> None:
    assert read(numbered, query) == list(range(10))


@pytest.mark.parametrize(
    "query",
    [
        "SELECT nextval('s') AS a FROM t",
        "FROM numbering",
        "SELECT numbered(a) AS a FROM t",
        "FROM t WHERE a IN (SELECT nextval('s'))",
        "FROM t ORDER BY random() LIMIT 3",
        "SELECT uuid() AS a FROM t",
        "SELECT python(a) AS a FROM t",
        "FROM t USING SAMPLE 3",
        "FROM t TABLESAMPLE 50%",
        "FROM t WHERE a = ?",
        "FROM t WHERE a = $1",
        "FROM query('SELECT nextval(''s'') AS a')",
        "SELECT thano_normalize(b) AS a FROM t",
        "FROM range(nextval('s'))",
        "SELECT a FROM t, range(1 + nextval('s'))",
        "FROM range((SELECT nextval('s')))",
        "FROM generate_series(1, python(3))",
        "FROM glob('s3://bucket/*.wav')",
        "FROM no_table",
        "this is no query",
    ],
)
def test_what_could_change_something_or_differ_is_not(numbered: thano_duckdb.Connection, query: str) -> None:
    assert found(numbered, query) is None
    assert numbered.execute("SELECT nextval('s')").fetchall() == [(1,)]


def test_planning_a_view_whose_table_function_changes_something_leaves_the_database_usable(
    numbered: thano_duckdb.Connection,
) -> None:
    numbered.execute("CREATE VIEW counted AS SELECT range AS a FROM range(nextval('s'))")
    assert found(numbered, "FROM main.counted") is None
    assert numbered.execute("SELECT count(*) FROM t").fetchall() == [(10,)]


def test_deeply_nested_expressions_are_not_read_twice(numbered: thano_duckdb.Connection) -> None:
    assert found(numbered, f"SELECT {' || '.join(['b'] * 900)} AS a FROM t") is None
    assert read(numbered, f"SELECT {' + '.join(['a'] + ['0'] * 50)} AS a FROM t") == list(range(10))


@pytest.fixture
def files(
    numbered: thano_duckdb.Connection, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> thano_duckdb.Connection:
    """The table `t` as files in the working folder."""
    monkeypatch.chdir(tmp_path)
    for name in ("t.parquet", "t.csv", "t.csv.gz", "t.json", "t.jsonl", "with space.CSV"):
        form = "csv" if name.endswith("CSV") else name.removesuffix(".gz").rpartition(".")[2].replace("jsonl", "json")
        numbered.execute(f"COPY t TO '{name}' (FORMAT {form})")
    return numbered


@pytest.mark.parametrize(
    "query",
    [
        "FROM 't.parquet'",
        'FROM "t.csv"',
        "FROM 't.csv.gz'",
        "FROM 't.json'",
        "FROM 't.jsonl'",
        "FROM 'with space.CSV'",
        "SELECT f.* FROM './*.parquet' AS f(a, c)",
        "SELECT t.a FROM 't.parquet' WHERE t.b LIKE 'x%' ORDER BY t.a",
        "FROM read_parquet('t.parquet')",
        "SELECT read_csv.a FROM read_csv('t.csv', types := {'a': 'BIGINT'}, header = true)",
        "FROM parquet_scan(['t.parquet'], filename := true)",
        "FROM read_csv_auto('t.csv')",
        "FROM read_json('t.json', columns = {a: 'BIGINT'})",
        "FROM READ_NDJSON('t.jsonl')",
        "FROM system.main.read_json_auto('*.json')",
        "WITH f AS (FROM 't.parquet') SELECT f.a FROM f JOIN t USING (a) WHERE a IN (SELECT a FROM 't.csv') ORDER BY a",
        "SELECT a FROM 't.parquet' UNION SELECT a FROM t ORDER BY a",
    ],
)
def test_files_are_read_twice(files: thano_duckdb.Connection, query: str) -> None:
    assert read(files, query) == list(range(10))


@pytest.mark.parametrize(
    "query",
    [
        "SELECT *, nextval('s') AS n FROM 't.parquet'",
        "FROM 't.parquet' ORDER BY random() LIMIT 3",
        "FROM 't.csv' USING SAMPLE 3",
        "FROM 't.csv' TABLESAMPLE 50%",
        "FROM (FROM 't.csv') TABLESAMPLE 50%",
        "FROM 't.csv' WHERE a = ?",
        "SELECT numbered(a) AS a FROM 't.csv'",
        "SELECT python(a) AS a FROM 't.csv'",
        "SELECT a FROM 't.csv', numbering",
        "FROM 'https://example.com/t.parquet'",
        "FROM 's3://bucket/*.csv'",
        "FROM 'file:///t.csv'",
        "FROM read_parquet(['t.parquet', 'hf://datasets/a/b/t.parquet'])",
        "FROM read_csv('t.csv', store_rejects := true)",
        "FROM read_csv('t.csv', rejects_table = 'r')",
        "FROM read_csv('t' || '.csv')",
        "FROM read_csv(['t.csv', 't' || '.csv'])",
        "FROM read_csv()",
        "FROM 't.csv' WITH ORDINALITY",
        "FROM 'none.csv'",
        "FROM read_parquet('t.csv')",
        "SELECT content AS a FROM read_blob('t.csv')",
        "FROM thano_librispeech('.')",
        "FROM thano_audio('s3://bucket/calls')",
        "FROM thano_audio(lower('.'))",
    ],
)
def test_files_are_not_read_twice_where_that_could_change_something_differ_or_be_slow(
    files: thano_duckdb.Connection, query: str
) -> None:
    assert found(files, query) is None
    assert files.execute("SELECT nextval('s')").fetchall() == [(1,)]


def test_a_url_is_not_opened(files: thano_duckdb.Connection, tmp_path: Path) -> None:
    url = (tmp_path / "t.csv").as_uri()  # the only ones that work without an extension of DuckDB's
    assert files.sql(f"SELECT count(*) FROM '{url}'").fetchall() == [(10,)]
    assert found(files, f"FROM '{url}'") is None
    assert found(files, f"FROM read_csv(['t.csv', '{url}'])") is None


@pytest.mark.parametrize("query", ["FROM 'pipe.csv'", "FROM read_csv('p*.csv')", "FROM read_json('pipe.csv')"])
def test_a_pipe_is_not_opened(files: thano_duckdb.Connection, query: str) -> None:
    os.mkfifo("pipe.csv")
    assert found(files, query) is None  # to open it would wait for who writes into it


def test_tables_ctes_and_macros_with_the_names_of_files_and_readers_are_what_they_are(
    files: thano_duckdb.Connection,
) -> None:
    assert read(files, "WITH \"t.csv\" AS (SELECT 42 AS a) FROM 't.csv'") == [42]
    files.execute('CREATE TABLE "T.parquet" AS SELECT 43 AS a')
    assert read(files, "FROM 't.parquet'") == [43]
    files.execute("CREATE TEMP VIEW \"t.csv\" AS SELECT nextval('s') AS a")
    assert found(files, "FROM 't.csv'") is None
    files.execute("CREATE MACRO read_csv(path) AS TABLE SELECT nextval('s') AS a")
    assert found(files, "FROM read_csv('t.csv')") is None
    assert files.execute("SELECT nextval('s')").fetchall() == [(1,)]


def test_views_of_files_are_read_twice(files: thano_duckdb.Connection) -> None:
    files.execute("CREATE VIEW \"calls AS\" AS SELECT t.a, b FROM 't.parquet' AS t WHERE a >= 0")
    files.execute(
        'CREATE VIEW over AS WITH c AS (FROM "calls AS" AS t ORDER BY t.a) SELECT c.a FROM c JOIN t USING (a)'
    )
    assert read(files, "SELECT over.a FROM over ORDER BY a") == list(range(10))
    assert read(files, 'SELECT o.a FROM over AS o(a) WHERE a IN (SELECT a FROM "Calls as") ORDER BY a') == list(
        range(10)
    )


@pytest.mark.parametrize(
    ("view", "query"),
    [
        ("numbered_files AS SELECT nextval('s') AS a FROM 't.parquet'", "FROM numbered_files"),
        ("named (a) AS SELECT a FROM 't.parquet'", "FROM named"),
        ("remote AS FROM glob('file:///*')", "FROM main.remote"),
        (
            "matching AS SELECT a FROM 't.parquet' SEMI JOIN numbering USING (a)",
            "WITH numbering AS (FROM t) FROM matching",
        ),
        ("\"a\"\" AS SELECT 1 AS a --\" AS SELECT nextval('s') AS a FROM 't.csv'", 'FROM "a"" AS SELECT 1 AS a --"'),
    ],
)
def test_views_of_files_that_may_differ_are_not(files: thano_duckdb.Connection, view: str, query: str) -> None:
    files.execute(f"CREATE VIEW {view}")
    assert found(files, query) is None
    assert files.execute("SELECT nextval('s')").fetchall() == [(1,)]


def test_views_of_another_schema_and_temporary_ones_are_not_taken_for_those_in_use(
    files: thano_duckdb.Connection,
) -> None:
    files.execute("CREATE VIEW v AS FROM 't.parquet'")
    files.execute("CREATE SCHEMA other")
    files.execute("CREATE VIEW other.v AS SELECT nextval('s') AS a FROM 't.parquet'")
    assert found(files, "FROM other.v") is None
    assert read(files, "FROM v") == list(range(10))
    files.execute("CREATE TEMP VIEW v AS SELECT nextval('s') AS a FROM 't.parquet'")
    assert found(files, "FROM v") is None
    files.execute("USE other")
    assert found(files, "FROM v") is None
    assert files.execute("SELECT nextval('main.s')").fetchall() == [(1,)]


def test_folders_of_audio_are_read_twice(files: thano_duckdb.Connection, tmp_path: Path) -> None:
    reading = found(files, f"SELECT audio_path AS a FROM thano_audio('{tmp_path}') WHERE error IS NULL")
    assert reading is not None
    assert reading.calls_macros


def test_a_database_without_access_to_files_is_asked_for_none(files: thano_duckdb.Connection) -> None:
    files.execute("SET enable_external_access = false")
    assert found(files, "FROM 't.parquet'") is None
    assert read(files, "FROM t") == list(range(10))


def test_temporary_tables_and_variables_of_python_are_not(numbered: thano_duckdb.Connection) -> None:
    numbered.execute("CREATE TEMP TABLE mine AS SELECT 1 AS a")
    frame = pd.DataFrame({"a": [1]})
    assert numbered.sql("SELECT * FROM frame, mine").fetchall() == [(1, 1)]
    assert len(frame) == 1
    assert found(numbered, "FROM mine") is None
    assert found(numbered, "FROM frame") is None
    assert found(numbered, "FROM reading") is None  # a name of a variable in our own modules


def test_a_temporary_table_that_hides_another_one_is_not(numbered: thano_duckdb.Connection) -> None:
    numbered.execute("CREATE TEMP TABLE t AS SELECT 1 AS a")
    assert found(numbered, "FROM t") is None
    assert read(numbered, "FROM memory.main.t") == list(range(10))


def test_nothing_is_read_twice_within_a_transaction(numbered: thano_duckdb.Connection) -> None:
    numbered.begin()
    assert found(numbered, "FROM t") is None
    numbered.rollback()
    assert found(numbered, "FROM t") is not None


def test_rows_that_are_left_to_fetch_stay(numbered: thano_duckdb.Connection) -> None:
    numbered.execute("FROM range(5000)")
    assert numbered.fetchone() == (0,)
    assert found(numbered, "FROM t") is None
    assert numbered.fetchone() == (1,)


def test_the_schema_in_use_is_that_of_the_connection(numbered: thano_duckdb.Connection) -> None:
    numbered.execute("ATTACH ':memory:' AS lake")
    numbered.execute("CREATE TABLE lake.t AS SELECT 42 AS a")
    numbered.execute("USE lake")
    assert read(numbered, "FROM t") == [42]
