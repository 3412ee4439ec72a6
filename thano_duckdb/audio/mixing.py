"""Mix the channels of a clip to mono, and notice where that is wrong.

The mean of all channels is right for one scene recorded by several microphones, and for one signal on two channels. It
is wrong where each channel has a voice of its own, as on both ends of a telephone call, and where one channel is the
other with its sign changed: then nothing is left. A few energies, summed up while the channels are added, tell these
apart: see `Mixer.problem`.
"""

from __future__ import annotations

import itertools

import numpy as np
from numpy.typing import NDArray

from .failure import UnreadableAudioError
from .mixed_clips import MixProblem
from .opened import Block

WINDOW_S = 0.1
"""About half a syllable."""
_MEASURED = 4
"""One in this many frames of a window is measured, which is enough and costs less than reading the samples."""

# Measured: the correlation of loudness is 0.36 or more in 357 stereo files of music and effects, 0.17 or more in rooms
# with two talkers (up to 9 dB louder on one side), and below 0.1 in calls of speakers of an4 and LibriSpeech: with
# turns, with line noise up to -35 dB, with -15 dB of each voice on the other line, and where both talk all the time.
_SAME_SCENE = 0.1
_AUDIBLE = 0.05  # windows count that have this share of the mean energy of one of the channels
_FLOOR = 0.01  # likewise: what is below is equally silent
_MIN_WINDOWS = 10
# Noise of a line has no loud windows, speech has 0.5 of its energy there.
_LOUD = 2.0  # times the mean energy
_LOUD_SHARE = 0.2
_COMPARED = 8
"""The loudest channels, where a clip has more."""
# The mix of music has 0.8 of the energy of its channels or more, and that of talkers in a room 0.6.
_CANCELLED_SHARE = 0.1
_ABOUT_AS_LOUD = 0.8

_INT16_SCALE = 1 / 32768


class Mixer:
    """Mixes the channels of one clip, block by block."""

    def __init__(self, rate_hz: int, n_channels: int) -> None:
        """For a clip of `n_channels` at `rate_hz`."""
        self._n_channels = n_channels
        self._window = max(1, round(WINDOW_S * rate_hz))
        self._energies: list[NDArray[np.float32]] = []  # each (n_channels + 1, windows): the last is that of the mix
        self._lengths: list[int] = []  # frames of each window, by element of `_energies`
        self._scaled = np.empty((0, n_channels), np.float32)  # used again for each block

    def mix(self, block: Block, out: NDArray[np.float32]) -> NDArray[np.float32]:
        """The mean of the channels of `block` (frames, channels), written to `out` (frames,); full scale is 1.0.

        Raises:
            UnreadableAudioError: a sample is NaN or infinite.
        """
        is_integer = block.dtype == np.int16
        scale = np.float32((_INT16_SCALE if is_integer else 1.0) / self._n_channels)
        with np.errstate(over="ignore", invalid="ignore"):
            if self._n_channels == 1:
                np.multiply(block[:, 0], scale, out=out)
            else:
                if len(self._scaled) < len(block):
                    self._scaled = np.empty(block.shape, np.float32)
                scaled = np.multiply(block, scale, out=self._scaled[: len(block)])
                np.add(scaled[:, 0], scaled[:, 1], out=out)
                for channel in range(2, self._n_channels):
                    out += scaled[:, channel]
                self._measure(scaled, out)
        if not is_integer and not np.isfinite(out).all():
            raise UnreadableAudioError("It holds samples that are not numbers (NaN or infinite); the file is damaged.")
        return out

    def _measure(self, scaled: NDArray[np.float32], mono: NDArray[np.float32]) -> None:
        """Keep the energies of the windows of a block: (frames, channels) and its mix (frames,)."""
        if not len(mono):
            return
        n_windows = max(1, len(mono) // self._window)
        length = len(mono) // n_windows
        whole, measured = n_windows * length, slice(0, -(-length // _MEASURED))
        energies = np.empty((self._n_channels + 1, n_windows), np.float32)
        windows = scaled[:whole].reshape(n_windows, length, self._n_channels)[:, measured]
        for channel in range(self._n_channels):
            np.vecdot(windows[:, :, channel], windows[:, :, channel], out=energies[channel])
        mixed = mono[:whole].reshape(n_windows, length)[:, measured]
        np.vecdot(mixed, mixed, out=energies[-1])
        self._energies.append(energies)
        self._lengths.append(length)

    def problem(self) -> MixProblem | None:
        """Why the clip that was mixed should not have been; None where it is fine, and for one channel."""
        if not self._energies:
            return None
        with np.errstate(over="ignore", invalid="ignore"):
            *channels, mix = self._joined()
            if mix.sum() < _CANCELLED_SHARE * sum(channel.sum() for channel in channels):
                return MixProblem.CANCELLED
            loudest = sorted(channels, key=np.sum)[-_COMPARED:]
            return MixProblem.VOICES if _have_voices_of_their_own(np.stack(loudest)) else None

    def loudest(self) -> int:
        """The first channel, counted from 0, or another one where that is louder by more than 1 dB."""
        if not self._energies:
            return 0
        totals = self._joined()[:-1].sum(axis=1)
        return int(np.flatnonzero(totals >= _ABOUT_AS_LOUD * totals.max(initial=0))[0])

    def _joined(self) -> NDArray[np.float64]:
        """The energies of the whole clip, (n_channels + 1, windows); readers give blocks that are shorter, too."""
        energies = np.concatenate(self._energies, axis=1, dtype=np.float64)
        lengths = np.repeat(self._lengths, [part.shape[1] for part in self._energies])
        window = (np.cumsum(lengths) - lengths) // self._window
        return np.add.reduceat(energies, np.flatnonzero(np.diff(window, prepend=-1)), axis=1)


def _have_voices_of_their_own(channels: NDArray[np.float64]) -> bool:
    """Whether there are two channels of which one is loud while the other is not, from energies (n_channels, windows).

    Each is compared by its own level, so that one may be much louder. Noise is not loud at any time.
    """
    n_windows = channels.shape[1]
    totals = channels.sum(axis=1, keepdims=True)
    relative = channels[totals[:, 0] > 0] / totals[totals > 0][:, None] * n_windows  # the mean of each is 1
    speaks = np.where(relative > _LOUD, relative, 0).sum(axis=1) > _LOUD_SHARE * n_windows
    voices = relative[speaks]
    return any(_differ(first, second) for first, second in itertools.combinations(voices, 2))


def _differ(first: NDArray[np.float64], second: NDArray[np.float64]) -> bool:
    """Whether the loudness of two channels goes its own way, from their relative energies (windows,)."""
    audible = np.maximum(first, second) > _AUDIBLE
    if np.count_nonzero(audible) < _MIN_WINDOWS:
        return False
    loudness = np.log(np.stack([first[audible], second[audible]]) + _FLOOR)
    with np.errstate(divide="ignore"):
        return bool(np.corrcoef(loudness)[0, 1] < _SAME_SCENE)
