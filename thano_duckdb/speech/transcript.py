"""What the engine gives for one clip."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Word:
    """A word, its place in the clip, and how sure the model is of it (0 to 1)."""

    word: str
    start_s: float
    end_s: float
    confidence: float


@dataclass(frozen=True)
class Transcript:
    """The text of a clip, or, where there is none, the reason.

    Attributes:
        text: the words with spaces between; empty where nothing was said; None where the clip failed.
        confidence: geometric mean of the model's probabilities for what it wrote (see `ctc.greedy_decode`).
        duration_s: length of the clip as it was recorded; None where it is not known.
        words: the words of `text`, in order.
        error: one sentence, None where the clip was transcribed.
    """

    text: str | None
    confidence: float | None
    duration_s: float | None
    words: tuple[Word, ...] | None
    error: str | None

    @classmethod
    def failed(cls, reason: str, duration_s: float | None = None) -> Transcript:
        """The transcript of a clip that gives NULL, for `reason`."""
        return cls(None, None, duration_s, None, reason)
