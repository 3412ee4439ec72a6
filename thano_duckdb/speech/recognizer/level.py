"""Makes the level of a recording even, so that one loud second does not decide about the rest.

A model gets each clip at zero mean and unit variance. A beep at full scale, a loud first speaker or a moving offset
decides about both, and the quieter speech disappears. So before a clip is standardised,

- an offset that moves is removed;
- passages of speech whose levels differ by `MIN_STEP_DB` or more are brought to the same level;
- what is far louder than the speech around it is turned down: steady sound (a beep, a hold tone) to almost nothing,
  anything else (a click) to the level of the speech.

Ordinary speech has none of these: it comes back as it is, the very same array. The level is measured in frames of
20 ms, over those that sound like speech: well above the quietest frame around them, and not steady.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Literal

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

Level = Literal["robust", "exact"]
"""`exact`: clips are only standardised, exactly as Hugging Face's feature extractor does it."""

Samples = NDArray[np.float32]
Decibels = NDArray[np.float64]

FRAME = 320
"""Samples in a frame: 20 ms."""
BLOCK_FRAMES = 1 << 12
"""Frames per step, so that no second copy of a long recording is ever in memory."""
MIN_DB = -85.0
"""Below this level, in dB of full scale, there is no speech."""
ABOVE_FLOOR_DB = 15.0
"""A frame of speech is this much louder than the quietest frame within `FLOOR_FRAMES` of it."""
FLOOR_FRAMES = 15
STEADY_FRAMES = 13
STEADY_DB = 2.0
"""Sound is steady if its level stays within `STEADY_DB` for `STEADY_FRAMES`, longer than a vowel does."""
STEP_FRAMES = 20
"""Frames of speech on either side of a step that are compared."""
MIN_STEP_DB = 13.0
"""The smallest step between two passages: in ordinary speech the end of a sentence is up to 10 dB below its start."""
MIN_EVIDENCE = 45.0
"""Of a step: dB times the square root of frames; near the start and the end of a clip there are few frames."""
MIN_PASSAGE_FRAMES = 20
"""A passage has at least this many frames of speech, so that a breath is none."""
PASSAGE_FRAMES = 500
"""At least this often, in frames of speech, it is checked whether the level has drifted."""
MAX_BOOST_DB = 45.0
LOUD_DB = 15.0
LOUD_STEADY_DB = 8.0
"""What is so much louder than the speech around it is no speech; steady sound from `LOUD_STEADY_DB` on."""
STEADY_GAIN_DB = -30.0
"""Level of loud steady sound afterwards, relative to the speech."""
PAUSE_FRAMES = 5
"""In a pause between two passages the lower gain holds, except so close to the other passage."""
OFFSET_FRAMES = 10
MAX_OFFSET = 0.5
"""An offset is removed if it moves by more than this share of the level of the speech within a clip."""
OFFSET_MEDIAN_FRAMES = 25
CLICK_SAMPLES = 40


@dataclass(frozen=True)
class EvenClip:
    """A clip whose speech has the same level throughout.

    Attributes:
        samples: (n_samples,), an array of its own.
        n_muted: samples of loud steady sound that was turned down, so that they do not count as part of the clip.
    """

    samples: Samples
    n_muted: int


@dataclass(frozen=True)
class Passage:
    """Speech of the same level.

    Attributes:
        first: its first frame of speech, counted over the frames of speech of the clip.
        n_frames: its frames of speech.
        power: their mean power.
    """

    first: int
    n_frames: int
    power: float

    @property
    def level_db(self) -> float:
        """Its level in dB of full scale."""
        return float(_decibels(self.power))

    def joined(self, following: Passage) -> Passage:
        """The passage and the next one as one."""
        n_frames = self.n_frames + following.n_frames
        power = (self.n_frames * self.power + following.n_frames * following.power) / n_frames
        return Passage(self.first, n_frames, power)


def even_level(samples: Samples) -> EvenClip | None:
    """A clip whose speech has the same level throughout; None where it is so already, as in nearly all clips.

    Args:
        samples: (n_samples,) mono at 16 kHz.
    """
    means, levels_db = _frames(samples)
    steady = _steady(levels_db)
    speech = np.flatnonzero(_stands_out(levels_db) & ~steady)
    if not speech.size:
        return None
    passages = _passages(levels_db[speech])
    target_db = max(passages, key=lambda passage: passage.n_frames).level_db
    starts = _starts(passages, speech)
    around_db = np.repeat([passage.level_db for passage in passages], np.diff([*starts, len(levels_db)]))
    excess_db = levels_db - around_db
    loud_steady = np.flatnonzero(steady & (excess_db > LOUD_STEADY_DB))
    offset = _moving_offset(means, target_db)
    if len(passages) == 1 and offset is None and not loud_steady.size and excess_db.max() <= LOUD_DB:
        return None
    even = samples.copy() if offset is None else _without_offset(samples, offset)
    _bring_to(target_db, even, passages, starts)
    _turn_down(even, loud_steady, target_db)
    return EvenClip(even, FRAME * loud_steady.size)


def _frames(samples: Samples) -> tuple[NDArray[np.float64], Decibels]:
    """Mean and level of each frame, both (n_frames,); an offset or a rumble below 50 Hz hardly counts as level."""
    n_frames = -(-len(samples) // FRAME)
    means, powers = np.empty(n_frames), np.empty(n_frames)
    n_whole = len(samples) // FRAME
    for start in range(0, n_whole, BLOCK_FRAMES):
        stop = min(n_whole, start + BLOCK_FRAMES)
        frames = samples[start * FRAME : stop * FRAME].reshape(-1, FRAME)
        _describe(frames, means[start:stop], powers[start:stop])
    if n_whole < n_frames:
        _describe(samples[None, n_whole * FRAME :], means[n_whole:], powers[n_whole:])
    return means, _decibels(powers)


def _describe(frames: Samples, means: NDArray[np.float64], powers: NDArray[np.float64]) -> None:
    """Write the mean and the variance of each frame, (n, samples), into `means` and `powers`, both (n,)."""
    frames.mean(axis=1, out=means)
    centred = frames - means[:, None].astype(np.float32)
    powers[:] = np.einsum("ij,ij->i", centred, centred) / frames.shape[1]


def _decibels(power: NDArray[np.float64] | float) -> Decibels:
    return 10 * np.log10(np.add(power, 1e-12))


def _amplitude(level_db: float) -> float:
    return float(10 ** (level_db / 20))


def _around(values: Decibels, n: int, of: Callable[..., Decibels]) -> Decibels:
    """`of` the values up to `n` before and after each."""
    return of(sliding_window_view(np.pad(values, n, mode="edge"), 2 * n + 1), axis=1)


def _stands_out(levels_db: Decibels) -> NDArray[np.bool_]:
    """The frames that are much louder than the quietest around them, as syllables are."""
    return (levels_db > MIN_DB) & (levels_db > _around(levels_db, FLOOR_FRAMES, np.min) + ABOVE_FLOOR_DB)


def _steady(levels_db: Decibels) -> NDArray[np.bool_]:
    """The frames of steady sound: tones, hum, noise, silence."""
    steady = np.zeros(len(levels_db), bool)
    if len(levels_db) >= STEADY_FRAMES:
        runs = sliding_window_view(levels_db, STEADY_FRAMES)
        starts = np.flatnonzero(np.ptp(runs, axis=1) < STEADY_DB)
        for index in range(STEADY_FRAMES):
            steady[starts + index] = True
    return steady


def _passages(levels_db: Decibels) -> list[Passage]:
    """The passages of speech, from the levels of its frames, (n,) with n > 0."""
    n_frames = len(levels_db)
    bounds = np.unique(np.concatenate([[0, n_frames], _steps(levels_db), np.arange(0, n_frames, PASSAGE_FRAMES)]))
    passages = _joined_where_equal([_passage(levels_db, *ends) for ends in pairwise(bounds.tolist())])
    while len(passages) > 1:
        shortest = min(range(len(passages)), key=lambda index: passages[index].n_frames)
        if passages[shortest].n_frames >= MIN_PASSAGE_FRAMES:
            break
        neighbours = [index for index in (shortest - 1, shortest + 1) if 0 <= index < len(passages)]
        other = min(neighbours, key=lambda index: _difference_db(passages[index], passages[shortest]))
        first, second = sorted((shortest, other))
        longer = passages[other]
        merged = Passage(passages[first].first, longer.n_frames + passages[shortest].n_frames, longer.power)
        passages[first : second + 1] = [merged]
    passages = _joined_where_equal(passages)
    bounds = [0, *(_sharp_bound(levels_db, *both) for both in pairwise(passages)), n_frames]
    return [_passage(levels_db, *ends) for ends in pairwise(bounds)]


def _passage(levels_db: Decibels, first: int, last: int) -> Passage:
    power = 10 ** (levels_db[first:last] / 10)
    power = power[power <= np.quantile(power, 0.75) * 10 ** (LOUD_DB / 10)]  # without clicks
    return Passage(first, last - first, float(power.mean()))


def _sharp_bound(levels_db: Decibels, before: Passage, after: Passage) -> int:
    """The first frame of the second of two passages: the most likely one, given their levels."""
    start = max(before.first + 1, after.first - 2 * STEP_FRAMES)
    stop = min(after.first + after.n_frames - 1, after.first + 2 * STEP_FRAMES)
    middle_db = (levels_db[before.first : after.first].mean() + levels_db[after.first :][: after.n_frames].mean()) / 2
    above_db = np.cumsum(np.clip(levels_db[start:stop] - middle_db, -MIN_STEP_DB, MIN_STEP_DB))
    return start + 1 + int(above_db.argmax() if after.power < before.power else above_db.argmin())


def _steps(levels_db: Decibels) -> NDArray[np.int64]:
    """Where the mean level after a frame differs from that before it, at the places where it differs most."""
    sums = np.concatenate([[0], np.cumsum(levels_db)])
    at = np.arange(1, len(levels_db))
    if not at.size:
        return at
    before, after = np.maximum(at - STEP_FRAMES, 0), np.minimum(at + STEP_FRAMES, len(levels_db))
    n_before, n_after = at - before, after - at
    step_db = np.abs((sums[after] - sums[at]) / n_after - (sums[at] - sums[before]) / n_before)
    evidence = np.where(step_db >= MIN_STEP_DB, step_db * np.sqrt(n_before * n_after / (n_before + n_after)), 0)
    if evidence.max() < MIN_EVIDENCE:
        return at[:0]
    return at[(evidence >= MIN_EVIDENCE) & (evidence == _around(evidence, STEP_FRAMES, np.max))]


def _difference_db(first: Passage, second: Passage) -> float:
    return abs(first.level_db - second.level_db)


def _joined_where_equal(passages: Sequence[Passage]) -> list[Passage]:
    joined: list[Passage] = []
    for passage in passages:
        joined.append(passage)
        while len(joined) > 1 and _difference_db(*joined[-2:]) < MIN_STEP_DB:
            last = joined.pop()
            joined[-1] = joined[-1].joined(last)
    return joined


def _starts(passages: Sequence[Passage], speech: NDArray[np.int64]) -> list[int]:
    """The first frame of each passage, counted over all frames.

    Args:
        passages: in order.
        speech: the numbers of the frames of speech.
    """
    starts = [0]
    for before, after in pairwise(passages):
        last, first = int(speech[after.first - 1]), int(speech[after.first])
        is_quieter = after.power < before.power
        starts.append(max(last + 1, first - PAUSE_FRAMES) if is_quieter else min(first, last + 1 + PAUSE_FRAMES))
    return starts


def _bring_to(target_db: float, samples: Samples, passages: Sequence[Passage], starts: Sequence[int]) -> None:
    """Change the samples in place, so that all passages have the level `target_db`."""
    edges = [0, *_edges(samples, passages, starts), len(samples)]
    for passage, (start, stop) in zip(passages, pairwise(edges), strict=True):
        part = samples[start:stop]
        part -= np.float32(part.mean(dtype=np.float64))
        part *= np.float32(_amplitude(min(target_db - passage.level_db, MAX_BOOST_DB)))


def _edges(samples: Samples, passages: Sequence[Passage], starts: Sequence[int]) -> Iterator[int]:
    """The first sample of each passage but the first: the louder one ends with the last sample that is too loud."""
    for (before, after), start in zip(pairwise(passages), starts[1:], strict=True):
        near = slice(max(0, start - 2) * FRAME, (start + 2) * FRAME)
        threshold = _amplitude((before.level_db + after.level_db) / 2)
        above = np.flatnonzero(np.abs(samples[near]) > threshold)
        if not above.size:
            yield start * FRAME
        else:
            yield near.start + int(above[-1] + 1 if after.power < before.power else above[0])


def _turn_down(samples: Samples, steady: NDArray[np.int64], target_db: float) -> None:
    """Turn down, in place, what is too loud: the frames of steady sound, and any click."""
    for frame in steady.tolist():
        part = samples[frame * FRAME : (frame + 1) * FRAME]
        power = float(np.square(part, dtype=np.float64).mean())
        part *= np.float32(_amplitude(target_db + STEADY_GAIN_DB) / np.sqrt(power))
    _means, levels_db = _frames(samples)
    limit = _amplitude(target_db + LOUD_DB)
    for frame in np.flatnonzero(levels_db > target_db + LOUD_DB).tolist():
        for start in range(frame * FRAME, min((frame + 1) * FRAME, len(samples)), CLICK_SAMPLES):
            part = samples[start : start + CLICK_SAMPLES]
            rms = float(np.sqrt(np.square(part, dtype=np.float64).mean()))
            if rms > limit:
                part *= np.float32(_amplitude(target_db) / rms)


def _moving_offset(means: NDArray[np.float64], level_db: float) -> NDArray[np.float64] | None:
    """The offset at each frame, if it moves; ignores single clicks and keeps steps sharp.

    Args:
        means: (n_frames,) of the samples of each frame.
        level_db: of the speech.
    """
    n_blocks = max(1, len(means) // OFFSET_FRAMES)
    blocks = [block.mean() for block in np.array_split(means, n_blocks)]
    if max(blocks) - min(blocks) <= MAX_OFFSET * _amplitude(level_db):
        return None
    return _around(means, OFFSET_MEDIAN_FRAMES, np.median)


def _without_offset(samples: Samples, offset: NDArray[np.float64]) -> Samples:
    """The samples without an offset, (n_frames,), that is taken to be linear between the middles of two frames."""
    centres = (np.arange(len(offset)) + 0.5) * FRAME
    without = np.empty_like(samples)
    n_step = BLOCK_FRAMES * FRAME
    for start in range(0, len(samples), n_step):
        part = samples[start : start + n_step]
        without[start : start + n_step] = part - np.interp(np.arange(start, start + len(part)), centres, offset)
    return without
