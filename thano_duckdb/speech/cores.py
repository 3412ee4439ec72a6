"""Shares the cores of the processor among everything that computes in this process."""

from __future__ import annotations

import contextlib
import os
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import torch


class Cores:
    """The cores that torch may use.

    torch keeps the number of its threads for each thread that has used it; a new thread takes what was set last.
    """

    def __init__(self) -> None:
        self._turn = threading.Lock()
        self._changed = threading.Condition()
        self._n_taken = 0
        self._n_in_all = 1

    @property
    def n_in_all(self) -> int:
        """How many threads torch may use: what the user set last, before anything began to compute."""
        with self._changed:
            if not self._n_taken:
                with ThreadPoolExecutor(1) as new:  # the current thread may have used torch before the user set it
                    self._n_in_all = new.submit(torch.get_num_threads).result()
            return self._n_in_all

    @contextlib.contextmanager
    def taken(self, n_threads: int, n_in_all: int) -> Iterator[None]:
        """Within this context, torch uses `n_threads` of `n_in_all` threads on the current thread."""
        with self._turn, self._changed:  # in turn: one that needs many cores need not wait for ever
            self._changed.wait_for(lambda: not self._n_taken or self._n_taken + n_threads <= n_in_all)
            self._n_taken += n_threads
        try:
            torch.set_num_threads(n_threads)
            yield
        finally:
            with self._changed:
                self._n_taken -= n_threads
                if not self._n_taken:
                    # New threads, and MKL on all threads, take what was set last: for the user's own use of torch.
                    torch.set_num_threads(n_in_all)
                self._changed.notify_all()


_cores = Cores()


def cores() -> Cores:
    """Those of this process."""
    return _cores


def n_torch_threads() -> int:
    """How many threads torch may use; fewer may be set for the moment, while several batches are computed."""
    return _cores.n_in_all


def _renew() -> None:
    global _cores
    _cores = Cores()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_renew)  # a forked child does not have the threads
