"""One run of SQL text from its first step to its end, as seen through the connection."""

from __future__ import annotations

import io
import os
import signal
import sys
import threading
from pathlib import Path

import duckdb
import pytest

import thano_duckdb
from thano_duckdb import ThanoWarning
from thano_duckdb.monitoring import statement_bar

ENDLESS = "SELECT count(*) FROM range(1000000) a, range(1000000) b WHERE a.range % 7 = b.range % 5"
LOST = "SELECT 'lost.wav' AS audio_path"


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def interrupt(con: thano_duckdb.Connection) -> None:
    """Press Ctrl-C while a statement runs."""
    timer = threading.Timer(0.3, lambda: os.kill(os.getpid(), signal.SIGINT))
    timer.start()
    with pytest.raises(KeyboardInterrupt):
        con.execute(ENDLESS)
    timer.join()


def test_any_method_works_after_an_interrupted_execute(con: thano_duckdb.Connection) -> None:
    interrupt(con)
    con.begin()
    con.rollback()
    assert con.values([1]).fetchall() == [(1,)]


def test_an_error_in_between_costs_neither_rows_nor_warnings(con: thano_duckdb.Connection, an4_model: Path) -> None:
    con.execute(f"PREDICT USING '{an4_model}' AS {LOST}")
    with pytest.raises(duckdb.CatalogException):
        con.table("nowhere")
    with pytest.warns(ThanoWarning, match=r"lost\.wav"):
        assert con.fetchall() == [("lost.wav", None)]


def test_an_execute_that_fails_leaves_no_warning_for_the_next(con: thano_duckdb.Connection, an4_model: Path) -> None:
    failing = f"SELECT if(predicted IS NULL, error('stop'), 1) FROM (PREDICT USING '{an4_model}' AS {LOST})"
    with pytest.raises(duckdb.Error, match="stop"):
        con.execute(f"CREATE TABLE t AS {failing}")
    con.execute("SELECT 1")  # warnings are errors here
    con.close()


def test_closing_the_connection_issues_the_pending_warnings(an4_model: Path) -> None:
    con = thano_duckdb.connect()
    con.execute(f"PREDICT USING '{an4_model}' AS {LOST}")
    with pytest.warns(ThanoWarning, match=r"lost\.wav"):
        con.close()


def test_the_bar_goes_with_the_end_of_a_statement_without_rows(
    an4_con: thano_duckdb.Connection, an4_model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    monkeypatch.setattr(statement_bar, "APPEARS_AFTER_S", 0.0)
    monkeypatch.setattr(statement_bar, "DRAWN_EVERY_S", 0.0)
    an4_con.execute(f"CREATE TABLE made AS PREDICT USING '{an4_model}' AS SELECT * FROM an4 LIMIT 3")
    drawn = terminal.getvalue()
    assert "clip" in drawn
    assert drawn.endswith("\r")  # tqdm has cleared its line


def test_a_finished_build_or_upload_does_not_block_what_follows(an4_model: Path, tmp_path: Path) -> None:
    with thano_duckdb.connect(model_home=tmp_path) as con:
        con.execute("CREATE TABLE t (i INTEGER)")
        for number, follow in enumerate(
            (
                lambda: con.values([1]).fetchall(),
                lambda: con.sql("FROM t").fetchall(),
                lambda: con.executemany("INSERT INTO t VALUES (?)", [[1]]),
                lambda: con.execute("SELECT 1"),
                lambda: con.table("t").fetchall(),
            )
        ):
            con.execute(f"UPLOAD MODEL m{number} FROM '{an4_model}'")
            follow()
        assert len(con.sql("LIST MODEL")) == 5
