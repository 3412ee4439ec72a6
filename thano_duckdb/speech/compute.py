"""The threads of this process that compute on the CPU.

Several batches at a time, each on one thread, take a tenth less time than one batch at a time on all threads (two cores
of an AMD EPYC, wav2vec2-base; a third less in 8-bit integers), because no thread waits for another between two
operations. So all calls share as many threads as torch may use. A batch uses several of them where there are fewer
batches than threads.
"""

from __future__ import annotations

import contextlib
import functools
import os
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor, wait
from types import TracebackType
from typing import Any, ParamSpec, Self, TypeVar

import torch

from .device import Device
from .threads import SHUTDOWN_GRACE_S

Parameters = ParamSpec("Parameters")
Result = TypeVar("Result")

MAX_STREAMS = 16
"""Batches that are computed at a time: each takes memory for its activations, up to hundreds of MB."""


def n_streams(device: Device, n_threads: int) -> int:
    """How many batches are computed at a time on a device of one process, which may use `n_threads` threads."""
    return min(n_threads, MAX_STREAMS) if device.torch_device.type == "cpu" else 1


class ComputeThreads:
    """Access to these threads for the duration of one call; use it as a context manager.

    Attributes:
        n_threads: how many the caller may use: as many as torch may use on its thread.
    """

    def __init__(self) -> None:
        self.n_threads = torch.get_num_threads()
        self._futures: set[Future[Any]] = set()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        running = {future for future in set(self._futures) if not future.cancel()}
        wait(running, SHUTDOWN_GRACE_S)

    def submit(
        self, n_threads: int, work: Callable[Parameters, Result], *args: Parameters.args, **kwargs: Parameters.kwargs
    ) -> Future[Result]:
        """Run `work` with `n_threads` of the threads; everything submitted earlier begins first."""
        n_threads = min(n_threads, self.n_threads)
        future = _executor().submit(_run, n_threads, self.n_threads, functools.partial(work, *args, **kwargs))
        self._futures.add(future)
        future.add_done_callback(self._futures.discard)
        return future


class _Cores:
    """Shares the cores among everything that computes."""

    def __init__(self) -> None:
        self._turn = threading.Lock()
        self._changed = threading.Condition()
        self._n_taken = 0

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


def _run(n_threads: int, n_in_all: int, work: Callable[[], Result]) -> Result:
    with _cores().taken(n_threads, n_in_all):
        return work()


@functools.cache
def _cores() -> _Cores:
    return _Cores()


@functools.cache
def _executor() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(MAX_STREAMS, thread_name_prefix="thano-compute")


def _forget() -> None:
    _executor.cache_clear()
    _cores.cache_clear()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget)  # a forked child does not have the threads
