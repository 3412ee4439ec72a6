"""Speed perturbation (Ko et al. 2015): a clip is heard slower or faster, its pitch with it."""

from __future__ import annotations

import numpy as np
import soxr
from numpy.typing import NDArray

SPEEDS = (0.9, 1.0, 1.1)
_STEPS_A_SECOND = 16_000


def choose_speed(seed: int, epoch: int, clip: int) -> float:
    """The speed at which a clip is heard in an epoch: the same whenever and wherever it is asked."""
    return SPEEDS[np.random.default_rng([seed, epoch, clip]).integers(len(SPEEDS))]


def n_samples_at(n_samples: int, speed: float) -> int:
    """About how many samples `change_speed` gives, one more or less."""
    return int(n_samples / speed)


def change_speed(samples: NDArray[np.float32], speed: float) -> NDArray[np.float32]:
    """The clip played at `speed` times its speed.

    Args:
        samples: (n_samples,) mono.
        speed: above 1 is faster, shorter and higher.
    """
    if speed == 1.0:
        return samples
    faster: NDArray[np.float32] = soxr.resample(samples, _STEPS_A_SECOND * speed, _STEPS_A_SECOND, quality="MQ")
    return faster
