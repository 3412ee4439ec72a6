"""The statements that run on one connection, and its end: once `close` has begun, no other one starts."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator

import duckdb

from .running_statement import RunningStatement


class RunningStatements:
    """The statements that run on a connection, each with its thread: one as a rule, and those that it starts itself.

    Another thread may try to run one too, until DuckDB refuses it.
    """

    def __init__(self) -> None:
        """None runs yet."""
        self._running: list[tuple[RunningStatement, int]] = []
        self._n_closing = 0
        self._changed = threading.Condition()

    @property
    def current(self) -> RunningStatement | None:
        """The one that started last, or None where none runs."""
        running = self._running
        return running[-1][0] if running else None

    @property
    def runs_in_this_thread(self) -> bool:
        """Whether this thread runs one."""
        return any(thread == threading.get_ident() for _, thread in self._running)

    def all(self) -> list[RunningStatement]:
        """All that run."""
        return [statement for statement, _ in self._running]

    def of_other_threads(self) -> list[RunningStatement]:
        """Those that other threads run."""
        return [statement for statement, thread in self._running if thread != threading.get_ident()]

    @contextlib.contextmanager
    def running(self, statement: RunningStatement) -> Iterator[None]:
        """`statement` runs within the block, which each fetch of its rows enters again.

        Raises:
            duckdb.ConnectionException: the connection is being closed.
        """
        entry = statement, threading.get_ident()
        try:
            with self._changed:
                if not self.runs_in_this_thread:
                    self.check_not_closing()
                self._running = [*self._running, entry]
            yield
        finally:
            with self._changed:
                self._running = [other for other in self._running if other is not entry]
                self._changed.notify_all()

    @contextlib.contextmanager
    def closing(self) -> Iterator[None]:
        """No statement starts within the block, except within one that runs in the same thread."""
        with self._changed:
            self._n_closing += 1
        try:
            yield
        finally:
            with self._changed:
                self._n_closing -= 1

    def check_not_closing(self) -> None:
        """Refuse to start a statement while the connection is being closed.

        Raises:
            duckdb.ConnectionException: it is; the error is that of a closed connection.
        """
        if self._n_closing:
            raise duckdb.ConnectionException("Connection Error: Connection already closed!")

    def wait_for_other_threads(self, timeout_s: float) -> bool:
        """Wait until no other thread runs one; False if one still does after `timeout_s`."""
        with self._changed:
            return self._changed.wait_for(lambda: not self.of_other_threads(), timeout_s)
