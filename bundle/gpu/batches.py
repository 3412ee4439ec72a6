"""Which clips are computed together, and how each is stretched and padded.

A batch has one of a few shapes: for each new shape the libraries of the GPU choose their algorithms, which takes longer
than the step itself.
"""

from __future__ import annotations

import random
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

RATE_HZ = 16_000
STRIDE, RECEPTIVE_FIELD = 480, 2_500
"""Of the small model's frames, in samples: see its conv_kernel and conv_stride."""
SPEED, SPEED_SHARE = (0.85, 1.18), 0.8
MAX_PADDING_S, PADDED_SHARE = 0.6, 0.3
GROWTH, FRAMES_MULTIPLE = 1.2, 8
"""Each shape is so much longer than the one before, and a multiple that suits the GPU."""


@dataclass(frozen=True)
class Draw:
    """One clip of a batch.

    Attributes:
        index: the clip.
        n_samples: of the clip in the batch.
        speed: how much faster than it is; higher, too.
        before: samples of silence before it; what is missing to `n_samples` follows it.
    """

    index: int
    n_samples: int
    speed: float = 1.0
    before: int = 0


def n_frames(n_samples: int) -> int:
    """How many frames the small model makes of a clip."""
    return max(0, (n_samples - RECEPTIVE_FIELD) // STRIDE + 1)


def shapes(max_frames: int) -> list[int]:
    """The lengths in frames that batches have."""
    found = [32]
    while found[-1] < max_frames:
        found.append(-(-int(found[-1] * GROWTH) // FRAMES_MULTIPLE) * FRAMES_MULTIPLE)
    return found


def draw(index: int, length: int) -> Draw:
    """A clip at a random tempo, with some silence around it."""
    speed = random.uniform(*SPEED) if random.random() < SPEED_SHARE else 1.0
    before, after = (
        round(random.uniform(0, MAX_PADDING_S) * RATE_HZ) if random.random() < PADDED_SHARE else 0 for _ in range(2)
    )
    return Draw(index, before + int(length / speed) + after, speed, before)


def endless_batches(
    indexes: Sequence[int], lengths: Sequence[int], shares: Sequence[float], budget_s: float
) -> Iterator[tuple[int, int, list[Draw]]]:
    """The number of the pass, the frames of the batch, and its clips, for ever.

    Args:
        indexes: the clips.
        lengths: of all clips, in samples.
        shares: the probability that a clip is part of a pass, for all clips.
        budget_s: seconds of a batch, with its padding.
    """
    lengths_in_frames = shapes(n_frames(int(max(lengths) / SPEED[0] + 2 * MAX_PADDING_S * RATE_HZ)) + 1)
    pools: dict[int, list[Draw]] = defaultdict(list)
    n_passes = 0
    while True:
        n_passes += 1
        used = [i for i in indexes if random.random() < shares[i]]
        random.shuffle(used)
        for i in used:
            drawn = draw(i, lengths[i])
            shape = next(length for length in lengths_in_frames if length >= n_frames(drawn.n_samples))
            pool = pools[shape]
            pool.append(drawn)
            if len(pool) >= max(1, int(budget_s * RATE_HZ / (shape * STRIDE))):
                yield n_passes, shape, pools.pop(shape)
