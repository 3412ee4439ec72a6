"""Decoded clips as int16, in memory up to a limit; beyond it a clip is decoded again whenever it is wanted."""

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
class _Packed:
    samples: NDArray[np.int16]
    scale: float  # of one step; a quiet clip keeps 16 bits of its own

    def unpack(self) -> NDArray[np.float32]:
        return self.samples * np.float32(self.scale)


class AudioStore:
    """Clips by key. Any thread may ask. What comes out is the same whether a clip was kept or not."""

    def __init__(
        self,
        *,
        max_bytes: int = MAX_BYTES,
        decoder: Callable[[Clip], Waveform | AudioFailure] = decode,
    ) -> None:
        """Keep up to `max_bytes` of what `decoder` gives."""
        self._max_bytes = max_bytes
        self._decoder = decoder
        self._lock = threading.Lock()
        self._kept: dict[Hashable, _Packed] = {}
        self._n_bytes = 0

    def read(self, key: Hashable, source: Clip) -> NDArray[np.float32] | AudioFailure:
        """The samples of a clip, mono at 16 kHz, or why there are none."""
        packed = self._kept.get(key)
        if packed is None:
            waveform = self._decoder(source)
            if isinstance(waveform, AudioFailure):
                return waveform
            packed = _pack(waveform.samples)
            self._keep(key, packed)
        return packed.unpack()

    def _keep(self, key: Hashable, packed: _Packed) -> None:
        with self._lock:
            if key not in self._kept and self._n_bytes + packed.samples.nbytes <= self._max_bytes:
                self._kept[key] = packed
                self._n_bytes += packed.samples.nbytes


def _pack(samples: NDArray[np.float32]) -> _Packed:
    peak = float(np.abs(samples).max(initial=0.0)) or 1.0
    scale = peak / _FULL_SCALE
    return _Packed(np.rint(samples / np.float32(scale)).astype(np.int16), scale)
