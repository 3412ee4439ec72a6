"""The threads of this process that compute on the CPU.

Several batches at a time, each on one thread, take a tenth less time than one batch at a time on all threads (two cores
of an AMD EPYC, wav2vec2-base; a third less in 8-bit integers), because no thread waits for another between two
operations. So all calls share as many threads as torch may use. A batch uses several of them where there are fewer
batches than threads.
"""

from __future__ import annotations

import functools
import os
import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor, wait
from types import TracebackType
from typing import Any, ParamSpec, Self, TypeVar

from .cores import cores, n_torch_threads
from .device import Device
from .threads import SHUTDOWN_GRACE_S, is_exiting

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
        n_threads: how many the caller may use: see `n_torch_threads`.
    """

    def __init__(self) -> None:
        self.n_threads = n_torch_threads()
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


def _run(n_threads: int, n_in_all: int, work: Callable[[], Result]) -> Result:
    with cores().taken(n_threads, n_in_all):
        return work()


@functools.cache
def _executor() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(MAX_STREAMS, thread_name_prefix="thano-compute")


def _stop_at_exit() -> None:
    is_exiting.set()
    if _executor.cache_info().currsize:
        _executor().shutdown(wait=False, cancel_futures=True)


if hasattr(threading, "_register_atexit"):
    # Before Python waits for the threads of all executors, which `atexit` comes after.
    threading._register_atexit(_stop_at_exit)
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_executor.cache_clear)  # a forked child does not have the threads
