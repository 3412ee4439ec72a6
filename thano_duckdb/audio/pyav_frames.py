"""The frames of ffmpeg as arrays of one rate and number of channels."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from .opened import Block

if TYPE_CHECKING:
    from av.audio.frame import AudioFrame
    from av.audio.resampler import AudioResampler


def uniform(frames: Iterable[AudioFrame], rate_hz: int, n_channels: int, layout: str) -> Iterator[AudioFrame]:
    """The frames, all of one rate, number of channels and type of samples: others are converted, as ffmpeg does.

    A broadcast changes from stereo to surround, and joined files may differ in everything.

    Args:
        frames: as the decoder gives them.
        rate_hz: the rate that the header says.
        n_channels: the channels that the header says.
        layout: their layout, as ffmpeg writes it.
    """
    from av.audio.resampler import AudioResampler

    kind = ""  # the type of the first samples
    resampler: AudioResampler | None = None
    resampled = None
    for frame in frames:
        kind = kind or frame.format.name
        found = (frame.format.name, frame.layout.name, frame.sample_rate)
        if resampler is not None and found != resampled:
            yield from resampler.resample(None)
            resampler = None
        if (frame.format.name, _n_channels(frame), frame.sample_rate) == (kind, n_channels, rate_hz):
            yield frame
            continue
        if resampler is None:
            resampler, resampled = AudioResampler(kind, layout, rate_hz), found
        yield from resampler.resample(frame)
    if resampler is not None:
        yield from resampler.resample(None)


def _n_channels(frame: AudioFrame) -> int:
    return frame.layout.nb_channels


def samples_of(frame: AudioFrame) -> Block:
    """The samples of a frame, (frames, channels); full scale of float32 is 1.0."""
    samples: NDArray[Any] = frame.to_ndarray()
    samples = samples.T if frame.format.is_planar else samples.reshape(-1, _n_channels(frame))
    if samples.dtype == np.int16:
        return samples
    if samples.dtype == np.uint8:
        return (samples.astype(np.float32) - 128) / np.float32(128)
    if samples.dtype == np.int32:
        return samples.astype(np.float32) * np.float32(2.0**-31)
    return samples.astype(np.float32, copy=False)
