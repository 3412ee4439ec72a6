"""The atoms of an MP4 or QuickTime file (ISO 14496-12, 4.2): what ffmpeg does not say about it."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass

from .raw import RawAudio

_MAX_ATOMS = 100_000  # a damaged file may seem to be made of empty ones
_ENCRYPTED = (b"enca", b"drms", b"aavd")  # of the standard, of iTunes, of Audible


@dataclass(frozen=True)
class Atom:
    """One atom: its name of four letters, and where its content lies in the file."""

    name: bytes
    start: int
    end: int


def atoms(raw: RawAudio, start: int = 0, end: int | None = None) -> Iterator[Atom]:
    """The atoms between two offsets; the last one may promise to end after the file."""
    stop = raw.n_bytes if end is None else min(end, raw.n_bytes)
    for _ in range(_MAX_ATOMS):
        header = raw.read_at(start, 16)
        if len(header) < 8 or start + 8 > stop:
            return
        size, name = struct.unpack_from(">I4s", header)
        n_header = 8
        if size == 1 and len(header) == 16:
            n_header, (size,) = 16, struct.unpack_from(">Q", header, 8)
        elif size == 0:  # to the end of the file
            size = stop - start
        if size < n_header:
            return
        yield Atom(name, start + n_header, start + size)
        start += size


def _inside(raw: RawAudio, atom: Atom, *path: bytes) -> Iterator[Atom]:
    """The atoms at a path of names within `atom`."""
    if not path:
        yield atom
        return
    for child in atoms(raw, atom.start, atom.end):
        if child.name == path[0]:
            yield from _inside(raw, child, *path[1:])


def encrypted_tracks(raw: RawAudio) -> list[bool]:
    """For each sound track in its order, whether it is encrypted."""
    found = []
    for moov in (atom for atom in atoms(raw) if atom.name == b"moov"):
        for track in _inside(raw, moov, b"trak"):
            handlers = _inside(raw, track, b"mdia", b"hdlr")
            if any(raw.read_at(handler.start + 8, 4) == b"soun" for handler in handlers):
                tables = _inside(raw, track, b"mdia", b"minf", b"stbl", b"stsd")
                found.append(any(raw.read_at(table.start + 12, 4) in _ENCRYPTED for table in tables))
    return found


def has_index(raw: RawAudio) -> bool:
    """Whether the file has its index, which recorders write at the end."""
    return any(atom.name == b"moov" for atom in atoms(raw))


def promised_bytes(raw: RawAudio) -> int:
    """How large the file must be to hold its audio, by the sizes of its atoms; at most its own size if it is whole."""
    return max((atom.end for atom in atoms(raw) if atom.name in (b"moov", b"moof", b"mdat")), default=0)
