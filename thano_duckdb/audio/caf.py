"""The packet table of ALAC in a CAF file. libsndfile prints to the standard output where it is damaged."""

from __future__ import annotations

import struct
from itertools import count

from .raw import RawAudio

_TABLE_HEADER_BYTES = 24
_MAX_NUMBER_BYTES = 5


def has_broken_packet_table(raw: RawAudio) -> bool:
    """Whether `raw` is ALAC in CAF whose packet table libsndfile cannot read."""
    head = raw.read_at(0, 32)
    if head[:4] != b"caff" or head[8:12] != b"desc" or head[28:32] != b"alac":
        return False
    offset = 8
    while len(header := raw.read_at(offset, 12)) == 12:
        name, size = struct.unpack(">4sq", header)
        if name == b"pakt":
            return size < 0 or offset + 12 + size > raw.n_bytes or _is_broken(raw.read_at(offset + 12, size))
        if size < 0:
            return False  # the audio lasts until the end of the file
        offset += 12 + size
    return False


def _is_broken(table: bytes) -> bool:
    """Whether a number in the table (seven bits per byte, the highest says that it goes on) has no end."""
    offset = _TABLE_HEADER_BYTES
    while offset < len(table):
        value = 0
        for n_bytes in count(1):
            if n_bytes > _MAX_NUMBER_BYTES or offset + n_bytes > len(table):
                return True
            byte = table[offset + n_bytes - 1]
            value = value << 7 | byte & 0x7F
            if byte < 0x80:
                break
        if not value:
            return False
        offset += n_bytes
    return False
