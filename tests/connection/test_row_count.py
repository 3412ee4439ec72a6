"""A query is counted for the progress bar only where running it once more changes nothing."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

import thano_duckdb
from tests.connection.test_sql_run import Terminal
from thano_duckdb.connection.row_count import count_rows
from thano_duckdb.monitoring import statement_bar


@pytest.fixture
def numbered(con: thano_duckdb.Connection) -> thano_duckdb.Connection:
    """A connection with a table of 100 rows, a sequence, and views over both."""
    con.execute("CREATE TABLE t AS SELECT range AS a, 'x' || range AS b FROM range(100)")
    con.execute("CREATE SEQUENCE s")
    con.execute("CREATE VIEW plain AS FROM t WHERE a >= 10")
    con.execute("CREATE VIEW numbering AS SELECT *, nextval('s') AS n FROM t")
    con.execute("CREATE MACRO numbered(x) AS nextval('s') + x")
    con.create_function("python", lambda x: x, ["BIGINT"], "BIGINT")
    return con


@pytest.mark.parametrize(
    ("query", "n_rows"),
    [
        ("FROM t", 100),
        ("SELECT upper(b) AS c FROM plain WHERE b LIKE '%5' LIMIT 7", 7),
        ("SELECT * FROM t JOIN plain USING (a) ORDER BY a DESC LIMIT 20 OFFSET 80", 10),
        ("SELECT DISTINCT a % 3 FROM t", 3),
    ],
)
def test_what_only_reads_tables_is_counted(numbered: thano_duckdb.Connection, query: str, n_rows: int) -> None:
    numbered.execute("CREATE MACRO count_star() AS 7")
    assert count_rows(numbered.raw, query) == n_rows


@pytest.mark.parametrize(
    "query",
    [
        "FROM t WHERE nextval('s') > 0",
        "FROM numbering",
        "FROM numbering WHERE n > 0",
        """SELECT nextval('s') AS "42" FROM t WHERE "42" > 0""",
        "SELECT numbered(a) FROM t",
        "FROM t LIMIT nextval('s')",
        "FROM t LIMIT 5 OFFSET nextval('s')",
        "FROM t WHERE a IN (SELECT nextval('s'))",
        "SELECT unnest([nextval('s')]) FROM t",
        "FROM t ORDER BY nextval('s') LIMIT 3",
        "FROM t WHERE random() < 0.5",
        "FROM t WHERE python(a) > 0",
        "FROM t, range(nextval('s'))",
        "FROM t, 'none.csv'",
        "FROM t, glob('*')",
        "FROM t, query('SELECT nextval(''s'')')",
        "FROM no_table",
        "FROM t WHERE a = ?",
    ],
)
def test_what_might_change_something_is_not_run(numbered: thano_duckdb.Connection, query: str) -> None:
    assert count_rows(numbered.raw, query) is None
    assert numbered.execute("SELECT nextval('s')").fetchall() == [(1,)]


def test_a_query_with_a_sequence_runs_once_with_the_bar(
    con: thano_duckdb.Connection, an4_clip: str, any_small_model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    monkeypatch.setattr(statement_bar, "APPEARS_AFTER_S", 0.0)
    con.execute(f"CREATE TABLE clips AS SELECT '{an4_clip}' AS audio_path FROM range(4)")
    con.execute("CREATE SEQUENCE s")
    query = "SELECT * FROM clips WHERE nextval('s') > 0"
    assert len(con.execute(f"PREDICT USING Wav2Vec2TinyEn AS {query}").fetchall()) == 4
    assert "transcribing" in terminal.getvalue()
    assert con.execute("SELECT nextval('s')").fetchall() == [(5,)]
