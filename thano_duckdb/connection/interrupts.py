"""Ctrl-C while DuckDB runs: DuckDB and the engine are asked to stop, and the user gets `KeyboardInterrupt`.

Left to itself, Ctrl-C inside a function on the main thread becomes an `InvalidInputException`, and on one of DuckDB's
own threads it waits for the call to end.
"""

from __future__ import annotations

import contextlib
import signal
import threading
from collections.abc import Callable, Iterator
from types import FrameType


@contextlib.contextmanager
def on_interrupt(stop: Callable[[], None]) -> Iterator[None]:
    """Call `stop` at the first Ctrl-C inside the block; a second one has its usual effect.

    Does nothing off the main thread, where Python delivers no signals, and where Ctrl-C is ignored (`nohup`).
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.getsignal(signal.SIGINT)
    if before in (signal.SIG_IGN, None):
        yield
        return

    def handle(_signal: int, _frame: FrameType | None) -> None:
        signal.signal(signal.SIGINT, before)
        stop()

    signal.signal(signal.SIGINT, handle)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
