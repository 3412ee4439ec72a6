"""Threads for the duration of one call, which never delay an interrupt by the user."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor, wait
from types import TracebackType
from typing import ParamSpec, TypeVar

from thano_duckdb.monitoring.monitor import Monitor

Parameters = ParamSpec("Parameters")
Result = TypeVar("Result")

POLL_S = 0.1
"""How often a wait checks whether the user wants to stop."""
SHUTDOWN_GRACE_S = 0.3
"""How long the end of a call waits for work that is still running; after that, the work is left to finish alone."""


class CallThreads(ThreadPoolExecutor):
    """A `ThreadPoolExecutor` that does not wait at its end for work that hangs, such as a read from a dead server."""

    def __init__(self, n_threads: int, name: str) -> None:
        super().__init__(n_threads, thread_name_prefix=name)
        self._running: set[Future[object]] = set()

    def submit(  # type: ignore[override]
        self, work: Callable[Parameters, Result], *args: Parameters.args, **kwargs: Parameters.kwargs
    ) -> Future[Result]:
        """See `ThreadPoolExecutor`."""
        future = super().submit(work, *args, **kwargs)
        self._running.add(future)  # type: ignore[arg-type]
        future.add_done_callback(self._running.discard)
        return future

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.shutdown(wait=False, cancel_futures=True)
        self.shutdown(wait=not wait(set(self._running), SHUTDOWN_GRACE_S).not_done)


def result_of(future: Future[Result], monitor: Monitor) -> Result:
    """Wait for the result of `future`.

    Raises:
        Cancelled: `monitor` was cancelled first.
        Exception: what the work raised.
    """
    while not wait([future], POLL_S).done:
        monitor.raise_if_cancelled()
    return future.result()
