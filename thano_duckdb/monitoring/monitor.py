"""What the engine tells while it works, and how it is told to stop.

The engine knows nothing of statements, terminals or DuckDB: it reports to a `Monitor`, and asks it whether to go on.
"""

from __future__ import annotations

from typing import Protocol


class Monitor(Protocol):
    """Receives the engine's progress. Every method may be called from any thread."""

    def raise_if_cancelled(self) -> None:
        """Raise `Cancelled` when the user has asked to stop. Called often, so it must be cheap."""

    def clips_received(self, n_clips: int) -> None:
        """`n_clips` more clips were handed to the engine."""

    def clips_done(self, n_clips: int, audio_s: float) -> None:
        """`n_clips` clips, together `audio_s` seconds of audio, are finished, from the memo too."""

    def clip_failed(self, location: str, reason: str) -> None:
        """The clip at `location` (a path, a URL, or `<blob of n bytes>`) gives NULL, for `reason`."""


class SilentMonitor:
    """A monitor for a call outside any statement: reports nothing, never stops."""

    def raise_if_cancelled(self) -> None:
        """Never."""

    def clips_received(self, n_clips: int) -> None:
        """Ignored."""

    def clips_done(self, n_clips: int, audio_s: float) -> None:
        """Ignored."""

    def clip_failed(self, location: str, reason: str) -> None:
        """Ignored."""
