"""Downloads on fsspec's event loop, which another thread can cancel.

At its end Python joins the threads of every executor, and one of our own may be waiting for a dead server.
"""

from __future__ import annotations

import threading
from collections.abc import Collection, Coroutine
from concurrent.futures import Future
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    import asyncio

T = TypeVar("T")

_waiting: dict[int, Future[Any]] = {}
"""What each thread, by its number, waits for."""


def wait_for(work: Coroutine[Any, Any, T], loop: asyncio.AbstractEventLoop) -> T:
    """The result of `work`, which runs on `loop`, for the thread that calls.

    Raises:
        CancelledError: see `cancel_waits`.
        Exception: what `work` raises.
    """
    import asyncio  # only for URLs

    future = asyncio.run_coroutine_threadsafe(work, loop)
    _waiting[threading.get_ident()] = future
    try:
        return future.result()
    finally:
        del _waiting[threading.get_ident()]


def cancel_waits(threads: Collection[int]) -> None:
    """Cancel what these threads, by their numbers, wait for; nobody needs the results."""
    for thread, future in list(_waiting.items()):
        if thread in threads:
            future.cancel()
