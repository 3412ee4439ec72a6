"""Makes the level of a recording even, so that one loud second does not decide about the rest.

A model gets each clip at zero mean and unit variance. A beep at full scale, a loud first speaker or a moving offset
decides about both, and what is quieter disappears. So before a clip is standardised,

- a large offset is removed, also one that moves;
- passages of speech at different levels (`passages`) are brought to the same level;
- what is far louder than the speech around it is turned down: steady sound (a beep, a hold tone) until it hardly
  counts, anything else (a click) to the level of the speech.

Ordinary speech needs none of this, and stays exactly as it is. Levels are those of frames of 20 ms. The frames that
count as speech are well above the quietest ones around them, and not steady.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Literal

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from .frame_statistics import FRAME, FrameStatistics
from .passages import LOUD_DB, Decibels, Passage, around, find_passages

Level = Literal["robust", "exact"]
"""`exact`: a clip is only standardised, just as Hugging Face's feature extractor does it."""

Samples = NDArray[np.float32]

MIN_DB = -85.0
"""In dB of full scale; below it there is no speech."""
ABOVE_FLOOR_DB = 15.0
FLOOR_FRAMES = 15
"""A frame of speech is `ABOVE_FLOOR_DB` louder than the quietest frame within `FLOOR_FRAMES` of it."""
STEADY_FRAMES = 13
STEADY_DB = 2.0
"""Steady sound stays within `STEADY_DB` for `STEADY_FRAMES`, longer than a vowel."""
LOUD_STEADY_DB = 8.0
"""Steady sound that is so much louder than the speech around it is turned down; for other sound see `LOUD_DB`."""
MUTED_DB = -30.0
"""The level to which it is turned down, relative to the speech."""
MAX_BOOST_DB = 45.0
PAUSE_FRAMES = 5
"""The lower gain holds throughout the pause between two passages, except so close to the quieter one."""
OFFSET_FRAMES = 10
OFFSET_MEDIAN_FRAMES = 25
MAX_OFFSET = 0.5
"""An offset is removed if it is this share of the level of the speech, or, over `OFFSET_FRAMES`, moves by it."""
CLICK_SAMPLES = 40
"""Clicks are turned down in pieces of this length."""
STEP_SAMPLES = 1 << 16


@dataclass(frozen=True)
class EvenClip:
    """A clip whose speech has the same level throughout.

    Attributes:
        samples: (n_samples,), an array of its own.
        n_muted: how many of them are loud steady sound that was turned down: they do not count as part of the clip.
    """

    samples: Samples
    n_muted: int


def even_level(samples: Samples, statistics: FrameStatistics) -> EvenClip | None:
    """A clip at the same level throughout; None where it is so already, as nearly all clips are.

    Args:
        samples: (n_samples,) mono at 16 kHz; they stay as they are.
        statistics: those of `samples`.
    """
    levels_db = statistics.levels_db
    is_steady = _is_steady(levels_db)
    speech = np.flatnonzero(_stands_out(levels_db) & ~is_steady)
    if not speech.size:
        return None
    passages = find_passages(levels_db[speech])
    target_db = _target_db(passages)
    starts = _starts(passages, speech)
    excess_db = levels_db.copy()
    for passage, (start, stop) in zip(passages, pairwise([*starts, len(levels_db)]), strict=True):
        excess_db[start:stop] -= passage.level_db
    loud_steady = np.flatnonzero(is_steady & (excess_db > LOUD_STEADY_DB))
    offset = _large_offset(statistics.means, target_db)
    if len(passages) == 1 and offset is None and not loud_steady.size and excess_db.max() <= LOUD_DB:
        return None
    even = samples.copy() if offset is None else _without_offset(samples, offset)
    _bring_to(target_db, even, passages, starts)
    _mute(even, loud_steady, target_db + MUTED_DB)
    _soften_clicks(even, target_db)
    return EvenClip(even, FRAME * loud_steady.size)


def _target_db(passages: Sequence[Passage]) -> float:
    """The level to which all passages are brought: that of the loudest of the long ones."""
    longest = max(passage.n_frames for passage in passages)
    return max(passage.level_db for passage in passages if 2 * passage.n_frames >= longest)


def _stands_out(levels_db: Decibels) -> NDArray[np.bool_]:
    """The frames that are much louder than the quietest around them, as those of syllables are."""
    return (levels_db > MIN_DB) & (levels_db > around(levels_db, FLOOR_FRAMES, np.min) + ABOVE_FLOOR_DB)


def _is_steady(levels_db: Decibels) -> NDArray[np.bool_]:
    """The frames of steady sound: tones, hum, noise, silence."""
    is_steady = np.zeros(len(levels_db), bool)
    if len(levels_db) >= STEADY_FRAMES:
        runs = sliding_window_view(levels_db, STEADY_FRAMES)
        starts = np.flatnonzero(runs.max(axis=1) - runs.min(axis=1) < STEADY_DB)
        for index in range(STEADY_FRAMES):
            is_steady[starts + index] = True
    return is_steady


def _starts(passages: Sequence[Passage], speech: NDArray[np.int64]) -> list[int]:
    """The first frame of each passage, counted over all frames.

    Args:
        passages: in order.
        speech: the numbers of the frames of speech.
    """
    starts = [0]
    for before, after in pairwise(passages):
        end, start = int(speech[after.first - 1]) + 1, int(speech[after.first])
        starts.append(max(end, start - PAUSE_FRAMES) if after.power < before.power else min(start, end + PAUSE_FRAMES))
    return starts


def _bring_to(target_db: float, samples: Samples, passages: Sequence[Passage], starts: Sequence[int]) -> None:
    """Bring all passages to a level, in place."""
    edges = [0, *_edges(samples, passages, starts), len(samples)]
    for passage, (start, stop) in zip(passages, pairwise(edges), strict=True):
        part = samples[start:stop]
        if passage.level_db != target_db and part.size:
            part -= np.float32(part.mean(dtype=np.float64))  # else a constant offset would begin to move
            part *= np.float32(_amplitude(min(target_db - passage.level_db, MAX_BOOST_DB)))


def _edges(samples: Samples, passages: Sequence[Passage], starts: Sequence[int]) -> Iterator[int]:
    """The first sample of each passage but the first: a louder one begins and ends with a sample that is too loud."""
    for (before, after), start in zip(pairwise(passages), starts[1:], strict=True):
        first = (start - 2) * FRAME
        threshold = _amplitude((before.level_db + after.level_db) / 2)
        loud = np.flatnonzero(np.abs(samples[max(0, first) : (start + 2) * FRAME]) > threshold) + max(0, first)
        if not loud.size:
            yield start * FRAME
        else:
            yield int(loud[-1]) + 1 if after.power < before.power else int(loud[0])


def _mute(samples: Samples, frames: NDArray[np.int64], level_db: float) -> None:
    """Turn the given frames down to a level, in place."""
    for frame in frames.tolist():
        part = samples[frame * FRAME : (frame + 1) * FRAME]
        part *= np.float32(_amplitude(level_db) / _rms(part))


def _soften_clicks(samples: Samples, level_db: float) -> None:
    """Turn down, in place, whatever is still far louder than the speech, which has a level of `level_db`."""
    limit = _amplitude(level_db + LOUD_DB)
    for frame in np.flatnonzero(FrameStatistics.of(samples).levels_db > level_db + LOUD_DB).tolist():
        for start in range(frame * FRAME, min((frame + 1) * FRAME, len(samples)), CLICK_SAMPLES):
            part = samples[start : start + CLICK_SAMPLES]
            if (rms := _rms(part)) > limit:
                part *= np.float32(_amplitude(level_db) / rms)


def _large_offset(means: NDArray[np.float64], level_db: float) -> NDArray[np.float64] | None:
    """The offset at each frame, (n_frames,), if it is large or moves. Steps stay sharp, and clicks do not count.

    Args:
        means: (n_frames,), of the samples of each frame.
        level_db: of the speech.
    """
    limit = MAX_OFFSET * _amplitude(level_db)
    n_blocks = len(means) // OFFSET_FRAMES
    blocks = means[: n_blocks * OFFSET_FRAMES].reshape(n_blocks, OFFSET_FRAMES).mean(axis=1)
    if n_blocks > 1 and blocks.max() - blocks.min() > limit:
        return around(means, OFFSET_MEDIAN_FRAMES, np.median)
    mean = means.mean()
    return np.full(len(means), mean) if abs(mean) > limit else None


def _without_offset(samples: Samples, offset: NDArray[np.float64]) -> Samples:
    """The samples without an offset, (n_frames,), that is linear between the middles of the frames."""
    middles = (np.arange(len(offset)) + 0.5) * FRAME
    without = np.empty_like(samples)
    for start in range(0, len(samples), STEP_SAMPLES):
        part = samples[start : start + STEP_SAMPLES]
        without[start : start + len(part)] = part - np.interp(np.arange(start, start + len(part)), middles, offset)
    return without


def _amplitude(level_db: float) -> float:
    return float(10 ** (level_db / 20))


def _rms(samples: Samples) -> float:
    return float(np.sqrt(np.square(samples, dtype=np.float64).mean()))
