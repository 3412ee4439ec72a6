"""A pause of Python's garbage collector while the objects of a vector of rows are made.

Each row makes a dozen small objects that live until the vector is done. The collector would look at them again and
again, and now and then at all that torch has loaded, which takes as long as everything else that a cached row costs.
"""

from __future__ import annotations

import contextlib
import gc
import threading
from collections.abc import Iterator

_lock = threading.Lock()
_n_pauses = 0
_was_enabled = False


@contextlib.contextmanager
def collector_paused() -> Iterator[None]:
    """No cycles are collected within the block, which should take milliseconds; any threads may be in one."""
    global _n_pauses, _was_enabled
    with _lock:
        if not _n_pauses:
            _was_enabled = gc.isenabled()
            gc.disable()
        _n_pauses += 1
    try:
        yield
    finally:
        with _lock:
            _n_pauses -= 1
            if not _n_pauses and _was_enabled:
                gc.enable()
