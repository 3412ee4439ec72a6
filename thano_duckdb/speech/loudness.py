"""Where a long clip is silent, and where it pauses: how loud it is in five bands, block by block.

Speech changes its loudness by far more than 8 dB from one syllable to the next; digital silence, the noise of a room,
hum and a steady tone do not, at whatever level. So silence is found by what it does within a few seconds, and no level
has to be chosen. Below 200 Hz, where hum and rumble are, nothing is measured.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from .windows import SAMPLE_RATE_HZ

BLOCK = 512
"""Samples of a block: 32 ms."""
BAND_EDGES_HZ = (200, 400, 800, 1600, 3200, 6400)
RISE_DB = np.array([8, 7, 5.5, 4.5, 4], np.float32)
"""How far the loudness in each band rises above its floor in speech; the wider a band, the steadier noise is in it."""
QUIETEST_POWER = 1e-9
"""-90 dB of full scale: what is below counts as digital silence, since codecs switch such noise on and off."""
SMOOTHED_BLOCKS = 3
MIN_BLOCKS = 4
"""Of speech in a row: clicks are shorter."""
TONE_BINS = 8
TONE_SHARE = 0.99
"""A block is a tone, or two at a time, if its strongest frequencies, `TONE_BINS`, have this share of its power."""
MAX_TONE_BLOCKS = 0.6
"""What has a larger share of such blocks from its beginning to its end is a beep or a ringing or busy signal."""
FLOOR_BLOCKS = 16
"""The floor is the third quietest of this many blocks (0.5 s) .."""
FLOOR_SPAN_S = 3.0
""".. and the lowest such value within this time on both sides."""
MARGIN_S = 1.0
"""Kept around speech: the model needs to hear that it begins and ends, and its first sound may be quiet."""
MIN_SKIPPED_S = 2.0
"""Shorter silence, beyond the margins, is not worth a window of its own."""
PAUSE_BLOCKS = 15
"""A pause is looked for as the quietest stretch of this many blocks (0.5 s)."""
_CHUNK = 1 << 10  # blocks per step


@dataclass(frozen=True)
class Loudness:
    """How loud a clip is.

    Attributes:
        n_samples: length of the clip.
        bands_db: in each band, (blocks, bands) float32, averaged over neighbouring blocks; full scale is 0 dB.
        is_tone: whether a block is nothing but one tone or two, (blocks,).
    """

    n_samples: int
    bands_db: NDArray[np.float32]
    is_tone: NDArray[np.bool_]

    @classmethod
    def of(cls, samples: NDArray[np.float32]) -> Loudness:
        """The loudness of a clip, mono at 16 kHz, which takes about 0.5 s of computing per hour."""
        chunks = [_band_power(chunk) for chunk in _chunks(samples)]
        power = np.concatenate([power for power, _ in chunks])  # (blocks, bands)
        bands_db = 10 * np.log10(_moving_mean(power, SMOOTHED_BLOCKS) + np.float32(QUIETEST_POWER))
        return cls(len(samples), bands_db, np.concatenate([is_tone for _, is_tone in chunks]))

    def speech(self) -> list[slice]:
        """The parts of the clip that may hold speech, in samples, with their margins; between them is long silence."""
        edges = _edges(self._is_active())  # (parts, 2), in blocks
        n_blocks = edges[:, 1] - edges[:, 0]
        n_tones = np.diff(np.insert(np.cumsum(self.is_tone), 0, 0)[edges], axis=1)[:, 0]
        edges = edges[(n_blocks >= MIN_BLOCKS) & (n_tones <= MAX_TONE_BLOCKS * n_blocks)]
        parts: list[slice] = []
        margin, min_skipped = round(MARGIN_S * SAMPLE_RATE_HZ), round(MIN_SKIPPED_S * SAMPLE_RATE_HZ)
        for first, last in (edges * BLOCK).tolist():
            start, stop = max(0, first - margin), min(self.n_samples, last + margin)
            if start < min_skipped:
                start = 0
            if self.n_samples - stop < min_skipped:
                stop = self.n_samples
            if parts and start - parts[-1].stop < min_skipped:
                start = parts.pop().start
            parts.append(slice(start, stop))
        return parts

    def quietest(self, start: int, stop: int) -> int:
        """The middle of the longest or deepest pause between two samples of the clip, as a sample."""
        first, last = start // BLOCK, max(start // BLOCK + 1, stop // BLOCK)
        return min(stop, max(start, (first + int(self._pause_db[first:last].argmin())) * BLOCK + BLOCK // 2))

    @cached_property
    def _pause_db(self) -> NDArray[np.float32]:  # (blocks,)
        """How loud the surroundings of each block are."""
        return _moving_mean(self.bands_db.mean(axis=1, keepdims=True), PAUSE_BLOCKS)[:, 0]

    def _is_active(self) -> NDArray[np.bool_]:  # (blocks,)
        """Where a band is well above its floor."""
        n_blocks = len(self.bands_db)
        groups = np.pad(self.bands_db, ((0, -n_blocks % FLOOR_BLOCKS), (0, 0)), mode="edge")
        groups = groups.reshape(-1, FLOOR_BLOCKS, groups.shape[1])  # (groups, blocks, bands)
        floors = np.partition(groups, 2, axis=1)[:, 2]
        n_aside = round(FLOOR_SPAN_S * SAMPLE_RATE_HZ / (FLOOR_BLOCKS * BLOCK))
        floors = _around(floors, 2 * n_aside + 1).min(axis=-1)
        rise_db = self.bands_db - floors.repeat(FLOOR_BLOCKS, axis=0)[:n_blocks]
        active: NDArray[np.bool_] = (rise_db > RISE_DB).any(axis=1)
        return active


def _chunks(samples: NDArray[np.float32]) -> Iterator[NDArray[np.float32]]:
    """The blocks of a clip, (blocks, BLOCK), some at a time; the last one is filled with zeros."""
    n_whole = len(samples) // BLOCK * BLOCK
    for start in range(0, n_whole, _CHUNK * BLOCK):
        yield samples[start : min(n_whole, start + _CHUNK * BLOCK)].reshape(-1, BLOCK)
    if n_whole < len(samples):
        yield np.pad(samples[n_whole:], (0, n_whole + BLOCK - len(samples)))[None]


def _band_power(blocks: NDArray[np.float32]) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
    """The mean square of each block in each band, (blocks, bands), and whether a block is a tone, (blocks,)."""
    window = np.hanning(BLOCK).astype(np.float32)
    spectrum = np.fft.rfft(blocks * window)
    power = np.square(spectrum.real) + np.square(spectrum.imag)
    bins = [round(edge * BLOCK / SAMPLE_RATE_HZ) for edge in BAND_EDGES_HZ]
    bands: NDArray[np.float32] = np.add.reduceat(power[:, : bins[-1]], bins[:-1], axis=1)
    strongest = np.partition(power[:, bins[0] : bins[-1]], -TONE_BINS, axis=1)[:, -TONE_BINS:].sum(axis=1)
    is_tone: NDArray[np.bool_] = strongest > TONE_SHARE * bands.sum(axis=1)
    return bands * np.float32(2 / (BLOCK * np.square(window).sum())), is_tone


def _moving_mean(values: NDArray[np.float32], n: int) -> NDArray[np.float32]:
    """The mean of `n` rows, an odd number, around each row."""
    means: NDArray[np.float32] = _around(values, n).mean(axis=-1)
    return means


def _around(values: NDArray[np.float32], n: int) -> NDArray[np.float32]:
    """The `n` rows, an odd number, around each row, (rows, columns, n); the first and the last row are repeated."""
    return sliding_window_view(np.pad(values, ((n // 2, n // 2), (0, 0)), mode="edge"), n, axis=0)


def _edges(is_set: NDArray[np.bool_]) -> NDArray[np.intp]:
    """First and last block (excluded) of each stretch that is set, (stretches, 2)."""
    changes = np.flatnonzero(np.diff(np.concatenate([[False], is_set, [False]]).astype(np.int8)))
    return changes.reshape(-1, 2)
