"""Collects the clips of a statement whose channels should not have been mixed, for one warning."""

from __future__ import annotations

import enum
import threading

from thano_duckdb.errors import brief_location, counted

REMEDY = (
    "In PREDICT the option channel='each' gives a row per channel; channel=1 reads the first one, and channel='mix' "
    "gives this result without a warning."
)
REMEDY_OF_FUNCTION = (
    "thano_channels(..) lists the channels, thano_transcribe(.., channel := 1) reads the first one, and the option "
    "channel='mix' gives this result without a warning."
)


class MixProblem(enum.Enum):
    """Why the channels of a clip should not have been mixed."""

    VOICES = enum.auto()
    """They differ as those of two speakers do."""
    CANCELLED = enum.auto()
    """They cancel each other."""


class MixedClips:
    """The clips of one statement; any thread may add to them. A clip that is added twice counts once."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._found: dict[MixProblem, set[int]] = {problem: set() for problem in MixProblem}
        self._examples: dict[MixProblem, str] = {}

    def __bool__(self) -> bool:
        return bool(self._examples)

    def add(self, location: str, problem: MixProblem) -> None:
        """The channels of the clip at `location` should not have been mixed."""
        with self._lock:
            self._found[problem].add(hash(location))
            self._examples.setdefault(problem, location)

    def warning(self, remedy: str = REMEDY) -> str:
        """The sentence that says how many clips there are, with an example, and the one that says what to do."""
        parts = []
        if voices := len(self._found[MixProblem.VOICES]):
            parts.append(
                f"the channels of {self._shown(voices, MixProblem.VOICES)} differ as the voices of two speakers do, "
                f"and were mixed into one text"
            )
        if cancelled := len(self._found[MixProblem.CANCELLED]):
            parts.append(
                f"the channels of {self._shown(cancelled, MixProblem.CANCELLED)} cancel each other (one has the other "
                f"sign), so the loudest one was read instead of their mix"
            )
        sentence = "; ".join(parts)
        return f"{sentence[:1].upper()}{sentence[1:]}. {remedy}"

    def _shown(self, n_clips: int, problem: MixProblem) -> str:
        more = ", ..." if n_clips > 1 else ""
        return f"{counted(n_clips, 'clip')} ({brief_location(self._examples[problem])}{more})"
