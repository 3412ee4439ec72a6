"""Where the time of the engine goes, measured from outside: decoding clips, the network, writing texts."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any
from unittest import mock

from thano_duckdb.audio.decode import decode
from thano_duckdb.speech.decoding.decoder import Decoder, FrameScores, Hypothesis
from thano_duckdb.speech.decoding.greedy import GreedyDecoder
from thano_duckdb.speech.decoding.vocabulary import Vocabulary
from thano_duckdb.speech.engine import Engine
from thano_duckdb.speech.recognizer.clip_scorer import ClipScorer
from thano_duckdb.speech.recognizer.ctc_recognizer import CtcRecognizer


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

    def engine(self, recognizer: CtcRecognizer) -> Engine:
        """An engine whose decoding of clips is timed; run it within `measuring`, with `decoder`."""
        return Engine(recognizer, read=self.timed("decode_s", decode, time.thread_time))

    @property
    def decoder(self) -> Decoder:
        """Greedy decoding, timed."""
        return _TimedDecoder(self)

    @contextlib.contextmanager
    def measuring(self, model: ClipScorer) -> Iterator[None]:
        """Time the stages of what runs `model` within this context."""
        features = self.timed("decode_s", model.features, time.thread_time)
        forward = self.timed("device_s", model.forward, time.perf_counter)
        with mock.patch.object(model, "features", features), mock.patch.object(model, "forward", forward):
            yield


@dataclass(frozen=True)
class _TimedDecoder(GreedyDecoder):
    stages: Stages

    def decode(self, clips: Sequence[FrameScores], vocabulary: Vocabulary, *, stride: int) -> list[Hypothesis]:
        timed = self.stages.timed("text_s", super().decode, time.thread_time)
        hypotheses: list[Hypothesis] = timed(clips, vocabulary, stride=stride)
        return hypotheses
