"""Finds the passages of a recording that were spoken at different levels.

The input is the level of each frame of speech (`level` says which frames those are), the output where one passage ends
and the next begins. Ordinary speech is a single passage: its level falls by up to 10 dB towards the end of a sentence,
and changes much faster between sounds, but the mean over `STEP_FRAMES` never differs by `MIN_STEP_DB` from that over
the next ones.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

Decibels = NDArray[np.float64]

STEP_FRAMES = 20
"""Frames of speech on either side of a step that are compared."""
MIN_STEP_DB = 13.0
"""The smallest difference between two passages."""
MIN_EVIDENCE = 45.0
"""Of a step, in dB times the square root of frames: near the ends of a clip there are few frames to compare."""
MIN_PASSAGE_FRAMES = (15, 50)
"""Shorter passages are none, but a noise. One that is quieter than a neighbour may be breath, and needs to be longer:
as long as the second number, or a third of the frames of speech of a short clip."""
MAX_DRIFT_FRAMES = 500
"""A level that changes slowly is found by comparing pieces of this many frames of speech."""
LOUD_DB = 15.0
"""What is so much louder than the speech around it is none."""


@dataclass(frozen=True)
class Passage:
    """Frames of speech of the same level.

    Attributes:
        first: the first of them, counted over the frames of speech of the clip.
        n_frames: how many there are.
        power: their mean power.
    """

    first: int
    n_frames: int
    power: float

    @classmethod
    def between(cls, levels_db: Decibels, first: int, last: int, power: float | None = None) -> Passage:
        """The passage from one frame of speech to that before another one.

        Args:
            levels_db: of the frames of speech of the clip.
            first: the first frame of speech.
            last: the frame of speech after the last one.
            power: roughly that of the passage, if it is known. What is far louder does not count.
        """
        powers = np.sort(10 ** (levels_db[first:last] / 10))
        if power is None:
            power = powers[(9 * len(powers)) // 10]
        counted = powers[: powers.searchsorted(power * 10 ** (LOUD_DB / 10), "right")]
        return cls(first, last - first, float(counted.mean()))

    @property
    def level_db(self) -> float:
        """Its level in dB of full scale."""
        return float(10 * np.log10(self.power))

    def difference_db(self, other: Passage) -> float:
        """By how much the levels of two passages differ."""
        return abs(self.level_db - other.level_db)


def find_passages(levels_db: Decibels) -> list[Passage]:
    """The passages of a clip in order, from the levels of its frames of speech, (n,) with n > 0."""
    n_frames = len(levels_db)
    steps = _steps(levels_db)
    if not steps.size and n_frames <= MAX_DRIFT_FRAMES:
        return [Passage.between(levels_db, 0, n_frames)]
    bounds = sorted({0, n_frames, *steps.tolist(), *range(0, n_frames, MAX_DRIFT_FRAMES)})
    passages = _without_short(_joined([Passage.between(levels_db, *ends) for ends in pairwise(bounds)]))
    if len(passages) == 1:
        return [Passage.between(levels_db, 0, n_frames)]
    bounds = [0, *(_sharp_bound(levels_db, *both) for both in pairwise(passages)), n_frames]
    return [
        Passage.between(levels_db, *ends, passage.power)
        for ends, passage in zip(pairwise(bounds), passages, strict=True)
    ]


def around(values: Decibels, n: int, of: Callable[..., Decibels]) -> Decibels:
    """`of` the values up to `n` before and after each value."""
    padded = np.concatenate([np.full(n, values[0]), values, np.full(n, values[-1])])  # `np.pad` takes longer
    return of(sliding_window_view(padded, 2 * n + 1), axis=1)


def _steps(levels_db: Decibels) -> NDArray[np.int64]:
    """The frames from which on the mean level differs from that before: those where it differs most."""
    at = np.arange(1, len(levels_db))
    sums = np.concatenate([[0], np.cumsum(levels_db)])
    before, after = np.maximum(at - STEP_FRAMES, 0), np.minimum(at + STEP_FRAMES, len(levels_db))
    n_before, n_after = at - before, after - at
    step_db = np.abs((sums[after] - sums[at]) / n_after - (sums[at] - sums[before]) / n_before)
    if not (step_db > MIN_STEP_DB).any():
        return at[:0]
    evidence = np.where(step_db > MIN_STEP_DB, step_db * np.sqrt(n_before * n_after / (n_before + n_after)), 0)
    steps: NDArray[np.int64] = at[(evidence > MIN_EVIDENCE) & (evidence == around(evidence, STEP_FRAMES, np.max))]
    return steps


def _joined(passages: Sequence[Passage]) -> list[Passage]:
    """Neighbours of the same level as one."""
    joined: list[Passage] = []
    for passage in passages:
        joined.append(passage)
        while len(joined) > 1 and joined[-1].difference_db(joined[-2]) < MIN_STEP_DB:
            second, first = joined.pop(), joined.pop()
            n_frames = first.n_frames + second.n_frames
            power = (first.n_frames * first.power + second.n_frames * second.power) / n_frames
            joined.append(Passage(first.first, n_frames, power))
    return joined


def _without_short(passages: list[Passage]) -> list[Passage]:
    """Passages that are too short become part of the neighbour whose level is closer, the shortest first."""
    n_frames = sum(passage.n_frames for passage in passages)
    while short := [index for index in range(len(passages)) if _is_short(passages, index, n_frames)]:
        index = min(short, key=lambda index: passages[index].n_frames)
        passage = passages[index]
        closer = min(_neighbours(passages, index), key=passage.difference_db)
        both = Passage(min(closer.first, passage.first), closer.n_frames + passage.n_frames, closer.power)
        start = min(index, passages.index(closer))
        passages = _joined([*passages[:start], both, *passages[start + 2 :]])
    return passages


def _is_short(passages: Sequence[Passage], index: int, n_frames: int) -> bool:
    """Whether a passage of a clip of `n_frames` frames of speech is too short: quieter ones need to be longer."""
    passage, neighbours = passages[index], _neighbours(passages, index)
    fewest, most = MIN_PASSAGE_FRAMES
    is_quieter = any(passage.power < neighbour.power for neighbour in neighbours)
    n_needed = min(max(fewest, n_frames // 3), most) if is_quieter else fewest
    return bool(neighbours) and passage.n_frames < n_needed


def _neighbours(passages: Sequence[Passage], index: int) -> list[Passage]:
    return [*passages[max(0, index - 1) : index], *passages[index + 1 : index + 2]]


def _sharp_bound(levels_db: Decibels, before: Passage, after: Passage) -> int:
    """The first frame of the second of two passages: the most likely one, given their levels."""
    start = max(before.first + 1, after.first - 2 * STEP_FRAMES)
    stop = min(after.first + after.n_frames - 1, after.first + 2 * STEP_FRAMES)
    mean_before_db = levels_db[before.first : after.first].mean()
    mean_after_db = levels_db[after.first : after.first + after.n_frames].mean()
    above_db = levels_db[start:stop] - (mean_before_db + mean_after_db) / 2
    sums_db = np.cumsum(np.clip(above_db, -MIN_STEP_DB, MIN_STEP_DB))
    return start + 1 + int(sums_db.argmax() if mean_after_db < mean_before_db else sums_db.argmin())
