"""How likely the words of greedy decoding are right: a calibration of what the network says.

The mean probability of the letters of a word says how clearly the network heard them, and is high for wrong words too.
Together with two other facts it tells more: the probability that every frame of the word is right, which falls with
each doubtful letter, and how clear the whole clip is. Their weights were fitted once by logistic regression, on the
speech that `beam_confidence` was fitted on.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

_CONSTANT, _LABELS, _FRAMES, _CLIP = 3.71, 4.68, 0.89, 12.14


def word_confidences(
    labels: NDArray[np.float64],
    frames: NDArray[np.float64],
    clips: NDArray[np.float64],
) -> NDArray[np.float64]:  # (words,)
    """The probability of each word to be right; all arguments are natural logarithms, of shape (words,).

    Args:
        labels: mean log-probability of the frames that write the word.
        frames: sum of the log-probabilities of all its frames, blanks among them.
        clips: mean log-probability of all frames of its clip.
    """
    evidence = _CONSTANT + _LABELS * labels + _FRAMES * frames + _CLIP * clips
    return 1 / (1 + np.exp(-np.clip(evidence, -100, 100)))
