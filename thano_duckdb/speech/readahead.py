"""Reads in threads ahead of the consumer, with a limit on the memory of the results.

The results come in the order of the items, so every run gives the same sequence, whichever thread is faster.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future
from types import TracebackType
from typing import Generic, Self, TypeVar

from thano_duckdb.monitoring.monitor import Monitor

from .threads import CallThreads, result_of

FIRST_READS = 16
"""How many reads start before a first result says how large they are."""

Item = TypeVar("Item")
Result = TypeVar("Result")


class ReadAhead(Generic[Item, Result]):
    """Reads items in its own threads and iterates over the results; use it as a context manager.

    A new read starts only if the memory in use stays within `max_bytes`: that of all results not yet released, plus
    that of the reads in progress, each estimated as the largest result so far. Before the first result, when nothing is
    known, only `FIRST_READS` start. If no result is waiting, one read may always start, so the iteration cannot get
    stuck.
    """

    def __init__(
        self,
        read: Callable[[Item], Result],
        items: Iterable[Item],
        *,
        n_bytes: Callable[[Result], int],
        max_bytes: int,
        n_threads: int,
        monitor: Monitor,
    ) -> None:
        """Read `items` by calls of `read`; a result takes `n_bytes(result)` of memory."""
        self._read = read
        self._items = iter(items)
        self._n_bytes = n_bytes
        self._max_bytes = max_bytes
        self._n_threads = n_threads
        self._monitor = monitor
        self._threads = CallThreads(n_threads, "thano-decode")
        self._lock = threading.Lock()
        self._results: deque[Future[Result]] = deque()
        self._n_reading = 0
        self._held_bytes = 0
        self._largest_bytes = 0
        self._is_open = True

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with self._lock:
            self._is_open = False
        self._threads.__exit__(kind, error, trace)

    def __iter__(self) -> Iterator[Result]:
        """The results, in the order of the items.

        Raises:
            Cancelled: the monitor was cancelled.
            Exception: what `read` raised for an item, when it is that item's turn.
        """
        while True:
            self._start_reads()
            if not self._results:
                return
            yield result_of(self._results.popleft(), self._monitor)

    def release(self, n_bytes: int) -> None:
        """Report that `n_bytes` of results are no longer needed."""
        with self._lock:
            self._held_bytes -= n_bytes
        self._start_reads()

    def _start_reads(self) -> None:
        with self._lock:
            while self._is_open and self._n_reading < self._max_reads() and (self._has_room() or not self._results):
                try:
                    item = next(self._items)
                except StopIteration:
                    return
                self._n_reading += 1
                self._results.append(self._threads.submit(self._read_one, item))

    def _max_reads(self) -> int:
        return self._n_threads if self._largest_bytes else min(self._n_threads, FIRST_READS)

    def _has_room(self) -> bool:
        return self._held_bytes + (self._n_reading + 1) * self._largest_bytes <= self._max_bytes

    def _read_one(self, item: Item) -> Result:
        """Runs on a thread. The size is counted before the result becomes available."""
        size = 0
        try:
            result = self._read(item)
            size = self._n_bytes(result)
            return result
        finally:
            with self._lock:
                self._n_reading -= 1
                self._held_bytes += size
                self._largest_bytes = max(self._largest_bytes, size)
            self._start_reads()
