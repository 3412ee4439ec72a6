"""What every reader of audio gives: an open clip, which knows its own header and yields its samples in blocks."""

from __future__ import annotations

import abc
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from thano_duckdb.errors import counted

from .failure import UnreadableAudioError

# Outside this range a header is broken, and at 1 Hz a file of 1 MB would become 30 GB at 16 kHz.
_MIN_RATE_HZ, _MAX_RATE_HZ = 1_000, 768_000

Block = NDArray[np.int16] | NDArray[np.float32]
"""Decoded samples, (frames, channels)."""


@dataclass(frozen=True, kw_only=True)
class OpenSound(abc.ABC):
    """An open clip, whichever library reads it. `readers.open_sound` gives one.

    Attributes:
        rate_hz: sample rate.
        n_channels: number of channels.
        n_frames: samples of each channel by the header; None where the header does not know or only guesses.
        format: the container, such as `WAV`, `FLAC`, `OGG`, `MP3`, `NIST`.
        subtype: the coding of the samples, such as `PCM_16`, `VORBIS`, `OPUS`.
        n_bytes: size of the encoded clip.
    """

    rate_hz: int
    n_channels: int
    n_frames: int | None
    format: str
    subtype: str
    n_bytes: int

    @abc.abstractmethod
    def blocks(self, start_frame: int = 0) -> Iterator[Block]:
        """The decoded samples from `start_frame` on; a block is valid until the next one is asked for.

        The samples are the same wherever the reading starts: a reader seeks only where this is certain, and otherwise
        decodes from the beginning. Reading to the end checks that all the audio that the header promises was there.

        Raises:
            UnreadableAudioError: the data are damaged, or end before the header says.
        """


def check_header(n_channels: int, rate_hz: int) -> None:
    """Refuse what no recording can have.

    Raises:
        UnreadableAudioError: there is no channel, or the rate is impossible.
    """
    if n_channels < 1 or not _MIN_RATE_HZ <= rate_hz <= _MAX_RATE_HZ:
        raise UnreadableAudioError(
            f"Its header is broken: {counted(n_channels, 'channel')} at {rate_hz} Hz "
            f"(rates from {_MIN_RATE_HZ} to {_MAX_RATE_HZ} Hz are read)."
        )
