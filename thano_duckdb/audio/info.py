"""Facts about an audio file from its header: length, rate, channels, format."""

from __future__ import annotations

from dataclasses import dataclass

from .failure import AudioFailure, UnreadableAudioError
from .limits import DEFAULT_LIMITS, ReadLimits
from .parts import selected_blocks, selected_channels, selected_n_frames
from .readers import open_sound
from .source import Clip


@dataclass(frozen=True)
class AudioInfo:
    """Facts about an audio file.

    Attributes:
        duration_s: its length.
        sample_rate_hz: its sample rate.
        channels: number of channels.
        frames: samples of each channel.
        format: the container, such as `WAV`, `FLAC`, `OGG`, `MP3`, `NIST`.
        subtype: the coding of the samples, such as `PCM_16`, `VORBIS`, `OPUS`.
    """

    duration_s: float
    sample_rate_hz: int
    channels: int
    frames: int
    format: str
    subtype: str


def probe(clip: Clip, *, limits: ReadLimits = DEFAULT_LIMITS) -> AudioInfo | AudioFailure:
    """Read the header of a clip. The length of a part is that of the part.

    Of a URL only what is read is fetched, unless a server sends only whole files, or the database opens the URL.

    Only where the header does not know the length (an MP3 without a Xing header, a FLAC or NIST stream) is the file
    decoded, to count its samples; `limits.max_duration_s` holds only there. Damage after the
    header is found by `decode` alone.

    Returns:
        What the header says, or the reason why it cannot be read. Never raises for bad audio. Thread-safe.
    """
    try:
        with open_sound(clip, limits, in_parts=True) as sound:
            selected_channels(sound, clip)  # raises where there is no such channel
            n_frames = selected_n_frames(sound, clip)
            if n_frames is None:
                n_frames = sum(map(len, selected_blocks(sound, clip, limits)))
            if not n_frames:
                raise UnreadableAudioError("It holds no audio (0 samples).")
            return AudioInfo(
                duration_s=n_frames / sound.rate_hz,
                sample_rate_hz=sound.rate_hz,
                channels=sound.n_channels,
                frames=n_frames,
                format=sound.format,
                subtype=sound.subtype,
            )
    except UnreadableAudioError as error:
        return error.failure
