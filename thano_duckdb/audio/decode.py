"""Decode a clip to mono samples at the model's rate, block by block.

Of the decoded audio only the result is held in memory as a whole: three hours of 48 kHz stereo pass through a buffer of
a few hundred kilobytes. (The encoded clip is a file, or in memory where it is a BLOB or a small download.)
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np
import soxr
from numpy.typing import NDArray

from .failure import AudioFailure, UnreadableAudioError
from .limits import DEFAULT_LIMITS, ReadLimits
from .mixed_clips import MixProblem
from .mixing import Mixer
from .opened import OpenSound
from .parts import selected_blocks, selected_n_frames
from .readers import open_sound
from .source import Clip

__all__ = ["AudioFailure", "Waveform", "decode"]

# A header may lie about the length, and a few kilobytes may hold hours of silence: for each byte of the file no more
# samples than these are held before it is certain that the whole clip is within its limits. Speech stays below 30.
_MAX_UNCOUNTED_PER_BYTE = 64


@dataclass(frozen=True)
class Waveform:
    """A decoded clip.

    Attributes:
        samples: (n_samples,) float32, mono, at the requested rate; full scale is 1.0.
        duration_s: length of the clip at its own rate.
        mix_problem: why its channels should not have been mixed; None where they were not, or where that is fine.
    """

    samples: NDArray[np.float32]
    duration_s: float
    mix_problem: MixProblem | None = None


def decode(clip: Clip, *, sample_rate_hz: int = 16_000, limits: ReadLimits = DEFAULT_LIMITS) -> Waveform | AudioFailure:
    """Read a clip in any format and rate, mix its channels to their mean, and resample it with soxr (its HQ quality).

    If the clip names a channel or a part, the samples are that channel's, or that part's. A file that ends before its
    header says so is a failure, and so is one with damaged data: half a transcript would look like a whole one. Where
    the header was written by a program that could not know the length (a stream, a pipe), everything is read, up to
    `limits`.

    Channels that cancel each other leave no mix to speak of: the samples are those of the loudest one instead, which
    has what the others have with its sign changed.

    Returns:
        The samples, or the reason why there are none. Never raises for bad audio. Thread-safe.
    """
    try:
        waveform, loudest = _read(clip, sample_rate_hz, limits)
        if waveform.mix_problem is not MixProblem.CANCELLED:
            return waveform
        del waveform  # it may take as much memory as the next one
        waveform, _ = _read(replace(clip, channel=loudest), sample_rate_hz, limits)
        return replace(waveform, mix_problem=MixProblem.CANCELLED)
    except UnreadableAudioError as error:
        return error.failure


def _read(clip: Clip, sample_rate_hz: int, limits: ReadLimits) -> tuple[Waveform, int]:
    """The samples of a clip, and the loudest of its channels, where these cancel each other.

    Raises:
        UnreadableAudioError: with the reason.
    """
    with open_sound(clip, limits, in_parts=clip.is_part) as sound:
        found = _waveform(sound, clip, sample_rate_hz, limits)
    if found is None:
        with open_sound(clip, limits, in_parts=clip.is_part) as sound:
            found = _waveform(sound, clip, sample_rate_hz, limits, is_counted=True)
        assert found is not None
    return found


def _waveform(
    sound: OpenSound, clip: Clip, sample_rate_hz: int, limits: ReadLimits, *, is_counted: bool = False
) -> tuple[Waveform, int] | None:
    """As `_read`; None for a clip of unknown length that turned out to be long and within its limits: read it again.

    Args:
        sound: the clip, open.
        clip: names its channel and part.
        sample_rate_hz: of the result.
        limits: on reading it.
        is_counted: it was read to its end before, so that a long clip of unknown length is known to be allowed.

    Raises:
        UnreadableAudioError: with the reason.
    """
    rate_hz = sound.rate_hz
    max_uncounted = _MAX_UNCOUNTED_PER_BYTE * sound.n_bytes
    n_frames = selected_n_frames(sound, clip) or 0
    limits.check_duration(n_frames, rate_hz, by_header=True)  # before anything is reserved
    # Growing at the very end would take half as much memory again: m4a holds some samples more than its header says.
    n_expected = math.ceil(n_frames * sample_rate_hz / rate_hz) + sample_rate_hz // 10
    samples = _GrowingSamples(min(n_expected, max_uncounted))
    resampler = None if rate_hz == sample_rate_hz else soxr.ResampleStream(rate_hz, sample_rate_hz, 1, "float32", "HQ")
    mixer = Mixer(rate_hz, sound.n_channels if clip.channel is None else 1)
    n_frames = 0
    blocks = selected_blocks(sound, clip, limits)
    for block in blocks:
        n_frames += len(block)
        if sound.n_frames is None and not is_counted and n_frames * sample_rate_hz > max_uncounted * rate_hz:
            for _ in blocks:  # raises where it is too long or damaged
                pass
            return None
        if resampler is None:
            mixer.mix(block, out=samples.extend(len(block)))
        else:
            mono = mixer.mix(block, out=np.empty(len(block), np.float32))
            samples.append(resampler.resample_chunk(mono))
    if resampler is not None:
        samples.append(resampler.resample_chunk(np.empty(0, np.float32), last=True))
    whole = samples.finish()
    if not len(whole):
        raise UnreadableAudioError(f"It holds no audio ({n_frames} samples).")
    problem = mixer.problem()
    return Waveform(whole, n_frames / rate_hz, problem), mixer.loudest() if problem is MixProblem.CANCELLED else 0


class _GrowingSamples:
    """A float32 array that grows in place: a list of blocks would need twice the memory to join them."""

    def __init__(self, n_reserved: int) -> None:
        self._samples = np.empty(n_reserved, np.float32)
        self._n = 0

    def extend(self, n_more: int) -> NDArray[np.float32]:
        """Add `n_more` samples at the end, which the caller fills before the next call."""
        end = self._n + n_more
        if end > len(self._samples):
            self._samples.resize(max(end, len(self._samples) * 3 // 2), refcheck=False)
        room = self._samples[self._n : end]
        self._n = end
        return room

    def append(self, more: NDArray[np.float32]) -> None:
        self.extend(len(more))[:] = more

    def finish(self) -> NDArray[np.float32]:
        """The samples, without the reserved memory that was not used."""
        self._samples.resize(self._n, refcheck=False)
        return self._samples
