"""Where the time of the engine goes, measured from outside: decoding clips, the network, writing texts."""

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
    """Seconds that a pass spent in each stage; several threads add to them.

    Attributes:
        decode_s: CPU time of decoding and preparing clips, on all decode threads, while the network runs.
        device_s: time in the network (only on a CPU, where a call returns when the result is ready).
        text_s: CPU time from frame labels to texts.
    """

    decode_s: float = 0.0
    device_s: float = 0.0
    text_s: float = 0.0
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def clear(self) -> None:
        """Start a new pass."""
        self.decode_s = self.device_s = self.text_s = 0.0

    def timed(self, stage: str, function: Callable[..., Any], clock: Callable[[], float]) -> Callable[..., Any]:
        """Wrap `function` so that its time, by `clock`, is added to a stage."""

        def run(*args: Any, **kwargs: Any) -> Any:
            begun_s = clock()
            try:
                return function(*args, **kwargs)
            finally:
                with self._lock:
                    setattr(self, stage, getattr(self, stage) + clock() - begun_s)

        return run

    def engine(self, model: AcousticModel) -> Engine:
        """An engine of `model` that keeps no transcripts; run it within `measuring`."""
        return Engine(model, Memo(0), decoder=self.timed("decode_s", decode, time.thread_time))

    @contextlib.contextmanager
    def measuring(self, model: AcousticModel) -> Iterator[None]:
        """Measure the stages of everything that runs `model` within this context."""
        features = self.timed("decode_s", model.features, time.thread_time)
        forward = self.timed("device_s", model.network.forward, time.perf_counter)
        text = self.timed("text_s", greedy_decode, time.thread_time)
        with (
            mock.patch.object(model, "features", features),
            mock.patch.object(model.network, "forward", forward),
            mock.patch("thano_duckdb.speech.engine.greedy_decode", text),
        ):
            yield
