"""What spoils the level of recordings: each takes speech and returns it with one disturbance."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
from numpy.typing import NDArray

Samples = NDArray[np.float32]

RATE_HZ = 16_000
QUIET = 0.05
"""Highest sample of speech beside a disturbance at full scale."""
_LOUD_START_S = 5.0
_FRAME = 320


def quiet(speech: Samples) -> Samples:
    """Speech at 5 % of full scale."""
    return speech * np.float32(QUIET / np.abs(speech).max())


def tone(duration_s: float, frequency_hz: float) -> Samples:
    """A sine at full scale."""
    time_s = np.arange(round(duration_s * RATE_HZ)) / RATE_HZ
    return np.sin(2 * np.pi * frequency_hz * time_s).astype(np.float32)


def from_second_half(speech: Samples, gain: float) -> Samples:
    """Speech whose second half has another level."""
    return _from(len(speech) // 2, speech, gain)


def with_loud_start(speech: Samples) -> Samples:
    """The first five seconds, or the first half of a shorter clip, at full scale, the rest at 5 % of that."""
    loud = speech / np.abs(speech).max()
    return _from(min(round(_LOUD_START_S * RATE_HZ), len(speech) // 2), loud, QUIET)


def with_click(speech: Samples, n_samples: int) -> Samples:
    """Quiet speech with noise at full scale in its middle."""
    clicked = quiet(speech)
    middle = clicked[len(clicked) // 2 :][:n_samples]
    middle[:] = np.random.default_rng(5).uniform(-1, 1, len(middle))
    return clicked


def with_pause_filled(speech: Samples, sound: Samples) -> Samples:
    """Quiet speech with a sound in its quietest place, away from the ends."""
    levels = np.abs(speech[: len(speech) // _FRAME * _FRAME]).reshape(-1, _FRAME).mean(axis=1)
    third = len(levels) // 3
    cut = (third + int(levels[third : 2 * third].argmin())) * _FRAME + _FRAME // 2
    return np.concatenate([quiet(speech[:cut]), sound, quiet(speech[cut:])])


def with_offset_step(speech: Samples, offset: float) -> Samples:
    """Quiet speech with an offset from its second third on."""
    shifted = quiet(speech)
    shifted[len(shifted) // 3 :] += np.float32(offset)
    return shifted


def _from(first: int, speech: Samples, gain: float) -> Samples:
    changed = speech.copy()
    changed[first:] *= np.float32(gain)
    return changed


DISTURBANCES: Mapping[str, Callable[[Samples], Samples]] = {
    "beep of 1 s after it": lambda speech: np.concatenate([quiet(speech), tone(1, 1000)]),
    "beep of 1 s before it": lambda speech: np.concatenate([tone(1, 1000), quiet(speech)]),
    "hold tone of 10 s before it": lambda speech: np.concatenate([tone(10, 440), quiet(speech)]),
    "click of one sample": lambda speech: with_click(speech, 1),
    "click of 5 ms": lambda speech: with_click(speech, 80),
    "offset of 0.1": lambda speech: quiet(speech) + np.float32(0.1),
    "offset of 0.9": lambda speech: quiet(speech) + np.float32(0.9),
    "offset that steps to 0.3": lambda speech: with_offset_step(speech, 0.3),
    "loud first five seconds": with_loud_start,
    "second half at 10 %": lambda speech: from_second_half(speech, 0.1),
    "second half at 3 %": lambda speech: from_second_half(speech, 0.03),
}
"""Those of which docs/level.md gives figures, and tests check some."""
