"""Recognises, by its first bytes, a file that is not audio or not read, so that the reason can say how to fix it."""

from __future__ import annotations

HEAD_BYTES = 512

TEXT_FILE = "It is a text file, not audio."
SAMPLE_DUMP = "It is a MIDI sample dump (SDS), a sound of an instrument; such files are not read."
"""libsndfile prints a line for each damaged block of it to the standard output, and takes the rest for good."""

_READ_BY_LIBSNDFILE = (
    *(b"RIFF", b"RIFX", b"RF64", b"riff", b"fLaC", b"OggS", b"FORM", b".snd", b"dns.", b"NIST_1A", b"caff", b"ID3"),
    *(b"Creative Voice File", b"2BIT", b"fap ", b" paf", b"PVF1", b"MATLAB 5.0"),
)


def describe(head: bytes) -> str | None:
    """Say in one sentence what a file is that no reader can open.

    Args:
        head: the first `HEAD_BYTES` bytes.

    Returns:
        The sentence; None for a container that libsndfile reads, which means that the file is damaged.
    """
    if head.startswith(b"NIST_1A") and b"embedded-shorten" in head:
        return "It is a SPHERE file compressed by shorten, which libsndfile does not read; unpack it first: sph2pipe"
    if head.startswith(_READ_BY_LIBSNDFILE):
        return None
    text = head.lstrip(b"\xef\xbb\xbf \t\r\n").lower()
    if text.startswith((b"<!doctype html", b"<html")):
        return "It is an HTML page, not audio; the address may lead to a login or error page."
    if head.startswith((b"PK\x03\x04", b"\x1f\x8b", b"BZh", b"\xfd7zXZ", b"\x28\xb5\x2f\xfd")):
        return "It is a compressed archive, not audio; unpack it first."
    if is_text(head):
        return TEXT_FILE
    return (
        "It is not audio of a known format (wav, flac, ogg, opus, mp3, m4a, mp4, webm, mkv, wma, amr, aac and others)."
    )


def is_sample_dump(head: bytes) -> bool:
    """Whether `head` begins a MIDI sample dump (SDS), by the bytes that libsndfile looks at."""
    return head[:2] == b"\xf0\x7e" and head[3:4] == b"\x01"


def is_utf16_text(head: bytes) -> bool:
    """Whether `head` is text in UTF-16 with a byte order mark."""
    if not head.startswith((b"\xff\xfe", b"\xfe\xff")):
        return False
    return _is_printable(head[: len(head) // 2 * 2].decode("utf-16", "replace"))


def is_text(head: bytes) -> bool:
    """Whether `head` is text in UTF-8; a character that is cut off at its end is ignored."""
    try:
        text = head.decode("utf-8")
    except UnicodeDecodeError as error:
        if error.start < len(head) - 3:
            return False
        text = head[: error.start].decode("utf-8")
    return _is_printable(text)


def _is_printable(text: str) -> bool:
    return all(char.isprintable() or char in "\t\r\n\f\ufeff" for char in text)
