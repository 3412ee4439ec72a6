"""The one thread of this process that computes on the CPU.

OpenMP keeps helpers for every thread that ever computed. Where all of them together are more than the cores, they sleep
between two operations instead of waiting awake: measured on two cores, a pass then takes a quarter longer. DuckDB calls
from any of its threads, so passes are handed to a thread that all calls share, which also loads the models.
"""

from __future__ import annotations

import functools
import os
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor, wait
from types import TracebackType
from typing import Any, ParamSpec, Self, TypeVar

import torch

from .threads import SHUTDOWN_GRACE_S

Parameters = ParamSpec("Parameters")
Result = TypeVar("Result")


class ComputeThread:
    """The thread, for the length of one call; use it as a context manager."""

    def __init__(self) -> None:
        self._futures: set[Future[Any]] = set()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        running = {future for future in set(self._futures) if not future.cancel()}
        wait(running, SHUTDOWN_GRACE_S)

    def submit(
        self, work: Callable[Parameters, Result], *args: Parameters.args, **kwargs: Parameters.kwargs
    ) -> Future[Result]:
        """Run `work` after what was submitted before, with as many torch threads as the caller has."""
        future = _executor().submit(_run, torch.get_num_threads(), functools.partial(work, *args, **kwargs))
        self._futures.add(future)
        future.add_done_callback(self._futures.discard)
        return future


def _run(n_threads: int, work: Callable[[], Result]) -> Result:
    if torch.get_num_threads() != n_threads:
        torch.set_num_threads(n_threads)
    return work()


@functools.cache
def _executor() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(1, thread_name_prefix="thano-compute")


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_executor.cache_clear)  # the thread stays behind in the parent
