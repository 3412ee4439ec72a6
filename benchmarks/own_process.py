"""A system in a process of its own, as a user would run it.

In one process the systems would share threads and the memory that the C library holds on to, and each would be timed
with what the others left behind. So each has its own process; all are alive at the same time, and one works at a time.
"""

from __future__ import annotations

import multiprocessing
import os
from collections.abc import Callable, Mapping, Sequence
from multiprocessing.connection import Connection
from types import TracebackType
from typing import Any, Self
from unittest import mock

import torch

from benchmarks.passes import Pass
from benchmarks.systems import SkippedError, System


class OwnProcess:
    """Runs the system that `make(*args)` returns; use it as a context manager.

    Attributes:
        name: the system's name.
        dtype: the system's dtype.
    """

    def __init__(self, make: Callable[..., System], *args: Any, environment: Mapping[str, str] | None = None) -> None:
        """Start the process, with these variables in its environment, and create the system in it.

        Raises:
            SkippedError: the system cannot run on this machine.
        """
        context = multiprocessing.get_context("spawn")
        self._connection, theirs = context.Pipe()
        self._process = context.Process(target=_serve, args=(theirs, make, args), daemon=True)
        with mock.patch.dict(os.environ, environment or {}):
            self._process.start()
        theirs.close()
        about = self._connection.recv()
        if isinstance(about, Exception):
            raise about
        self.name: str
        self.dtype: torch.dtype
        self.name, self.dtype = about

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._connection.close()
        self._process.join(10)
        self._process.kill()

    def run_pass(self, paths: Sequence[str]) -> Pass:
        """Time one pass in that process."""
        self._connection.send(list(paths))
        found: Pass = self._connection.recv()
        return found


def _serve(connection: Connection, make: Callable[..., System], args: Sequence[Any]) -> None:
    try:
        system = make(*args)
    except SkippedError as error:
        connection.send(error)
        return
    connection.send((system.name, system.dtype))
    try:
        while True:
            connection.send(system.run_pass(connection.recv()))
    except EOFError:  # the other end is closed
        return
