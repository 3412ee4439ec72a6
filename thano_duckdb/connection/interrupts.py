"""Ctrl-C while DuckDB runs: DuckDB and the engine are asked to stop, and the user gets `KeyboardInterrupt`.

Left to itself, Ctrl-C inside a function on the main thread becomes an `InvalidInputException`, and on one of DuckDB's
own threads it waits for the call to end.
"""

from __future__ import annotations

import contextlib
import signal
import threading

# What `signal.getsignal` and `signal.signal` wrap in conversions to enums, which take longer than all else that we add
# to the fetch of a row.
from _signal import getsignal as get_handler  # type: ignore[import-not-found]
from _signal import signal as set_handler
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
    before = get_handler(signal.SIGINT)
    if before in (signal.SIG_IGN, None):
        yield
        return

    def handle(_signal: int, _frame: FrameType | None) -> None:
        set_handler(signal.SIGINT, before)
        stop()

    set_handler(signal.SIGINT, handle)
    try:
        yield
    finally:
        set_handler(signal.SIGINT, before)


@contextlib.contextmanager
def delayed_interrupts() -> Iterator[None]:
    """Let a Ctrl-C inside the block wait until its end, for work that must not stop halfway.

    In the middle of `create_function` it would end the process, and in a query of DuckDB's be a `RuntimeError`.

    Raises:
        KeyboardInterrupt: at the end, if Ctrl-C was pressed inside the block, with Python's usual handler.
    """
    before = get_handler(signal.SIGINT)
    if threading.current_thread() is not threading.main_thread() or before in (signal.SIG_IGN, None):
        yield
        return
    is_pressed = False

    def handle(_signal: int, _frame: FrameType | None) -> None:
        nonlocal is_pressed
        is_pressed = True

    set_handler(signal.SIGINT, handle)
    try:
        yield
    finally:
        set_handler(signal.SIGINT, before)
        if is_pressed:
            signal.raise_signal(signal.SIGINT)
