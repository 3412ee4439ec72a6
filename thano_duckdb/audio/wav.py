"""Samples as the content of a WAV file, so that decoded audio goes the same way as encoded audio does."""

from __future__ import annotations

import struct

import numpy as np
from numpy.typing import NDArray

_IEEE_FLOAT = 3
_SAMPLE_BYTES = 4
_HEADER_BYTES = 44
MAX_SAMPLES = (2**32 - 1 - _HEADER_BYTES) // _SAMPLE_BYTES
"""Over all channels: a WAV file counts its bytes with 32 bits."""


def float_wav(samples: NDArray[np.float32], rate_hz: int) -> bytes:
    """The WAV file of `samples`, bit by bit as they are.

    Args:
        samples: (frames, channels), at most `MAX_SAMPLES` in all; full scale is 1.0.
        rate_hz: their rate.

    >>> len(float_wav(np.zeros((10, 2), np.float32), 16_000))
    124
    """
    n_channels = samples.shape[1]
    n_bytes = samples.size * _SAMPLE_BYTES
    frame_bytes = n_channels * _SAMPLE_BYTES
    fmt = struct.pack(
        "<HHIIHH", _IEEE_FLOAT, n_channels, rate_hz, rate_hz * frame_bytes, frame_bytes, 8 * _SAMPLE_BYTES
    )
    head = struct.pack("<4sI4s4sI", b"RIFF", _HEADER_BYTES - 8 + n_bytes, b"WAVE", b"fmt ", len(fmt))
    return head + fmt + struct.pack("<4sI", b"data", n_bytes) + samples.astype("<f4", copy=False).tobytes()
