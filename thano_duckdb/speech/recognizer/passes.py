"""The forward passes over one network: how many run at a time, in which language, and when they stop."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterable, Iterator
from contextvars import ContextVar
from typing import Any

from torch import nn

from thano_duckdb.errors import Cancelled
from thano_duckdb.speech.threads import POLL_S, Cancellable, is_exiting

from .feature_encoder import Convolution
from .int8 import Int8Product
from .language_adapter import LanguageModules, install
from .packed_products import PackedLinear, PackedProduct
from .thread_values import assigned

_LARGE_LAYERS = (Convolution, Int8Product, PackedLinear, PackedProduct, nn.Conv1d, nn.Conv2d, nn.Linear)
"""Before each of these a pass can stop."""

_STATES = ("cached_rotary_positional_embedding", "extend_pe")
"""What modules of Hugging Face's have that keep the positions of the latest batch: only one pass may run at a time."""

_monitor: ContextVar[Cancellable | None] = ContextVar("monitor of the pass that this thread computes", default=None)


class Passes:
    """The passes over a network. Any thread may run one.

    Attributes:
        max_running: how many run at a time, at most; None for no such limit.
    """

    def __init__(self, network: nn.Module, modules: LanguageModules) -> None:
        """Watch the layers of a network on its device, where it has the layers `modules` of a language."""
        self._network, self._modules = network, modules
        is_on_cpu = all(parameter.device.type == "cpu" for parameter in network.parameters())
        self.max_running = None if is_on_cpu and not _keeps_state(network) else 1
        self._turn = threading.Lock()
        self._changed = threading.Condition()
        self._n_running = 0
        self.watch([network])

    @contextlib.contextmanager
    def running(self, modules: LanguageModules, monitor: Cancellable) -> Iterator[None]:
        """Within this context, this thread runs a pass.

        Args:
            modules: the layers of the language that the network has to have.
            monitor: asked between the layers whether to stop.

        Raises:
            Cancelled: `monitor` was cancelled while other passes ran.
        """
        self._begin(modules, monitor)
        try:
            with assigned(_monitor, monitor):
                yield
        finally:
            with self._changed:
                self._n_running -= 1
                self._changed.notify_all()

    def watch(self, layers: Iterable[nn.Module]) -> None:
        """Ask between these layers whether to stop."""
        for layer in layers:
            for module in layer.modules():
                if isinstance(module, _LARGE_LAYERS):
                    module.register_forward_pre_hook(_raise_if_cancelled)

    def _begin(self, modules: LanguageModules, monitor: Cancellable) -> None:
        while not self._turn.acquire(timeout=POLL_S):
            monitor.raise_if_cancelled()
        try:  # Passes begin one after the other, or one in another language could wait for ever.
            with self._changed:
                while not self._changed.wait_for(lambda: self._may_begin(modules), POLL_S):
                    monitor.raise_if_cancelled()
                if modules is not self._modules:
                    install(self._network, modules)
                    self._modules = modules
                self._n_running += 1
        finally:
            self._turn.release()

    def _may_begin(self, modules: LanguageModules) -> bool:
        if modules is not self._modules:
            return not self._n_running
        return self.max_running is None or self._n_running < self.max_running


def _keeps_state(network: nn.Module) -> bool:
    return any(hasattr(module, state) for module in network.modules() for state in _STATES)


def _raise_if_cancelled(_module: nn.Module, _args: Any) -> None:
    monitor = _monitor.get()
    if monitor is not None:
        raise_if_stopped(monitor)


def raise_if_stopped(monitor: Cancellable) -> None:
    """Raise `Cancelled` if the user wants to stop, or Python exits."""
    if is_exiting.is_set():
        raise Cancelled("Python exits")
    monitor.raise_if_cancelled()
