"""Turns a waveform into the input of the model: standardised samples, and the moments for the first normalisation.

Both depend on the whole clip, whose level is therefore made even first (see `level`). They are computed once, in numpy
on the decode threads, in float64 and block by block, so that the float64 copy of an hour of audio is never in memory.
All windows of a long clip share its statistics.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from thano_duckdb.speech.windows import FrameGrid

from .frame_statistics import FrameStatistics
from .level import Level, even_level

VARIANCE_FLOOR = 1e-7
"""As in Hugging Face's `Wav2Vec2FeatureExtractor.zero_mean_unit_var_norm`."""
BLOCK = 1 << 16
"""Samples per step: the fewer steps, the less often the decode threads wait for each other to get hold of Python."""
PRODUCT_FRAMES = 1 << 10
"""Frames per matrix product: so few that BLAS starts no threads beside our decode threads."""


@dataclass(frozen=True)
class FirstConvolution:
    """Kernel and stride, in samples, of the convolution that reads the waveform."""

    kernel: int
    stride: int

    @classmethod
    def of(cls, conv: Any) -> FirstConvolution:
        """Those of an `nn.Conv1d`."""
        return cls(conv.kernel_size[0], conv.stride[0])


@dataclass(frozen=True)
class Moments:
    """Mean and covariance, over a clip, of the samples in each frame of the first convolution.

    The convolution is linear, so the mean and variance of each of its channels follow from these before any
    activation is computed: `W mean + bias` and `diag(W covariance W^T)`.
    """

    mean: NDArray[np.float64]  # (kernel,)
    covariance: NDArray[np.float64]  # (kernel, kernel)


@dataclass(frozen=True)
class Features:
    """The input of the model for one clip, or for one window of it."""

    samples: NDArray[np.float32]  # (n_samples,)
    moments: Moments | None  # of the whole clip; None if the model does not need them

    @property
    def n_samples(self) -> int:
        """The length of the audio."""
        return len(self.samples)

    @property
    def n_bytes(self) -> int:
        """The memory that they take."""
        return self.samples.nbytes

    def cut(self, start: int, stop: int, _grid: FrameGrid) -> Features:
        """Those of a window, from one sample to another."""
        return Features(self.samples[start:stop], self.moments)


def features(
    samples: NDArray[np.float32], *, normalize: bool, convolution: FirstConvolution | None, level: Level = "robust"
) -> Features:
    """The features of a clip.

    Args:
        samples: mono, at the model's sample rate.
        normalize: whether to bring the clip to zero mean and unit variance (`do_normalize` of the checkpoint).
        convolution: the first convolution, if its channels are normalised over the clip; otherwise None.
        level: `robust` to make the level of the clip even first; `exact` for what Hugging Face computes.
    """
    statistics, n_muted = FrameStatistics.of(samples), 0
    even = even_level(samples, statistics) if level == "robust" else None
    if even is not None:
        samples, n_muted = even.samples, even.n_muted
        if normalize:
            standardize(samples, n_muted=n_muted, out=samples)
    elif normalize:
        samples = standardize(samples, statistics)
    return Features(samples, moments(samples, convolution, n_muted=n_muted) if convolution else None)


def standardize(
    samples: NDArray[np.float32],
    statistics: FrameStatistics | None = None,
    *,
    n_muted: int = 0,
    out: NDArray[np.float32] | None = None,
) -> NDArray[np.float32]:
    """Bring a clip to zero mean and unit variance, like Hugging Face's feature extractor does without padding.

    Args:
        samples: (n_samples,) of the clip.
        statistics: those of `samples`, if they are known.
        n_muted: samples close to zero that do not count.
        out: receives the result; a new array by default.
    """
    mean, variance = (statistics or FrameStatistics.of(samples)).mean_and_variance(n_muted)
    centered = np.subtract(samples, np.float32(mean), out=out)
    centered /= np.float32(math.sqrt(variance + VARIANCE_FLOOR))
    return centered


def moments(samples: NDArray[np.float32], convolution: FirstConvolution, *, n_muted: int = 0) -> Moments:
    """The moments of a clip that is at least as long as the kernel; `n_muted` as in `standardize`."""
    frames = sliding_window_view(samples, convolution.kernel)[:: convolution.stride]  # (frames, kernel)
    n_frames = len(frames)
    centre = float(samples.mean(dtype=np.float64))  # close to all the means, so that no precision is lost below
    n_step = max(1, BLOCK // convolution.stride // PRODUCT_FRAMES) * PRODUCT_FRAMES
    sums = np.zeros((convolution.kernel, convolution.kernel + 1))
    for start in range(0, n_frames, n_step):
        step = frames[start : start + n_step]
        n_whole = len(step) // PRODUCT_FRAMES * PRODUCT_FRAMES
        for part in (step[:n_whole].reshape(-1, PRODUCT_FRAMES, convolution.kernel), step[None, n_whole:]):
            sums += _sums_of_products(part, centre)
    sums /= n_frames * (1 - n_muted / samples.size)
    mean = sums[:, -1]
    return Moments(centre + mean, sums[:, :-1] - np.outer(mean, mean))


def _sums_of_products(frames: NDArray[np.float32], centre: float) -> NDArray[np.float64]:
    """The sums over all frames of the products of each two samples, and of each sample, after subtracting `centre`.

    Args:
        frames: (products, frames, kernel).
        centre: subtracted from each sample.

    Returns:
        (kernel, kernel + 1)
    """
    n_products, n_frames, kernel = frames.shape
    taps = np.ones((n_products, kernel + 1, n_frames))  # the last row of ones gives the sums
    np.subtract(frames.transpose(0, 2, 1), centre, out=taps[:, :-1], dtype=np.float64)
    sums: NDArray[np.float64] = np.matmul(taps[:, :-1], taps.transpose(0, 2, 1)).sum(axis=0)
    return sums
