"""What the engine reports while it works, and how it learns that it should stop.

The engine knows nothing about statements, terminals or DuckDB: it reports to a `Monitor`, and asks it whether to go on.
"""

from __future__ import annotations

from typing import Protocol


class Monitor(Protocol):
    """Receives the engine's progress. Every method may be called from any thread."""

    def raise_if_cancelled(self) -> None:
        """Raise `Cancelled` if the user has asked to stop. It is called often, so it must be cheap."""

    def clips_received(self, n_clips: int) -> None:
        """`n_clips` more clips were handed to the engine."""

    def clip_advanced(self, share: float, audio_s: float) -> None:
        """A share of a long clip more, `audio_s` seconds of it, went through the model.

        The last call for a clip takes everything back by negative values: `clips_done`, which follows, counts it whole.
        """

    def clips_done(self, n_clips: int, audio_s: float) -> None:
        """`n_clips` more clips, `audio_s` seconds of audio in total, went through the model."""

    def clips_cached(self, n_clips: int, audio_s: float) -> None:
        """`n_clips` more clips, `audio_s` seconds in total, got the transcript of an equal clip without computing."""

    def clip_failed(self, location: str, reason: str) -> None:
        """The clip at `location` (a path, a URL, or `<blob of n bytes>`) gives NULL; `reason` is one sentence."""


class SilentMonitor:
    """A monitor for calls outside any statement: it ignores everything, and never stops the engine."""

    def raise_if_cancelled(self) -> None:
        """Never."""

    def clips_received(self, n_clips: int) -> None:
        """Ignored."""

    def clip_advanced(self, share: float, audio_s: float) -> None:
        """Ignored."""

    def clips_done(self, n_clips: int, audio_s: float) -> None:
        """Ignored."""

    def clips_cached(self, n_clips: int, audio_s: float) -> None:
        """Ignored."""

    def clip_failed(self, location: str, reason: str) -> None:
        """Ignored."""
