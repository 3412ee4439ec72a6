"""The chunks of a RIFF (WAV) or IFF (AIFF) file."""

from __future__ import annotations

import struct
from collections.abc import Iterator

from .raw import RawAudio

_MAX_CHUNKS = 10_000  # a damaged file may seem to be made of empty ones


def chunks(raw: RawAudio, byte_order: str = "<") -> Iterator[tuple[bytes, int, int]]:
    """The name of each chunk, the offset of its content, and its size, in the order of the file.

    Args:
        raw: the file.
        byte_order: `<` for RIFF, `>` for IFF.
    """
    offset = 12
    for _ in range(_MAX_CHUNKS):
        header = raw.read_at(offset, 8)
        if len(header) < 8:
            return
        name, size = struct.unpack(f"{byte_order}4sI", header)
        yield name, offset + 8, size
        offset += 8 + size + size % 2


def chunk_offset(raw: RawAudio, name: bytes, byte_order: str = "<") -> int | None:
    """Where the content of the first chunk of this name begins, None if there is none."""
    return next((offset for found, offset, _ in chunks(raw, byte_order) if found == name), None)
