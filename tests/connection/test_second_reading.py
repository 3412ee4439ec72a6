"""The query of a statement is read a second time only where that changes nothing and gives the same rows."""

from __future__ import annotations

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
        "SELECT a FROM thano_audio('.')",
        "FROM no_table",
        "this is no query",
    ],
)
def test_what_could_change_something_or_differ_is_not(numbered: thano_duckdb.Connection, query: str) -> None:
    assert found(numbered, query) is None
    assert numbered.execute("SELECT nextval('s')").fetchall() == [(1,)]


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
