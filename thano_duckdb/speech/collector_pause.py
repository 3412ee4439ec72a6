"""A pause of Python's garbage collector while the objects of a vector of rows are made.

Each row makes a dozen small objects that live until the vector is done. The collector would look at them again and
again, and now and then at all that torch has loaded, which takes as long as everything else that a cached row costs.
"""

from __future__ import annotations

import contextlib
import gc
import threading
from collections.abc import Iterator


class _Pauses(threading.local):
    """How many blocks of `collector_paused` this thread is in."""

    n = 0


_lock = threading.Lock()
_here = _Pauses()
_n_pauses = 0
"""Of all threads."""
_was_enabled = False


@contextlib.contextmanager
def collector_paused() -> Iterator[None]:
    """No cycles are collected within the block, which should take milliseconds; any threads may be in one."""
    _change(1)
    try:
        yield
    finally:
        _change(-1)


@contextlib.contextmanager
def collector_running() -> Iterator[None]:
    """Within a pause, a block that may take long: the collector works again, unless another thread has a pause too."""
    n = _here.n
    _change(-n)
    try:
        yield
    finally:
        _change(n)


def _change(by: int) -> None:
    """Begin or end pauses of this thread."""
    global _n_pauses, _was_enabled
    with _lock:
        if by and not _n_pauses:
            _was_enabled = gc.isenabled()
            gc.disable()
        _here.n += by
        _n_pauses += by
        if by and not _n_pauses and _was_enabled:
            gc.enable()
