"""What of a waveform goes into the model: standardised samples, and the moments that its first normalisation needs.

All of it is a matter of the whole clip, taken once, in numpy on the decode threads, in float64 and in blocks, so that
an hour of audio needs no second hour of memory. Windows of a long clip share the numbers of the clip.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

VARIANCE_FLOOR = 1e-7
"""As in Hugging Face's `Wav2Vec2FeatureExtractor.zero_mean_unit_var_norm`."""
BLOCK = 1 << 13
"""Samples at a time: few enough for the cache, and for BLAS to start no threads besides those that decode."""


@dataclass(frozen=True)
class FirstConvolution:
    """Kernel and stride, in samples, of the convolution that reads the waveform."""

    kernel: int
    stride: int


@dataclass(frozen=True)
class Moments:
    """Mean and covariance over a clip of what the first convolution sees at each of its frames.

    The convolution is linear, so the mean and variance of each of its channels follow from these before any
    activation exists: `W mean + bias` and `diag(W covariance W^T)`.
    """

    mean: NDArray[np.float64]  # (kernel,)
    covariance: NDArray[np.float64]  # (kernel, kernel)


@dataclass(frozen=True)
class Features:
    """The input of the model for one clip, or for one window of it."""

    samples: NDArray[np.float32]  # (n_samples,)
    moments: Moments | None  # of the whole clip; None where the model has no need of them


def features(samples: NDArray[np.float32], *, normalize: bool, convolution: FirstConvolution | None) -> Features:
    """The features of a clip.

    Args:
        samples: mono at the model's rate.
        normalize: bring the clip to zero mean and unit variance (`do_normalize` of the checkpoint).
        convolution: the first convolution, where its channels are normalised over the clip; None elsewhere.
    """
    if normalize:
        samples = standardize(samples)
    return Features(samples, moments(samples, convolution) if convolution else None)


def standardize(samples: NDArray[np.float32]) -> NDArray[np.float32]:
    """Zero mean and unit variance, as Hugging Face's feature extractor does it for a clip without padding."""
    mean = float(samples.mean(dtype=np.float64))
    energy = 0.0
    for start in range(0, samples.size, BLOCK):
        block = samples[start : start + BLOCK].astype(np.float64)
        block -= mean
        energy += float(block @ block)
    centred = samples - np.float32(mean)
    centred /= np.float32(math.sqrt(energy / samples.size + VARIANCE_FLOOR))
    return centred


def moments(samples: NDArray[np.float32], convolution: FirstConvolution) -> Moments:
    """The moments of a clip of at least one kernel."""
    frames = sliding_window_view(samples, convolution.kernel)[:: convolution.stride].T  # (kernel, frames)
    n_frames = frames.shape[1]
    centre = float(samples.mean(dtype=np.float64))  # near every mean, so that nothing cancels below
    n_block = max(1, BLOCK // convolution.stride)  # frames
    block = np.ones((convolution.kernel + 1, min(n_block, n_frames)))  # its last row of ones gives the sums
    products = np.zeros((convolution.kernel, convolution.kernel + 1))
    for start in range(0, n_frames, n_block):
        taps = block[:, : n_frames - start]
        centred = taps[:-1]
        centred[...] = frames[:, start : start + n_block]
        centred -= centre
        products += centred @ taps.T
    products /= n_frames
    mean = products[:, -1]
    return Moments(centre + mean, products[:, :-1] - np.outer(mean, mean))
