"""A clip that cannot be read is a value, not an exception: one bad file must not stop a table."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class AudioFailure:
    """Why a clip gives no audio.

    Attributes:
        reason: one sentence that says what is wrong and, if possible, how to fix it.
    """

    reason: str


class UnreadableAudioError(Exception):
    """Raised inside this package to pass a reason up to `decode` and `probe`, which turn it into an `AudioFailure`."""

    def __init__(self, reason: str) -> None:
        """Carry the `reason` of the `AudioFailure`."""
        super().__init__(reason)
        self.failure = AudioFailure(reason)


def one_line(error: BaseException) -> str:
    """What an exception of a library says, as the end of a sentence."""
    return " ".join(str(error).split())[:200].rstrip(".") or type(error).__name__
