"""What a CTC decoder needs of a network, and what it gives: the seam between the two."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from thano_duckdb.speech.transcript import Words

from .vocabulary import Vocabulary


@dataclass(frozen=True)
class FrameScores:
    """The most likely labels of each frame of a clip or a window.

    Only these leave the device. How many they are is for the decoder to say: `Decoder.labels_per_frame`.

    Attributes:
        ids: the labels, the most likely first, int16 where the vocabulary allows, shape (frames, labels).
        log_probs: natural logarithms of their probabilities, float32, shape (frames, labels).
    """

    ids: NDArray[np.integer]
    log_probs: NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Hypothesis:
    """The text of a clip, how sure the model is of it (0 to 1), and its words."""

    text: str
    confidence: float
    words: Words


class Decoder(Protocol):
    """From the scores of the frames to texts. Stateless: any thread may call it."""

    @property
    def labels_per_frame(self) -> int | None:
        """How many labels of each frame it needs: 1 is the best path, None all of the vocabulary."""

    @property
    def fingerprint(self) -> str:
        """Changes with whatever changes its texts: it is part of the key under which transcripts are kept."""

    def decode(self, clips: Sequence[FrameScores], vocabulary: Vocabulary, *, stride: int) -> list[Hypothesis]:
        """The texts of any number of clips.

        Args:
            clips: scores of each clip, of at least one frame.
            vocabulary: what the labels stand for.
            stride: samples from a frame to the next.
        """
