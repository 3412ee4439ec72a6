"""The interface between a CTC network and a decoder: what the decoder needs, and what it returns."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from thano_duckdb.speech.transcript import Alternative, FoundHotword, Words

from .vocabulary import Vocabulary


@dataclass(frozen=True)
class FrameScores:
    """The most likely labels of each frame of a clip or a window.

    Nothing else is copied from the device. `Decoder.labels_per_frame` determines how many labels there are.

    Attributes:
        ids: the labels, the most likely first, int16 unless the vocabulary is too large, shape (frames, labels).
        log_probs: their log-probabilities (natural logarithms), float32, shape (frames, labels).
    """

    ids: NDArray[np.integer]
    log_probs: NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Hypothesis:
    """The recognised text of a clip.

    Attributes:
        text: the words with the delimiter of the vocabulary between them, or with nothing where letters are words.
        confidence: in the text, 0 to 1.
        words: with their times and confidences.
        alternatives, hotwords: see `Transcript`.
    """

    text: str
    confidence: float
    words: Words
    alternatives: tuple[Alternative, ...] | None = None
    hotwords: tuple[FoundHotword, ...] | None = None


class Decoder(Protocol):
    """Turns the scores of frames into text. Stateless: any thread may call it."""

    @property
    def labels_per_frame(self) -> int | None:
        """How many labels of each frame the decoder needs: 1 for the best path only, None for the whole vocabulary."""

    @property
    def runs_aside(self) -> bool:
        """Whether it takes so long that clips are decoded on threads of their own; it then releases the GIL."""

    @property
    def fingerprint(self) -> str:
        """Identifies all settings that influence the texts; part of the key of a cached transcript."""

    def decode(self, clips: Sequence[FrameScores], vocabulary: Vocabulary, *, stride: int) -> list[Hypothesis]:
        """The texts of any number of clips.

        Args:
            clips: the scores of each clip, with at least one frame.
            vocabulary: the meaning of the labels.
            stride: samples from one frame to the next.
        """
