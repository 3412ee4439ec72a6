"""Keeps decoded clips in memory as int16, up to a limit; other clips are decoded again each time they are needed."""

from __future__ import annotations

import threading
from collections.abc import Callable, Hashable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from thano_duckdb.audio.decode import AudioFailure, Waveform, decode
from thano_duckdb.audio.source import Clip

MAX_BYTES = 4 * 1024**3
"""36 hours of audio at 16 kHz."""
_FULL_SCALE = 32767


@dataclass(frozen=True)
class _Int16Clip:
    samples: NDArray[np.int16]
    scale: float  # of one integer step; scaled to the peak, so that a quiet clip has the full 16 bits too

    def to_float32(self) -> NDArray[np.float32]:
        return self.samples * np.float32(self.scale)


class AudioStore:
    """Decoded clips by key. Any thread may use it. The samples are the same whether or not a clip was kept."""

    def __init__(
        self,
        *,
        max_bytes: int = MAX_BYTES,
        decoder: Callable[[Clip], Waveform | AudioFailure] = decode,
    ) -> None:
        """Keep up to `max_bytes` of clips that `decoder` has decoded."""
        self._max_bytes = max_bytes
        self._decoder = decoder
        self._lock = threading.Lock()
        self._kept: dict[Hashable, _Int16Clip] = {}
        self._n_bytes = 0

    def read(self, key: Hashable, source: Clip) -> NDArray[np.float32] | AudioFailure:
        """The samples of a clip, mono at 16 kHz, or the reason why it cannot be decoded."""
        clip = self._kept.get(key)
        if clip is None:
            waveform = self._decoder(source)
            if isinstance(waveform, AudioFailure):
                return waveform
            clip = _to_int16(waveform.samples)
            self._keep(key, clip)
        return clip.to_float32()

    def _keep(self, key: Hashable, clip: _Int16Clip) -> None:
        with self._lock:
            if key not in self._kept and self._n_bytes + clip.samples.nbytes <= self._max_bytes:
                self._kept[key] = clip
                self._n_bytes += clip.samples.nbytes


def _to_int16(samples: NDArray[np.float32]) -> _Int16Clip:
    peak = float(np.abs(samples).max(initial=0.0)) or 1.0
    scale = peak / _FULL_SCALE
    return _Int16Clip(np.rint(samples / np.float32(scale)).astype(np.int16), scale)
