"""How fast models have been: measured while they transcribe, and remembered in a small file of the model home.

A speed is seconds of audio per second, with everything that transcribing takes (reading, network, search). It depends
on the size of a call: a few clips do not fill a batch. So the largest calls count.
"""

from __future__ import annotations

import contextlib
import functools
import hashlib
import json
import os
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from cachetools import LRUCache

from thano_duckdb.monitoring.monitor import Monitor

SPEEDS_FILE = ".speeds.json"
MIN_AUDIO_S = 30.0
"""A call that computed less says nothing about a long statement."""
_MAX_SPEEDS = 200
_RECENT_S = 3600.0
"""Audio after which older calls count half."""
_SAVE_EVERY_S = 10.0


@dataclass(frozen=True)
class Speed:
    """A measured speed.

    Attributes:
        audio_s: seconds of audio that were transcribed.
        elapsed_s: in so many seconds.
        largest_s: seconds of audio of the largest call.
        is_remembered: an earlier process measured it.
    """

    audio_s: float
    elapsed_s: float
    largest_s: float
    is_remembered: bool = False

    @property
    def per_s(self) -> float:
        """Seconds of audio per second."""
        return self.audio_s / self.elapsed_s

    def with_call(self, audio_s: float, elapsed_s: float) -> Speed:
        """The speed after one more call, which counts unless it is much smaller than others."""
        if audio_s > 2 * self.largest_s:
            return Speed(audio_s, elapsed_s, audio_s)
        if audio_s < self.largest_s / 4:
            return self
        weight = 0.5 if self.audio_s > _RECENT_S else 1.0
        return Speed(weight * self.audio_s + audio_s, weight * self.elapsed_s + elapsed_s, max(self.largest_s, audio_s))


class SpeedMeter:
    """Measures; any thread may use it. Calls of one key that overlap count as one."""

    def __init__(self, clock: Callable[[], float] = time.perf_counter) -> None:
        """Measure by a `clock`, in seconds."""
        self._clock = clock
        self._lock = threading.Lock()
        self._speeds: LRUCache[str, Speed] = LRUCache(_MAX_SPEEDS)
        self._running: dict[str, _Period] = {}
        self._unsaved_s = 0.0
        self._saved_at_s = -_SAVE_EVERY_S

    @contextlib.contextmanager
    def call(self, key: str, monitor: Monitor) -> Iterator[Monitor]:
        """Measure within the block, by what is reported to the monitor that this gives."""
        with self._lock:
            period = self._running.setdefault(key, _Period(self._clock()))
            period.n_calls += 1
        watched = _Watched(monitor)
        try:
            yield watched
        finally:
            with self._lock:
                period.audio_s += watched.audio_s
                period.n_calls -= 1
                if not period.n_calls:
                    del self._running[key]
                    self._add(key, period.audio_s, self._clock() - period.begun_s)

    def _add(self, key: str, audio_s: float, elapsed_s: float) -> None:
        if audio_s < MIN_AUDIO_S or elapsed_s <= 0:
            return
        self._speeds[key] = self._speeds.get(key, Speed(0.0, 0.0, 0.0)).with_call(audio_s, elapsed_s)
        self._unsaved_s += audio_s

    def speed(self, key: str, home: Path | None) -> Speed | None:
        """What this process measured, or an earlier one that remembered it in `home`; None where neither did.

        Args:
            key: see `speed_key`.
            home: of the models; None where it may not be read.
        """
        with self._lock:
            if (measured := self._speeds.get(key)) is not None:
                return measured
        remembered = _read(home).get(key) if home is not None else None
        return None if remembered is None else replace(remembered, is_remembered=True)

    @property
    def is_worth_saving(self) -> bool:
        """Whether something was measured since the last `save`, which is some time ago."""
        with self._lock:
            return self._unsaved_s >= MIN_AUDIO_S and self._clock() >= self._saved_at_s + _SAVE_EVERY_S

    def save(self, home: Path) -> None:
        """Remember what was measured in a model home, if that exists and can be written."""
        with self._lock:
            measured = dict(self._speeds)
            self._unsaved_s, self._saved_at_s = 0.0, self._clock()
        with contextlib.suppress(OSError):
            _write(home, {**_read(home), **measured})


@dataclass
class _Period:
    """A time in which calls of one key run."""

    begun_s: float
    n_calls: int = 0
    audio_s: float = 0.0


class _Watched:
    """Passes everything on to a monitor, and adds up what was computed."""

    def __init__(self, monitor: Monitor) -> None:
        self._monitor = monitor
        self.audio_s = 0.0
        self.raise_if_cancelled = monitor.raise_if_cancelled
        self.clips_received = monitor.clips_received
        self.clip_advanced = monitor.clip_advanced
        self.clips_cached = monitor.clips_cached
        self.clip_failed = monitor.clip_failed

    def clips_done(self, n_clips: int, audio_s: float) -> None:
        self.audio_s += audio_s
        self._monitor.clips_done(n_clips, audio_s)


@functools.cache
def process_speeds() -> SpeedMeter:
    """What all connections of this process measure."""
    return SpeedMeter()


def speed_key(network: str, hardware: str, decoder: Any) -> str:
    """What a speed belongs to.

    Args:
        network: fingerprint of the files of a checkpoint, with its device and precision.
        hardware: name of the device.
        decoder: how texts are written; only its kind and the width of its search matter.
    """
    search = type(decoder).__name__, getattr(decoder, "beam_width", None)
    return hashlib.blake2b(repr((network, hardware, search)).encode(), digest_size=16).hexdigest()


def workers_hardware(n_workers: int, hardware: str) -> str:
    """What several workers are together; each has so many of the threads that one process would have.

    >>> workers_hardware(2, "cpu in float32 (8 threads)")
    '2 workers, cpu in float32'
    """
    return f"{n_workers} workers, {hardware.rpartition(' (')[0] if hardware.startswith('cpu') else hardware}"


def _read(home: Path) -> dict[str, Speed]:
    try:
        entries = json.loads((home / SPEEDS_FILE).read_text(encoding="utf-8"))
        speeds = {
            str(key): Speed(float(audio_s), float(elapsed_s), float(largest_s))
            for key, (audio_s, elapsed_s, largest_s) in entries.items()
        }
    except (OSError, ValueError, TypeError, AttributeError):  # missing, or somebody changed it
        return {}
    return {key: speed for key, speed in speeds.items() if speed.audio_s > 0 and speed.elapsed_s > 0}


def _write(home: Path, speeds: dict[str, Speed]) -> None:
    newest = list(speeds.items())[-_MAX_SPEEDS:]
    text = json.dumps({key: (each.audio_s, each.elapsed_s, each.largest_s) for key, each in newest})
    new = home / f"{SPEEDS_FILE}.{os.getpid()}"
    new.write_text(text, encoding="utf-8")
    os.replace(new, home / SPEEDS_FILE)
