"""Cuts a long clip at its pauses: the beam search takes time that grows with the square of the length."""

from __future__ import annotations

import heapq
import itertools
import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from .beam_columns import BLANK, SPACE


def cut_at_pauses(log_probs: NDArray[np.float32], max_frames: int) -> list[slice]:
    """Pieces of at most `max_frames` frames, cut in the longest pause of their second halves.

    A pause between two words goes before one within a word; without any pause the cut is where it must be.

    Args:
        log_probs: of the columns, shape (frames, columns).
        max_frames: of a piece; a clip that is not longer stays whole.
    """
    n_frames = len(log_probs)
    if n_frames <= max_frames:
        return [slice(0, n_frames)]
    best = log_probs.argmax(axis=1)
    is_pause = (best == BLANK) | (best == SPACE)
    pieces, start = [], 0
    while n_frames - start > max_frames:
        first = start + max_frames // 2
        stop = first + _longest_pause(is_pause[first : start + max_frames], best[first : start + max_frames] == SPACE)
        pieces.append(slice(start, stop))
        start = stop
    return [*pieces, slice(start, n_frames)]


def _longest_pause(is_pause: NDArray[np.bool_], is_space: NDArray[np.bool_]) -> int:
    """The frame in the middle of the longest pause; the number of frames if there is none."""
    edges = np.flatnonzero(np.diff(np.concatenate([[False], is_pause, [False]]).astype(np.int8)))
    starts, stops = edges[::2], edges[1::2]
    if not len(starts):
        return len(is_pause)
    n_spaces = np.concatenate([[0], np.cumsum(is_space)])
    has_space = n_spaces[stops] > n_spaces[starts]
    chosen = np.lexsort((stops - starts, has_space))[-1]
    return max(1, int(starts[chosen] + stops[chosen]) // 2)


def best_texts(pieces: Sequence[Sequence[tuple[str, float]]], n: int) -> list[tuple[str, float]]:
    """The `n` best texts of a clip from those of its pieces, each with the sum of the scores, the best first.

    Args:
        pieces: for each piece its texts and their scores, the best first; a piece without any is silent.
        n: how many at most.
    """
    found = [("", 0.0)]
    for texts in pieces:
        joined: dict[str, float] = {}
        for (before, score), (after, more) in itertools.product(found, texts or [("", 0.0)]):
            text = f"{before} {after}".strip()
            joined[text] = max(score + more, joined.get(text, -math.inf))
        found = heapq.nlargest(n, joined.items(), key=lambda text: text[1])
    return found
