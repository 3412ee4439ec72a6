"""A pytest plugin: gives other people's tests our connections, and records how each test ended.

`run_duckdb_tests.py` loads it and says what to do by environment variables.
"""

from __future__ import annotations

import os
import sys
from typing import Any

import duckdb
import pytest

import thano_duckdb

MODE = os.environ["FOREIGN_MODE"]
OUTCOMES = os.environ["FOREIGN_OUTCOMES"]
"""A file of lines `test id<TAB>outcome`: 'running' when the test starts, then how each of its phases ended."""

_plain_connect = duckdb.connect


def _connect(*args: Any, **kwargs: Any) -> Any:
    """`duckdb.connect`, except that our own package still gets plain connections."""
    caller = sys._getframe(1).f_globals.get("__name__", "")
    if caller.partition(".")[0] == thano_duckdb.__name__:
        return _plain_connect(*args, **kwargs)
    if MODE == "connect":
        return thano_duckdb.connect(*args, **kwargs)
    return thano_duckdb.load(_plain_connect(*args, **kwargs))


if MODE != "baseline":
    duckdb.connect = _connect


def _record(test: str, outcome: str) -> None:
    with open(OUTCOMES, "a", encoding="utf-8") as outcomes:
        outcomes.write(f"{test!r}\t{outcome}\n")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Leave out what an earlier process has run: it was killed by a crash or by a test that took too long."""
    with open(OUTCOMES, encoding="utf-8") as outcomes:
        done = {line.rpartition("\t")[0] for line in outcomes}
    items[:] = [item for item in items if repr(item.nodeid) not in done]


def pytest_runtest_logstart(nodeid: str) -> None:
    """Record which test a crash belongs to."""
    _record(nodeid, "running")


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    """Record how a phase ended; the call decides unless its set-up or clean-up fails."""
    if report.when == "call" or report.outcome != "passed":
        _record(report.nodeid, report.outcome)
