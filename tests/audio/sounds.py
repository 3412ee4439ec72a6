"""Synthetic sounds, and their encodings by libsndfile."""

from __future__ import annotations

import dataclasses
import io
from pathlib import Path
from typing import Any

import numpy as np
import soundfile
from numpy.typing import NDArray

from thano_duckdb.audio.decode import AudioFailure, Waveform, decode
from thano_duckdb.audio.source import Clip

RATE_HZ = 16_000
BLOCK = 8192  # libsndfile's Vorbis encoder overflows its stack on long blocks


def hum(duration_s: float, rate_hz: int = RATE_HZ, channels: int = 1) -> NDArray[np.float32]:
    """A few tones below 3 kHz, different ones in each channel: (frames, channels)."""
    time_s = np.arange(round(duration_s * rate_hz)) / rate_hz
    tones = [
        sum(0.1 * np.sin(2 * np.pi * (150 + 700 * k + 60 * channel) * time_s + k) for k in range(4))
        for channel in range(channels)
    ]
    return np.stack(tones, axis=1).astype(np.float32)


def hiss(duration_s: float, rate_hz: int = RATE_HZ, channels: int = 1) -> NDArray[np.float32]:
    """Noise, which compresses badly: (frames, channels)."""
    shape = (round(duration_s * rate_hz), channels)
    return np.random.default_rng(0).normal(0, 0.1, shape).astype(np.float32)


def encode(
    samples: NDArray[np.float32],
    container: str,
    subtype: str | None = None,
    rate_hz: int = RATE_HZ,
    bitrate_mode: str | None = None,
) -> bytes:
    """The bytes of a sound file."""
    buffer = io.BytesIO()
    with soundfile.SoundFile(
        buffer,
        "w",
        rate_hz,
        samples.shape[1],
        subtype,
        format=container,
        compression_level=None if bitrate_mode is None else 0.5,
        bitrate_mode=bitrate_mode,
    ) as file:
        for start in range(0, len(samples), BLOCK):
            file.write(samples[start : start + BLOCK])
    return buffer.getvalue()


def clip_of(value: str | bytes | Path, **selected: Any) -> Clip:
    """The clip of a value, with the channel and the part that are `selected`."""
    return dataclasses.replace(Clip.of(str(value) if isinstance(value, Path) else value), **selected)


def waveform(value: str | bytes | Path, **selected: Any) -> Waveform:
    """What `decode` gives for a clip that can be read."""
    decoded = decode(clip_of(value, **selected))
    assert isinstance(decoded, Waveform), decoded
    assert decoded.samples.dtype == np.float32
    assert decoded.samples.ndim == 1
    return decoded


def reason(value: str | bytes | Path, **selected: Any) -> str:
    """Why a clip cannot be read."""
    failed = decode(clip_of(value, **selected))
    assert isinstance(failed, AudioFailure), failed
    return failed.reason
