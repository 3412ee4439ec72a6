"""Keeps decoded clips as int16 in a file, up to a limit; other clips are decoded again each time they are needed.

What is read often stays in the memory that the kernel has to spare; the memory of the process does not grow.
"""

from __future__ import annotations

import contextlib
import shutil
import tempfile
import threading
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Self

import numpy as np
from numpy.typing import NDArray

from thano_duckdb.audio.decode import AudioFailure, Waveform, decode
from thano_duckdb.audio.source import Clip

from .spill_file import SpillFile

SHARE_OF_FREE_DISK = 0.5
"""The rest is left for the checkpoints, and for others."""
_FULL_SCALE = 32767
_ENTRY = np.dtype([("position", np.int64), ("n_samples", np.int64), ("scale", np.float64)])
_NOT_KEPT = -1


def free_share(folder: Path) -> int:
    """The bytes that decoded clips may take on the disk of a folder."""
    return int(SHARE_OF_FREE_DISK * shutil.disk_usage(folder).free)


class AudioStore:
    """Decoded clips by number. Any thread may use it. The samples are the same whether or not a clip was kept."""

    def __init__(
        self,
        file: SpillFile | None = None,
        *,
        max_bytes: int | None = None,
        decoder: Callable[[Clip], Waveform | AudioFailure] = decode,
    ) -> None:
        """Keep up to `max_bytes` of clips that `decoder` has decoded.

        Args:
            file: where they are kept; None: among the temporary files.
            max_bytes: what they may take; None: half of what is free on that disk.
            decoder: decodes a clip.
        """
        self._file = file or _temporary_file()
        self._max_bytes = free_share(Path(tempfile.gettempdir())) if max_bytes is None else max_bytes
        self._decoder = decoder
        self._lock = threading.Lock()
        self._entries = np.zeros(0, _ENTRY)
        self._n_bytes = 0

    def close(self) -> None:
        """Remove the file; a second call does nothing."""
        self._file.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, _kind: type[BaseException] | None, _error: BaseException | None, _at: TracebackType | None
    ) -> None:
        self.close()

    def read(self, number: int, source: Callable[[], Clip]) -> NDArray[np.float32] | AudioFailure:
        """The samples of a clip, mono at 16 kHz, or the reason why it cannot be decoded.

        Args:
            number: of the clip, from 0; the same number always stands for the same clip.
            source: gives the clip, where it has to be decoded.
        """
        if (entry := self._entry(number)) is not None:
            position, n_samples, scale = entry
            samples = np.frombuffer(self._file.read(position, 2 * n_samples), np.int16)
        else:
            waveform = self._decoder(source())
            if isinstance(waveform, AudioFailure):
                return waveform
            samples, scale = _to_int16(waveform.samples)
            self._keep(number, samples, scale)
        return samples * np.float32(scale)

    def _entry(self, number: int) -> tuple[int, int, float] | None:
        entries = self._entries
        if number >= len(entries):
            return None
        entry: tuple[int, int, float] = entries[number].item()
        return None if entry[0] == _NOT_KEPT else entry

    def _keep(self, number: int, samples: NDArray[np.int16], scale: float) -> None:
        with self._lock:
            if self._n_bytes + samples.nbytes > self._max_bytes or self._entry(number) is not None:
                return
            self._n_bytes += samples.nbytes
        with contextlib.suppress(OSError):  # the disk is full: it is decoded again
            position = self._file.append(samples.tobytes())
            with self._lock:
                self._make_room(number)
                self._entries[number] = (position, len(samples), scale)

    def _make_room(self, number: int) -> None:
        if number < len(self._entries):
            return
        entries = np.zeros(max(2 * len(self._entries), number + 1), _ENTRY)
        entries["position"] = _NOT_KEPT
        entries[: len(self._entries)] = self._entries
        self._entries = entries


def _temporary_file() -> SpillFile:
    return SpillFile(tempfile.TemporaryFile(buffering=0))


def _to_int16(samples: NDArray[np.float32]) -> tuple[NDArray[np.int16], float]:
    """The samples in 16 bits, and the size of a step: scaled to the peak, so that a quiet clip has the full 16 bits."""
    peak = float(np.abs(samples).max(initial=0.0)) or 1.0
    scale = peak / _FULL_SCALE
    return np.rint(samples / np.float32(scale)).astype(np.int16), scale
