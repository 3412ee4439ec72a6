"""Where in the frames the labels of a known text are: the best path of CTC that spells it (forced alignment)."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from .beam_columns import BLANK


def align(log_probs: NDArray[np.float32], columns: Sequence[int]) -> list[tuple[int, int]] | None:
    """The first frame of each label, and the one after its last; None where there are too few frames.

    Args:
        log_probs: of the columns, shape (frames, columns).
        columns: of the labels of the text, in order; none of them the blank.
    """
    states = np.full(2 * len(columns) + 1, BLANK)  # a blank may be before, between and after the labels
    states[1::2] = columns
    may_skip = np.zeros(len(states), np.bool_)  # the blank between two labels, unless they are equal
    may_skip[3::2] = states[3::2] != states[1:-2:2]
    scores = np.full(len(states), -np.inf)
    steps = np.zeros((len(log_probs), len(states)), np.int8)  # states advanced to reach each one
    for frame, of_columns in enumerate(log_probs):
        if frame == 0:
            scores[:2] = 0.0
        else:
            one, two = np.full((2, len(states)), -np.inf)
            one[1:], two[2:] = scores[:-1], scores[:-2]
            ways = np.stack([scores, one, np.where(may_skip, two, -np.inf)])
            steps[frame] = ways.argmax(axis=0)
            scores = ways.max(axis=0)
        scores = scores + of_columns[states]
    state = len(states) - 1 if scores[-1] >= scores[-2] else len(states) - 2
    if not np.isfinite(scores[state]):
        return None
    path = np.empty(len(log_probs), np.intp)
    for frame in range(len(log_probs) - 1, -1, -1):
        path[frame] = state
        state -= int(steps[frame, state])
    labels = range(1, len(states), 2)
    return [(int(np.searchsorted(path, label)), int(np.searchsorted(path, label, "right"))) for label in labels]
