"""How many bytes a file must have by its own header, for the containers that ffmpeg reads.

ffmpeg takes a file that was cut short for one that ends there: half a transcript would look like a whole one.
"""

from __future__ import annotations

import struct
from collections.abc import Callable

from . import mp4_atoms
from .raw import RawAudio
from .riff_chunks import chunks

_ASF_FILE_PROPERTIES = bytes.fromhex("a1dcab8c47a9cf118ee400c00c205365")
_ASF_HEADER_BYTES = 30
_ASF_BROADCAST = 1
_MATROSKA_SEGMENT = b"\x18\x53\x80\x67"
_UNKNOWN_SIZES = (0, 0xFFFFFFFF)  # of a program that writes to a pipe


def promised_bytes(raw: RawAudio, demuxer: str) -> int:
    """The size by the header; 0 where the header does not know it, or the container has no such header."""
    measure = _MEASURES.get(demuxer)
    return 0 if measure is None else measure(raw)


def _matroska(raw: RawAudio) -> int:
    head = raw.read_at(0, 4096)
    start = head.find(_MATROSKA_SEGMENT)
    if start < 0 or start + 12 > len(head):
        return 0
    size = head[start + 4 : start + 12]
    n_bytes = 9 - size[0].bit_length()  # the leading zeros of the first byte
    value = int.from_bytes(size[:n_bytes], "big") & (1 << 7 * n_bytes) - 1 if n_bytes <= 8 else 0
    is_unknown = value == (1 << 7 * n_bytes) - 1
    return 0 if is_unknown else start + 4 + n_bytes + value


def _asf(raw: RawAudio) -> int:
    offset = _ASF_HEADER_BYTES
    for _ in range(100):
        header = raw.read_at(offset, 92)
        if len(header) < 92:
            return 0
        if header.startswith(_ASF_FILE_PROPERTIES):
            (n_bytes,) = struct.unpack_from("<Q", header, 40)
            (flags,) = struct.unpack_from("<I", header, 88)
            return 0 if flags & _ASF_BROADCAST else int(n_bytes)
        offset += max(24, struct.unpack_from("<Q", header, 16)[0])
    return 0


def _avi(raw: RawAudio) -> int:
    size = int.from_bytes(raw.read_at(4, 4), "little")
    return 0 if size in _UNKNOWN_SIZES else size + 8


def _chunked(name: bytes, byte_order: str) -> Callable[[RawAudio], int]:
    def measure(raw: RawAudio) -> int:
        found = ((start, size) for each, start, size in chunks(raw, byte_order) if each == name)
        start, size = next(found, (0, 0))
        return 0 if size in _UNKNOWN_SIZES else start + size

    return measure


def _au(raw: RawAudio) -> int:
    start, size = struct.unpack_from(">II", raw.read_at(0, 24).ljust(24, b"\0"), 4)
    return 0 if size in _UNKNOWN_SIZES else int(start + size)


def _caf(raw: RawAudio) -> int:
    offset = 8
    for _ in range(1000):
        header = raw.read_at(offset, 12)
        if len(header) < 12:
            return 0
        name, size = struct.unpack(">4sq", header)
        if size < 0:
            return 0
        offset += 12 + size
        if name == b"data":
            return int(offset)
    return 0


_MEASURES: dict[str, Callable[[RawAudio], int]] = {
    "mov": mp4_atoms.promised_bytes,
    "matroska": _matroska,
    "asf": _asf,
    "avi": _avi,
    "wav": _chunked(b"data", "<"),
    "aiff": _chunked(b"SSND", ">"),
    "au": _au,
    "caf": _caf,
}
