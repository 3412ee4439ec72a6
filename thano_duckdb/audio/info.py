"""What a clip is, without decoding it where its header is enough."""

from __future__ import annotations

from dataclasses import dataclass

from .failure import AudioFailure, UnreadableAudioError
from .sndfile import OpenSound, open_sound
from .source import Clip

__all__ = ["AudioFailure", "AudioInfo", "probe"]


@dataclass(frozen=True)
class AudioInfo:
    """What a clip is.

    Attributes:
        duration_s: length.
        sample_rate_hz: rate of the source.
        channels: number of channels.
        frames: samples of each channel.
        format: libsndfile's name of the container, such as `WAV`, `FLAC`, `OGG`, `MP3`, `NIST`.
        subtype: libsndfile's name of the coding, such as `PCM_16`, `VORBIS`, `OPUS`.
    """

    duration_s: float
    sample_rate_hz: int
    channels: int
    frames: int
    format: str
    subtype: str


def probe(source: Clip) -> AudioInfo | AudioFailure:
    """The header of a clip; a URL is fetched whole.

    Only where the header does not know the length (an MP3 without a Xing header, a FLAC or NIST stream) is the clip
    decoded to count it. Damage beyond the header is for `decode` to find.

    Returns:
        What the header says, or the reason why it cannot be read. Never raises for bad audio. Safe in threads.
    """
    try:
        with open_sound(source) as sound:
            frames = sound.n_frames if sound.n_frames is not None else _count(sound)
            if not frames:
                raise UnreadableAudioError("It holds no audio (0 samples).")
            file = sound.file
            return AudioInfo(
                frames / sound.rate_hz, sound.rate_hz, int(file.channels), frames, str(file.format), str(file.subtype)
            )
    except UnreadableAudioError as error:
        return error.failure


def _count(sound: OpenSound) -> int:
    return sum(len(block) for block in sound.blocks())
