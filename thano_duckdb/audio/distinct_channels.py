"""Which channels of a clip hold a signal of their own: two channels that hold the same one count as one."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from .failure import AudioFailure, UnreadableAudioError
from .limits import DEFAULT_LIMITS, ReadLimits
from .opened import Block
from .parts import selected_blocks, selected_n_frames
from .readers import open_sound
from .source import Clip

_MAX_DIFFERENCE = 0.01
"""Of the energy of a channel, 20 dB below it: codecs make less than this of two equal signals (Vorbis: 24 dB below)."""
_LOUD = 0.01
"""Mean square of loud speech (20 dB below full scale): what is not read yet is taken to be no louder."""
_INT16_SCALE = 1 / 32768


def distinct_channels(clip: Clip, *, limits: ReadLimits = DEFAULT_LIMITS) -> list[int] | AudioFailure:
    """The channels of a clip, counted from 0, without those that hold the same signal as an earlier one.

    The same signal may be louder or quieter, and have the other sign. Reading ends where all channels must differ,
    whatever follows: after a few percent of a call. Where two do not differ the whole clip is decoded.

    Returns:
        The channels, at least the first; or the reason why the clip cannot be read. Never raises for bad audio.
        Thread-safe.
    """
    try:
        with open_sound(clip, limits, in_parts=clip.is_part) as sound:
            n_frames = selected_n_frames(sound, clip)
            limits.check_duration(n_frames or 0, sound.rate_hz, by_header=True)
            if sound.n_channels == 1:
                return [0]
            products = np.zeros((sound.n_channels, sound.n_channels))  # of the samples of each two channels, summed
            n_read = 0
            for block in selected_blocks(sound, clip, limits):
                products += _products(block)
                n_read += len(block)
                if n_frames is not None and _all_differ(products, n_frames - n_read):
                    break
    except UnreadableAudioError as error:
        return error.failure
    same = _differences(products) <= _MAX_DIFFERENCE * np.diag(products)
    return [channel for channel in range(len(products)) if not same[:channel, channel].any()]


def _products(block: Block) -> NDArray[np.float64]:
    """The inner products of the channels of a block (frames, channels); full scale is 1.0.

    Raises:
        UnreadableAudioError: a sample is NaN or infinite.
    """
    samples = block.astype(np.float64)
    if block.dtype == np.int16:
        samples *= _INT16_SCALE
    with np.errstate(over="ignore", invalid="ignore"):
        products: NDArray[np.float64] = samples.T @ samples
    if not np.isfinite(products).all():
        raise UnreadableAudioError("It holds samples that are not numbers (NaN or infinite); the file is damaged.")
    return products


def _differences(products: NDArray[np.float64]) -> NDArray[np.float64]:
    """What is left of channel j (column) where the best multiple of channel i (row) is taken from it, as energy.

    It never falls when more samples come. A silent channel is the same as another silent one alone.
    """
    energies = np.diag(products)
    is_silent = energies == 0
    with np.errstate(divide="ignore", invalid="ignore"):
        differences = energies - products**2 / energies[:, None]
    differences[is_silent] = energies
    differences[:, is_silent] = np.where(is_silent, 0.0, np.inf)[:, None]
    return differences


def _all_differ(products: NDArray[np.float64], n_left: int) -> bool:
    """Whether no two channels can be the same any more, even if all that is left is loud and the same."""
    most = np.diag(products) + n_left * _LOUD
    earlier, later = np.triu_indices(len(products), 1)
    return bool((_differences(products)[earlier, later] > _MAX_DIFFERENCE * most[later]).all())
