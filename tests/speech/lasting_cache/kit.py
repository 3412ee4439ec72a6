"""Transcripts and recognitions for the tests of the store."""

from __future__ import annotations

import numpy as np

from thano_duckdb.audio.mixed_clips import MixProblem
from thano_duckdb.speech.lasting_cache.store import Recognition
from thano_duckdb.speech.transcript import WORD_RECORD, Alternative, FoundHotword, Transcript, Words

RECOGNITION = Recognition("mine@2", "a1b2", None, "float32", "greedy", True, "robust")
RICH = Transcript(
    "ONE TWO",
    0.75,
    1.5,
    Words(b"ONETWO", np.array([(3, 0.1, 0.2, 0.9), (3, 1 / 3, 2 / 3, 0.8)], WORD_RECORD).tobytes()),
    None,
    (Alternative("ONE TWO", -1.5), Alternative("WON TO", -2.25)),
    (FoundHotword("two", 1 / 3, 2 / 3, None), FoundHotword("드리", None, None, "it cannot be spelt")),
    MixProblem.VOICES,
)


def transcript(text: str) -> Transcript:
    """A short transcript."""
    return Transcript(text, 0.5, 2.0, Words(b"", b""), None)


def key(number: int) -> bytes:
    """The key of a clip."""
    return number.to_bytes(32)
