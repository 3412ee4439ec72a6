"""A clip that cannot be read is a value, not an exception: one bad file must not stop a table."""

from __future__ import annotations

import re
from dataclasses import dataclass

_CONTROL = re.compile(r"\s*[\x00-\x1f\x7f-\x9f\u2028\u2029]+\s*")


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
        """Carry the `reason` of the `AudioFailure`, on one line and without control characters, whatever it quotes."""
        reason = _one_line(reason)
        super().__init__(reason)
        self.failure = AudioFailure(reason)


def one_line(error: BaseException) -> str:
    """What an exception of a library says, as the end of a sentence."""
    return _one_line(str(error))[:200].rstrip(".") or type(error).__name__


def _one_line(text: str) -> str:
    """Text with single spaces in place of line ends and control characters; other characters and spaces stay."""
    return _CONTROL.sub(" ", text).strip()
