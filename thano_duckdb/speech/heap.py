"""Returns freed memory to the operating system.

glibc keeps freed memory for the thread that allocated it. Our decode threads end with each call, so over many calls
such memory piles up: we measured 300 MiB of unused memory after 50,000 clips.
"""

from __future__ import annotations

import contextlib
import ctypes
import functools
from collections.abc import Callable


def trim() -> None:
    """Return freed memory; does nothing if the C library has no `malloc_trim`."""
    if (malloc_trim := _malloc_trim()) is not None:
        malloc_trim(0)


@functools.cache
def _malloc_trim() -> Callable[[int], int] | None:
    with contextlib.suppress(OSError, AttributeError, TypeError):
        function: Callable[[int], int] = ctypes.CDLL(None).malloc_trim
        return function
    return None
