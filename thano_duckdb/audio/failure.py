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


class UnsupportedEncodingError(UnreadableAudioError):
    """The container is that of a reader, but not the encoding within: another reader may know it."""

    def __init__(self, encoding: str) -> None:
        """Name the `encoding`."""
        self.encoding = encoding
        super().__init__(
            f"It is encoded as {encoding}, which is not read; convert it first, for example: ffmpeg -i in out.flac"
        )


def cut_short(promised_s: float | None, held_s: float) -> str:
    """The reason for a clip that ends too early."""
    if promised_s is None or promised_s <= held_s:  # a header that contradicts itself promises nothing
        return f"The file was cut short: its end is missing after {held_s:.2f} s; copy or download it again."
    return (
        f"The file was cut short: its header promises {promised_s:.2f} s, it holds {held_s:.2f} s; "
        "copy or download it again."
    )


def cut_short_to(fraction: float) -> str:
    """The reason for a clip of which only a part exists, before its length in seconds is known."""
    return (
        f"The file was cut short: it has {fraction:.0%} of the size that its header promises; "
        "copy or download it again."
    )


def one_line(error: BaseException) -> str:
    """What an exception of a library says, as the end of a sentence."""
    return _one_line(str(error))[:200].rstrip(".") or type(error).__name__


def _one_line(text: str) -> str:
    """Text with single spaces in place of line ends and control characters; other characters and spaces stay."""
    return _CONTROL.sub(" ", text).strip()
