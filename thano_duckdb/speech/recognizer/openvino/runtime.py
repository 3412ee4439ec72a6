"""OpenVINO's Python package, imported without what reports its use to its makers, and how we run networks in it."""

from __future__ import annotations

import contextlib
import importlib
import os
import sys
from collections import deque
from collections.abc import Iterator
from pathlib import Path
from typing import Any

TELEMETRY = "openvino_telemetry"


def openvino() -> Any:
    """The package `openvino`."""
    with _without_telemetry():
        return importlib.import_module("openvino")


def read(path: Path) -> Any:
    """An `openvino.Model`, which stays usable when its files are removed.

    Args:
        path: the network, `.xml`, with its `.bin` beside it.

    Raises:
        RuntimeError: it is damaged.
    """
    return openvino().Core().read_model(path)


_has_computed = _is_forked = False


def is_forked() -> bool:
    """Whether this process was forked from one that computed with OpenVINO: its threads are missing here."""
    return _is_forked


def _after_fork() -> None:
    global _is_forked
    _is_forked = _has_computed or _is_forked


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)


class Network:
    """A network that is ready to run on the CPU. Any thread may use it."""

    def __init__(self, compiled: Any) -> None:
        """Take over an `openvino.CompiledModel`."""
        self._compiled = compiled
        self._free: deque[Any] = deque()

    @classmethod
    def compile(cls, network: Any, *, bfloat16: bool, n_streams: int, n_threads: int) -> Network:
        """Prepare a network to run.

        Args:
            network: see `read`.
            bfloat16: whether it computes in bfloat16 instead of float32.
            n_streams: clips that are computed at a time.
            n_threads: the threads that all of them share.

        Raises:
            RuntimeError: OpenVINO cannot run it.
        """
        settings = {
            "INFERENCE_PRECISION_HINT": "bf16" if bfloat16 else "f32",
            "NUM_STREAMS": n_streams,
            "INFERENCE_NUM_THREADS": n_threads,
            "ENABLE_CPU_PINNING": False,  # other threads of this process need the cores too
            # With this compiler of element-wise operations, OpenVINO 2026.4 computes other scores, silently, for clips
            # that come after one of a single frame.
            "SNIPPETS_MODE": "DISABLE",
            # What is compiled for the shapes of one clip, enough for its layers to share. By default OpenVINO keeps
            # that of thousands: GBs after 3,000 clips of different lengths, with the smallest network.
            "CPU_RUNTIME_CACHE_CAPACITY": 100,
        }
        global _has_computed
        _has_computed = True
        return cls(openvino().Core().compile_model(network, "CPU", settings))

    @contextlib.contextmanager
    def request(self) -> Iterator[Any]:
        """An `openvino.InferRequest` for the duration of the context."""
        try:
            request = self._free.pop()
        except IndexError:
            request = self._compiled.create_infer_request()
        try:
            yield request
        finally:
            self._free.append(request)


@contextlib.contextmanager
def _without_telemetry() -> Iterator[None]:
    """Within this context that package cannot be imported; OpenVINO does without it."""
    if TELEMETRY in sys.modules:  # the user has imported OpenVINO
        yield
        return
    sys.modules[TELEMETRY] = None  # type: ignore[assignment]
    try:
        yield
    finally:
        sys.modules.pop(TELEMETRY, None)  # another thread may have been faster
