"""Closing a connection while other threads may use it."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable

import duckdb

from .running_statement import StopReason
from .running_statements import RunningStatements

_STOP_POLL_S = 0.1
_CLOSE_POLL_S = 0.01
_STOP_TIMEOUT_S = 30.0
"""How long statements of other threads may take to stop."""


def close(raw: duckdb.DuckDBPyConnection, statements: RunningStatements, before: Callable[[], None]) -> None:
    """Stop the statements of other threads, let no other one start, and close.

    Args:
        raw: the connection.
        statements: that run on it.
        before: is called when they have stopped.

    Raises:
        duckdb.ResourceInUseException: a statement did not stop, or this thread runs one.
    """
    with statements.closing():
        deadline_s = time.monotonic() + _STOP_TIMEOUT_S
        for statement in statements.of_other_threads():
            statement.cancel(StopReason.CLOSE)
            raw.interrupt()
        while not statements.wait_for_other_threads(_STOP_POLL_S) and time.monotonic() < deadline_s:
            raw.interrupt()
        before()
        while True:
            try:
                return raw.close()
            except duckdb.ResourceInUseException:  # another thread prepares a statement, which will be refused
                if statements.runs_in_this_thread or time.monotonic() > deadline_s:
                    raise
                with contextlib.suppress(duckdb.ConnectionException):  # it is closed by now, all the same
                    raw.interrupt()
                time.sleep(_CLOSE_POLL_S)
