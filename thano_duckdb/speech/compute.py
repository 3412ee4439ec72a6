"""The single thread of this process that computes on the CPU.

OpenMP keeps a pool of workers for every thread that has ever computed. Once there are more workers than cores, they
sleep between operations instead of spinning: measured on two cores, a forward pass then takes a quarter longer. DuckDB
calls us from any of its threads, so all calls share one thread for their passes; it also loads the models.
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
    """Access to that thread for the duration of one call; use it as a context manager."""

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
        """Run `work` after everything submitted earlier, with as many torch threads as the caller has set."""
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
    os.register_at_fork(after_in_child=_executor.cache_clear)  # a forked child does not have the thread
