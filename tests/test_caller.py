"""What DuckDB says of the line that calls it is said of the user's line."""

from __future__ import annotations

import inspect
import warnings
from pathlib import Path

import duckdb
import pytest

import thano_duckdb


def _line() -> int:
    """The number of the line that calls this."""
    frame = inspect.currentframe()
    assert frame is not None
    assert frame.f_back is not None
    return frame.f_back.f_lineno


def test_a_warning_of_duckdbs_points_at_the_users_line(con: thano_duckdb.Connection) -> None:
    with warnings.catch_warnings(record=True, action="always") as caught:
        con.execute("SELECT 1 AS a").to_arrow_table()
        line = _line() - 1
    assert [(Path(warning.filename), warning.lineno) for warning in caught] == [(Path(__file__), line)]


def test_an_error_of_duckdbs_about_a_variable_names_the_users_line(con: thano_duckdb.Connection) -> None:
    not_a_table = {"a": 1}
    with pytest.raises(duckdb.InvalidInputException) as caught:
        con.sql("FROM not_a_table")
    assert f'"{__file__}:{_line() - 1}"' in str(caught.value)
    assert not_a_table == {"a": 1}
