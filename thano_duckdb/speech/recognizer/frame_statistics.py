"""Mean and variance of each 20 ms of a clip, from which everything that is known about its level follows.

They are computed block by block, so that there is never a second copy of a long recording in memory.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

FRAME = 320
"""Samples in a frame: 20 ms."""
BLOCK_FRAMES = 1 << 8
"""Frames per step: as many as stay in the processor's cache."""
SILENCE = 1e-12
"""Added to a variance before its logarithm is taken: -120 dB."""


@dataclass(frozen=True)
class FrameStatistics:
    """The statistics of the frames of a clip.

    Attributes:
        means: (n_frames,).
        variances: (n_frames,); an offset, or a rumble below 50 Hz, hardly counts.
        n_samples: of the clip; the last frame may be shorter than the others.
    """

    means: NDArray[np.float64]
    variances: NDArray[np.float64]
    n_samples: int

    @classmethod
    def of(cls, samples: NDArray[np.float32]) -> FrameStatistics:
        """The statistics of a clip, (n_samples,) with n_samples > 0."""
        n_whole = len(samples) // FRAME
        n_frames = -(-len(samples) // FRAME)
        means, variances = np.empty(n_frames), np.empty(n_frames)
        bounds = [*range(0, n_whole, BLOCK_FRAMES), n_whole]
        blocks = [samples[a * FRAME : b * FRAME].reshape(-1, FRAME) for a, b in pairwise(bounds)]
        if n_whole < n_frames:
            blocks.append(samples[None, n_whole * FRAME :])
        start = 0
        for frames in blocks:  # (frames, samples)
            stop = start + len(frames)
            mean = frames.mean(axis=1, keepdims=True)
            centred = frames - mean
            means[start:stop] = mean[:, 0]
            variances[start:stop] = np.einsum("ij,ij->i", centred, centred)
            variances[start:stop] /= frames.shape[1]
            start = stop
        return cls(means, variances, len(samples))

    @property
    def levels_db(self) -> NDArray[np.float64]:
        """The level of each frame in dB of full scale, (n_frames,)."""
        return 10 * np.log10(self.variances + SILENCE)

    def mean_and_variance(self, n_muted: int = 0) -> tuple[float, float]:
        """Those of the clip.

        Args:
            n_muted: samples close to zero that do not count as part of the clip.
        """
        weights = np.full(len(self.means), FRAME)
        weights[-1] -= len(weights) * FRAME - self.n_samples
        n_counted = self.n_samples - n_muted
        mean = float(np.dot(weights, self.means)) / n_counted
        return mean, float(np.dot(weights, self.variances + np.square(self.means - mean))) / n_counted
