"""The bar of a statement appears only where somebody can see it, only on long statements, and says what is left."""

from __future__ import annotations

import io
import sys
from pathlib import Path

import pytest

import thano_duckdb
from thano_duckdb.monitoring import statement_bar
from thano_duckdb.monitoring.statement_bar import Progress


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def terminal_on_stderr(monkeypatch: pytest.MonkeyPatch) -> Terminal:
    """A terminal as standard error; called in the test itself, since pytest replaces standard error in each phase."""
    screen = Terminal()
    monkeypatch.setattr(sys, "stderr", screen)
    monkeypatch.setattr(statement_bar, "DRAWN_EVERY_S", 0.0)
    return screen


def test_a_long_statement_shows_clips_hours_speed_and_time_left(
    an4_con: thano_duckdb.Connection, an4_model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    terminal = terminal_on_stderr(monkeypatch)
    monkeypatch.setattr(statement_bar, "APPEARS_AFTER_S", 0.0)
    an4_con.execute(f"PREDICT USING '{an4_model}' OPTIONS (batch_size=2) AS SELECT * FROM an4 LIMIT 20").fetchall()
    shown = terminal.getvalue()
    assert "/20 " in shown
    assert "h of audio" in shown
    assert "x real time" in shown
    assert "<" in shown  # tqdm's elapsed<remaining


def test_reading_a_relation_shows_the_bar_too(
    an4_con: thano_duckdb.Connection, an4_model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    terminal = terminal_on_stderr(monkeypatch)
    monkeypatch.setattr(statement_bar, "APPEARS_AFTER_S", 0.0)
    an4_con.sql(f"PREDICT USING '{an4_model}' OPTIONS (batch_size=3) AS SELECT * FROM an4 LIMIT 7").df()
    assert "/7 " in terminal.getvalue()


def test_a_short_statement_shows_nothing(
    an4_con: thano_duckdb.Connection, an4_model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    terminal = terminal_on_stderr(monkeypatch)
    an4_con.sql(f"PREDICT USING '{an4_model}' AS SELECT * FROM an4 LIMIT 1").fetchall()
    assert terminal.getvalue() == ""


def test_nothing_is_drawn_where_standard_error_is_no_terminal(
    an4_con: thano_duckdb.Connection, an4_model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pipe = io.StringIO()
    monkeypatch.setattr(sys, "stderr", pipe)
    monkeypatch.setattr(statement_bar, "APPEARS_AFTER_S", 0.0)
    an4_con.sql(f"PREDICT USING '{an4_model}' OPTIONS (batch_size=1) AS SELECT * FROM an4 LIMIT 3").fetchall()
    assert pipe.getvalue() == ""


def test_a_long_clip_moves_the_bar_before_it_is_done(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = terminal_on_stderr(monkeypatch)
    monkeypatch.setattr(statement_bar, "APPEARS_AFTER_S", 0.0)
    bar = Progress(shown=True, count_rows=lambda: 2)
    bar.received(2)
    bar.advanced(0.25, 1800.0)
    assert " 0.25/2 " in terminal.getvalue()
    assert "0.50 h of audio" in terminal.getvalue()
    bar.done(1, 36.0)
    bar.advanced(0.75, 5400.0)
    assert " 2/2 " in terminal.getvalue()
    bar.advanced(-1.0, -7200.0)
    bar.done(1, 7200.0)
    bar.close()
    assert "2.01 h of audio" in terminal.getvalue().rpartition(" 2/2 ")[2]


def test_the_total_grows_when_more_rows_arrive_than_were_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = terminal_on_stderr(monkeypatch)
    monkeypatch.setattr(statement_bar, "APPEARS_AFTER_S", 0.0)
    bar = Progress(shown=True, count_rows=lambda: 2)
    bar.received(5)
    for _ in range(5):
        bar.done(1, 3600.0)
    bar.close()
    assert "5/5 " in terminal.getvalue()
    assert "5.00 h of audio" in terminal.getvalue()


@pytest.mark.parametrize("stderr", ["TQDM_DISABLE", "closed", "None"])
def test_a_statement_runs_where_no_bar_can_be_drawn(
    an4_con: thano_duckdb.Connection, an4_model: Path, monkeypatch: pytest.MonkeyPatch, stderr: str
) -> None:
    terminal = terminal_on_stderr(monkeypatch)
    monkeypatch.setattr(statement_bar, "APPEARS_AFTER_S", 0.0)
    if stderr == "TQDM_DISABLE":
        monkeypatch.setenv("TQDM_DISABLE", "1")
    elif stderr == "closed":
        closed = io.TextIOWrapper(io.BytesIO())
        closed.close()
        monkeypatch.setattr(sys, "stderr", closed)
    else:
        monkeypatch.setattr(sys, "stderr", None)
    query = f"PREDICT USING '{an4_model}' OPTIONS (batch_size=2) AS SELECT * FROM an4 LIMIT 4"
    assert len(an4_con.execute(query).fetchall()) == 4
    assert terminal.getvalue() == ""
