"""The channel and the part of the audio that a clip names."""

from __future__ import annotations

import math
import sys
from collections.abc import Iterator
from dataclasses import dataclass

from thano_duckdb.errors import counted

from .failure import UnreadableAudioError
from .limits import ReadLimits
from .opened import Block, OpenSound
from .source import Clip

END_TOLERANCE_S = 0.1
"""A part may end this much after the audio: times of segments are often rounded, the length of an MP3 always is."""

_MAX_TIME_S = 1e9  # a longer time is not written with all its digits


def selected_blocks(sound: OpenSound, clip: Clip, limits: ReadLimits) -> Iterator[Block]:
    """The samples that `clip` names, (frames, channels): one channel if it names one, the frames of its part.

    A block is valid until the next one is asked for. What follows the part is not decoded, so damage there goes
    unnoticed.

    Raises:
        UnreadableAudioError: there is no such channel, the part lies outside the audio, or more than
            `limits` allow was read; else as `OpenSound.blocks`.
    """
    channels = selected_channels(sound, clip)
    part = _Part.of(clip, sound.rate_hz)
    if sound.n_frames is not None:
        part.check_inside(sound.n_frames)
    position = part.start
    for block in sound.blocks(part.start):
        n_wanted = len(block) if part.stop is None else min(len(block), part.stop - position)
        yield block[:n_wanted, channels]
        position += n_wanted
        limits.check_duration(position - part.start, sound.rate_hz)
        if position == part.stop:
            return
    if position == part.start > 0:  # its length was unknown, and still is
        raise part.outside("the audio, which ends before it")
    part.check_inside(position)


def selected_n_frames(sound: OpenSound, clip: Clip) -> int | None:
    """How many frames `selected_blocks` gives, None where only decoding can tell.

    Raises:
        UnreadableAudioError: the part lies outside the audio.
    """
    if sound.n_frames is None:
        return None
    part = _Part.of(clip, sound.rate_hz)
    part.check_inside(sound.n_frames)
    return min(sound.n_frames, part.stop if part.stop is not None else sound.n_frames) - part.start


def selected_channels(sound: OpenSound, clip: Clip) -> slice:
    """The columns of a block that `clip` names.

    Raises:
        UnreadableAudioError: there is no such channel.
    """
    if clip.channel is None:
        return slice(None)
    if not 0 <= clip.channel < sound.n_channels:
        raise UnreadableAudioError(
            f"It has no channel {clip.channel + 1}: it has {counted(sound.n_channels, 'channel')}, counted from 1."
        )
    return slice(clip.channel, clip.channel + 1)


def _frame(time_s: float, rate_hz: int) -> int:
    return round(min(time_s * rate_hz, sys.float_info.max))  # the product of two finite numbers may be infinite


@dataclass(frozen=True)
class _Part:
    """Frames of a sound: from `start` up to, but not including, `stop`; None for the end of the audio."""

    start: int
    stop: int | None
    rate_hz: int
    clamps_stop: bool

    @classmethod
    def of(cls, clip: Clip, rate_hz: int) -> _Part:
        start_s = 0.0 if clip.start_s is None else clip.start_s
        stop_s = math.inf if clip.stop_s is None else clip.stop_s
        if not 0 <= start_s < stop_s:  # NaN is refused, too
            raise UnreadableAudioError(
                f"The part from {start_s:g} to {stop_s:g} s is not possible: it must start at 0 s or later, and stop "
                f"after its start."
            )
        stop = None if stop_s == math.inf else _frame(stop_s, rate_hz)
        return cls(_frame(start_s, rate_hz), stop, rate_hz, clip.clamps_stop)

    def check_inside(self, n_frames: int) -> None:
        """Raise `UnreadableAudioError` unless audio of `n_frames` holds the part."""
        starts_outside = 0 < self.start >= n_frames  # an empty file has a reason of its own
        exceeds = self.stop is not None and self.stop - n_frames > END_TOLERANCE_S * self.rate_hz
        stops_outside = exceeds and not self.clamps_stop
        if starts_outside or stops_outside:
            raise self.outside(f"the audio, which lasts {n_frames / self.rate_hz:.2f} s")

    def outside(self, of_what: str) -> UnreadableAudioError:
        end = "on" if self.stop is None else f"to {self._time(self.stop)}"
        return UnreadableAudioError(f"The part from {self._time(self.start)} {end} lies outside {of_what}.")

    def _time(self, frame: int) -> str:
        time_s = frame / self.rate_hz
        return f"{time_s:.2f} s" if time_s < _MAX_TIME_S else f"{time_s:g} s"
