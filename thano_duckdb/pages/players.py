"""A clip as a player inside a page: compressed audio as a data URI, and its waveform as an SVG path.

MP3 at 16 kHz, because every browser plays it: Ogg would be as small, but older versions of Safari do not play it.
Speech takes 25 kbit/s here, a tenth of WAV, and one core encodes it 160 times faster than it plays.
"""

from __future__ import annotations

import base64
import functools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

import numpy as np
import soxr
from numpy.typing import NDArray

from thano_duckdb.audio.failure import AudioFailure, UnreadableAudioError
from thano_duckdb.audio.limits import DEFAULT_LIMITS, ReadLimits
from thano_duckdb.audio.opened import OpenSound
from thano_duckdb.audio.parts import selected_blocks, selected_n_frames
from thano_duckdb.audio.readers import open_sound
from thano_duckdb.audio.sndfile import encode_for_browser
from thano_duckdb.audio.source import Clip
from thano_duckdb.functions.clips import AudioValue, RefusedClip, clip_of, selected
from thano_duckdb.speech.threads import CallThreads

MAX_CLIP_S = 60
"""Only the beginning of a longer clip is embedded, this much of it."""
MAX_PAGE_BYTES = 10_000_000
"""The largest total size of the data URIs of one page."""
RATE_HZ = 16_000

N_THREADS = 4  # reading and encoding run outside Python's lock

WAVE_COLUMNS, WAVE_HEIGHT = 200, 40
_QUIETEST_FULL_HEIGHT = 0.05  # of full scale: the noise of a silent clip is not drawn as if it were loud

NO_ROOM = AudioFailure(
    f"No player: those above already hold {MAX_PAGE_BYTES // 1_000_000} MB. Narrow the query to hear this clip."
)


@dataclass(frozen=True)
class Player:
    """A clip that can be played.

    Attributes:
        uri: the audio, or its beginning: mono, 16 kHz, as a `data:` URI.
        waveform_path: the `d` of an SVG path in a box of `WAVE_COLUMNS` by `WAVE_HEIGHT`: one vertical bar per column,
            from the lowest sample to the highest.
        embedded_s: length of what `uri` plays.
        duration_s: length of the source; None where its header does not know and only its beginning was read.
        sample_rate_hz: rate of the source.
        n_channels: number of channels of the source.
        format: the container and the coding of the source, such as `FLAC PCM_16`.
    """

    uri: str
    waveform_path: str
    embedded_s: float
    duration_s: float | None
    sample_rate_hz: int
    n_channels: int
    format: str

    @property
    def is_beginning(self) -> bool:
        """Whether the clip goes on after what is embedded."""
        return self.duration_s is None or self.duration_s - self.embedded_s > 1 / self.sample_rate_hz


def players(
    values: Sequence[AudioValue],
    *,
    may_read: Callable[[str], bool],
    max_bytes: int = MAX_PAGE_BYTES,
    limits: ReadLimits = DEFAULT_LIMITS,
    options: Mapping[str, Any] = MappingProxyType({}),
    channels: Sequence[int | None] | None = None,
) -> list[Player | AudioFailure | None]:
    """Players for the values of an audio column, in their order.

    Args:
        values: what `clips.clip_of` takes.
        may_read: tells whether a path or URL may be read.
        max_bytes: total size of the data URIs.
        limits: on reading one clip.
        options: of the statement: which part of each clip is played.
        channels: the channel of each value that is played, counted from 1; None for what `options` say.

    Returns:
        One for each value: a player, the reason why there is none (`NO_ROOM` from the first clip that goes over
        `max_bytes`), or None for None. Never raises for bad audio.
    """
    found: list[Player | AudioFailure | None] = []
    n_bytes = 0
    # Asked on this thread: DuckDB's connections belong to one at a time.
    clips = [clip_of(value, may_read) for value in values]
    played = [
        selected(clip, options).with_channel(channel) if isinstance(clip, Clip) else clip
        for clip, channel in zip(clips, channels or [None] * len(clips), strict=True)
    ]
    with CallThreads(N_THREADS, "thano-player") as threads:
        for made in threads.map(functools.partial(_player, limits), played):
            n_bytes += len(made.uri) if isinstance(made, Player) else 0
            if n_bytes > max_bytes:
                break
            found.append(made)
    return found + [None if value is None else NO_ROOM for value in values[len(found) :]]


def _player(limits: ReadLimits, clip: Clip | RefusedClip | None) -> Player | AudioFailure | None:
    if isinstance(clip, RefusedClip):
        return clip.failure
    return None if clip is None else player(clip, limits)


def player(clip: Clip, limits: ReadLimits = DEFAULT_LIMITS) -> Player | AudioFailure:
    """One clip as a player, or the reason why there is none. Of a long clip only the beginning is read."""
    try:
        with open_sound(clip, limits, in_parts=True) as sound:
            mono, is_whole = _beginning(sound, clip, limits)
            rate_hz, n_channels = sound.rate_hz, sound.n_channels
            n_frames = len(mono) if is_whole else selected_n_frames(sound, clip)
            name = f"{sound.format} {sound.subtype}"
    except UnreadableAudioError as error:
        return error.failure
    samples = soxr.resample(mono, rate_hz, RATE_HZ)
    if not len(samples):  # less than one sample at 16 kHz
        samples = mono[:1]
    duration_s = None if n_frames is None else n_frames / rate_hz
    return Player(
        _data_uri(samples), _waveform_path(samples), len(mono) / rate_hz, duration_s, rate_hz, n_channels, name
    )


def _beginning(sound: OpenSound, clip: Clip, limits: ReadLimits) -> tuple[NDArray[np.float32], bool]:
    """(n_samples,) mono at the source's rate, `MAX_CLIP_S` at most, and whether this is the whole clip.

    Raises:
        UnreadableAudioError: its beginning is damaged, it holds nothing, or samples that are not numbers.
    """
    n_wanted = MAX_CLIP_S * sound.rate_hz
    parts: list[NDArray[np.float32]] = []
    n_read = 0
    for block in selected_blocks(sound, clip, limits):
        scale = 32768 if block.dtype == np.int16 else 1
        with np.errstate(over="ignore", invalid="ignore"):
            parts.append(block.mean(axis=1, dtype=np.float32) / np.float32(scale))
        n_read += len(block)
        if n_read > n_wanted:
            break
    mono = np.concatenate(parts) if parts else np.empty(0, np.float32)
    if not len(mono):
        raise UnreadableAudioError("It holds no audio (0 samples).")
    if not np.isfinite(mono).all():
        raise UnreadableAudioError("It holds samples that are not numbers (NaN or infinite); the file is damaged.")
    return mono[:n_wanted], n_read <= n_wanted


def _data_uri(samples: NDArray[np.float32]) -> str:
    """(n_samples,) at 16 kHz as a file within an address."""
    content, mime_type = encode_for_browser(samples, RATE_HZ)
    return f"data:{mime_type};base64,{base64.b64encode(content).decode('ascii')}"


def _waveform_path(samples: NDArray[np.float32]) -> str:
    """Draw one vertical bar per column, from the lowest sample to the highest."""
    n_columns = min(WAVE_COLUMNS, len(samples))
    starts = np.arange(n_columns) * len(samples) // n_columns
    highest, lowest = np.maximum.reduceat(samples, starts), np.minimum.reduceat(samples, starts)
    full = max(float(np.abs(samples).max()), _QUIETEST_FULL_HEIGHT)
    half = WAVE_HEIGHT / 2
    tops = np.rint(half - half * highest / full).astype(int)
    heights = np.maximum(np.rint(half - half * lowest / full).astype(int) - tops, 1)
    xs = np.arange(n_columns) * WAVE_COLUMNS // n_columns
    return "".join(f"M{x} {top}v{height}" for x, top, height in zip(xs, tops, heights, strict=True))
