"""Threads for the duration of one call, which never delay an interrupt by the user."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor, wait
from types import TracebackType
from typing import ParamSpec, Protocol, TypeVar

from thano_duckdb.audio.event_loop import cancel_waits

Parameters = ParamSpec("Parameters")
Result = TypeVar("Result")

POLL_S = 0.1
"""How often a wait checks whether the user wants to stop."""
FETCH_THREADS = 32
"""Clips at URLs that are fetched at a time, by one call."""
SHUTDOWN_GRACE_S = 0.3
"""How long the end of a call waits for work that is still running; after that, the work is left to finish alone."""

is_exiting = threading.Event()
"""Set when the interpreter exits: passes that still run stop at their next layer."""


class Cancellable(Protocol):
    """As much of a `Monitor` as a wait needs."""

    def raise_if_cancelled(self) -> None:
        """Raise `Cancelled` if the user wants to stop."""


class CallThreads(ThreadPoolExecutor):
    """A `ThreadPoolExecutor` that does not wait at its end for work that hangs.

    A download is cancelled then, so that the end of the process does not have to wait for a dead server either.
    """

    def __init__(self, n_threads: int, name: str) -> None:
        super().__init__(n_threads, thread_name_prefix=name)
        self._running: set[Future[object]] = set()
        self._idents: set[int] = set()

    def submit(  # type: ignore[override]
        self, work: Callable[Parameters, Result], *args: Parameters.args, **kwargs: Parameters.kwargs
    ) -> Future[Result]:
        """See `ThreadPoolExecutor`."""

        def run() -> Result:
            self._idents.add(threading.get_ident())
            return work(*args, **kwargs)

        future = super().submit(run)
        self._running.add(future)  # type: ignore[arg-type]
        future.add_done_callback(self._running.discard)
        return future

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.shutdown(wait=False, cancel_futures=True)
        if wait(set(self._running), SHUTDOWN_GRACE_S).not_done:
            cancel_waits(self._idents)
        self.shutdown(wait=not wait(set(self._running), SHUTDOWN_GRACE_S).not_done)


def result_of(future: Future[Result], monitor: Cancellable, on_wait: Callable[[], None] | None = None) -> Result:
    """Wait for the result of `future`; call `on_wait` from time to time meanwhile.

    Raises:
        Cancelled: `monitor` was cancelled first.
        Exception: what the work raised.
    """
    while not future.done():
        try:
            future.exception(POLL_S)
        except TimeoutError:
            monitor.raise_if_cancelled()
            if on_wait is not None:
                on_wait()
    return future.result()


def run_aside(work: Callable[[], Result], monitor: Cancellable, on_wait: Callable[[], None] | None = None) -> Result:
    """Run `work`, which cannot be interrupted, on a thread of its own, and wait for its result as `result_of` does.

    After a cancellation the work is left to finish alone.
    """
    with CallThreads(1, "thano-load") as threads:
        return result_of(threads.submit(work), monitor, on_wait)
