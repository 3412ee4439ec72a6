"""Downloads that another thread can cancel: on fsspec's event loop, or on a thread that may be left behind.

At its end Python joins the threads of every executor, and one of our own may be waiting for a dead server.
"""

from __future__ import annotations

import atexit
import contextlib
import threading
import time
from collections.abc import Callable, Collection, Coroutine
from concurrent.futures import CancelledError, Future, InvalidStateError
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    import asyncio

T = TypeVar("T")

_EXIT_GRACE_S = 1.0
"""How long the end of the process waits for what was given up."""

_waiting: dict[int, Future[Any]] = {}
"""What each thread, by its number, waits for."""
_given_up: list[threading.Thread] = []
"""Threads that were still at work when nobody wanted their results any more."""


def wait_for(work: Coroutine[Any, Any, T], loop: asyncio.AbstractEventLoop) -> T:
    """The result of `work`, which runs on `loop`, for the thread that calls.

    Raises:
        CancelledError: see `cancel_waits`.
        Exception: what `work` raises.
    """
    import asyncio  # only for URLs

    return _result(asyncio.run_coroutine_threadsafe(work, loop), None)


def run_abandonable(work: Callable[[], T], abandon: Callable[[], None], timeout_s: float | None) -> T:
    """The result of `work`, which blocks and cannot be cancelled, for the thread that calls.

    It runs on a thread of its own. After a time-out or a cancellation `abandon` is called, and that thread is left to
    finish alone: the caller does not wait for it, and the end of the process no longer than `_EXIT_GRACE_S`.

    Raises:
        TimeoutError: it took longer than `timeout_s`.
        CancelledError: see `cancel_waits`.
        Exception: what `work` raises.
    """
    future: Future[T] = Future()

    def run() -> None:
        with contextlib.suppress(InvalidStateError):  # it was cancelled
            try:
                result = work()
            except BaseException as error:  # noqa: BLE001 - it is raised where the result is wanted
                future.set_exception(error)
            else:
                future.set_result(result)

    thread = threading.Thread(target=run, name="thano-fetch", daemon=True)
    thread.start()
    try:
        return _result(future, timeout_s)
    except (TimeoutError, CancelledError):
        _given_up[:] = [thread, *(each for each in _given_up if each.is_alive())]
        abandon()
        raise


@atexit.register
def _wait_for_given_up() -> None:
    """Python dies if a thread comes back from DuckDB while the interpreter is being taken apart."""
    deadline_s = time.monotonic() + _EXIT_GRACE_S
    for thread in _given_up:
        thread.join(max(0.0, deadline_s - time.monotonic()))


def _result(future: Future[T], timeout_s: float | None) -> T:
    _waiting[threading.get_ident()] = future
    try:
        return future.result(timeout_s)
    finally:
        del _waiting[threading.get_ident()]


def cancel_waits(threads: Collection[int]) -> None:
    """Cancel what these threads, by their numbers, wait for; nobody needs the results."""
    for thread, future in list(_waiting.items()):
        if thread in threads:
            future.cancel()
