"""Where the time of the engine goes, noted from outside: its clip decoder, its network, its text."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any
from unittest import mock

from thano_duckdb.audio.decode import decode
from thano_duckdb.speech.cache import Memo
from thano_duckdb.speech.decoding.greedy import greedy_decode
from thano_duckdb.speech.engine import Engine
from thano_duckdb.speech.recognizer.acoustic_model import AcousticModel


@dataclass
class Stages:
    """Seconds of a pass; several threads add to them.

    Attributes:
        decode_s: CPU time of decoding clips and preparing them, on all decode threads, beside the network.
        device_s: time in the network (on a CPU, where it returns when it has computed).
        text_s: CPU time from the frames' labels to texts.
    """

    decode_s: float = 0.0
    device_s: float = 0.0
    text_s: float = 0.0
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def clear(self) -> None:
        """Begin a pass."""
        self.decode_s = self.device_s = self.text_s = 0.0

    def timed(self, stage: str, function: Callable[..., Any], clock: Callable[[], float]) -> Callable[..., Any]:
        """`function`, whose time on `clock` is added to a stage."""

        def run(*args: Any, **kwargs: Any) -> Any:
            begun_s = clock()
            try:
                return function(*args, **kwargs)
            finally:
                with self._lock:
                    setattr(self, stage, getattr(self, stage) + clock() - begun_s)

        return run

    def engine(self, model: AcousticModel) -> Engine:
        """An engine of `model` that keeps no transcripts; run it within `noting`."""
        return Engine(model, Memo(0), decoder=self.timed("decode_s", decode, time.thread_time))

    @contextlib.contextmanager
    def noting(self, model: AcousticModel) -> Iterator[None]:
        """Note the stages of what runs `model` within this context."""
        features = self.timed("decode_s", model.features, time.thread_time)
        forward = self.timed("device_s", model.network.forward, time.perf_counter)
        text = self.timed("text_s", greedy_decode, time.thread_time)
        with (
            mock.patch.object(model, "features", features),
            mock.patch.object(model.network, "forward", forward),
            mock.patch("thano_duckdb.speech.engine.greedy_decode", text),
        ):
            yield
