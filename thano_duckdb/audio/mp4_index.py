"""How many packets ffmpeg would list for an MP4 or QuickTime file, which a few bytes of a hostile one set to millions.

ffmpeg believes the counts of the index, and keeps about 40 bytes for each packet (`mov_build_index`, `mov_fix_index`
and `mov_read_trun` of its mov.c), whether the file holds it or not.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from .failure import UnreadableAudioError
from .mp4_atoms import Atom, atoms
from .raw import InMemory, RawAudio

MIN_PACKETS = 1_000_000
"""A file of any size may list these: they cost 40 MB."""

_PARENTS = (b"moov", b"trak", b"mdia", b"minf", b"stbl", b"edts", b"dinf", b"mvex", b"moof", b"traf", b"udta", b"cmov")
_MAX_DEPTH = 10
_MAX_INDEX_BYTES = 64 * 1024 * 1024  # of an index that is compressed
_MIN_SAMPLES_PER_PACKET = 160  # of those that ffmpeg makes where each sample stands for itself


@dataclass
class _Track:
    """What the index says about a track; the arrays have a row for each entry."""

    timescale: int = 1
    n_packets: int = 0
    n_chunks: int = 0
    durations: NDArray[np.float64] = field(default_factory=lambda: np.empty((0, 2)))  # packets, ticks of each
    chunks: NDArray[np.float64] = field(default_factory=lambda: np.empty((0, 3)))  # the first, its samples, ..
    edits: NDArray[np.float64] = field(default_factory=lambda: np.empty(0))  # ticks of the movie

    def n_listed(self, movie_timescale: int) -> float:
        """The packets that ffmpeg would list: those of a part that is played twice are listed twice."""
        if len(self.durations) == 1 and self.durations[0, 1] == 1:
            firsts = np.append(self.chunks[:, 0], self.n_chunks + 1)
            n_samples = (np.maximum(np.diff(firsts), 0) * self.chunks[:, 1]).sum()
            n_packets = float(n_samples) / _MIN_SAMPLES_PER_PACKET
        else:
            n_packets = float(self.n_packets)
        lasts_s = float((self.durations[:, 0] * self.durations[:, 1]).sum()) / max(1, self.timescale)
        edits_s = np.minimum(self.edits / max(1, movie_timescale), lasts_s)  # "to the end" may be a huge number
        return n_packets * max(1.0, float(edits_s.sum()) / lasts_s if lasts_s else 1.0)


def check_index(raw: RawAudio) -> None:
    """Refuse a file whose index lists more packets than the file has bytes.

    Raises:
        UnreadableAudioError: it does.
    """
    if _listed(raw) > max(MIN_PACKETS, raw.n_bytes):
        raise UnreadableAudioError("It is damaged: its index lists more audio than the file can hold.")


def _listed(raw: RawAudio) -> float:
    tracks, movie_timescale, n_in_fragments = [_Track()], 1, 0
    for within, atom in _walk(raw, 0, raw.n_bytes):
        track = tracks[-1]
        match atom.name:
            case b"trak":
                tracks.append(_Track())
            case b"mvhd":
                movie_timescale = _timescale(within, atom)
            case b"mdhd":
                track.timescale = _timescale(within, atom)
            case b"stsz" | b"stz2":
                track.n_packets = _number(within, atom.start + 8)
            case b"stco" | b"co64":
                track.n_chunks = _number(within, atom.start + 4)
            case b"stts":
                track.durations = _table(within, atom, ">u4", 2)
            case b"stsc":
                track.chunks = _table(within, atom, ">u4", 3)
            case b"elst":
                is_long = within.read_at(atom.start, 1) == b"\1"
                track.edits = _table(within, atom, ">u8,>u8,>u4" if is_long else ">u4,>u4,>u4", 1)
            case b"trun":
                n_in_fragments += _number(within, atom.start + 4)
    return n_in_fragments + sum(track.n_listed(movie_timescale) for track in tracks)


def _walk(raw: RawAudio, start: int, end: int, depth: int = 0) -> Iterator[tuple[RawAudio, Atom]]:
    """Every atom within those that hold others, in the order of the file, and the bytes that it lies in."""
    for atom in atoms(raw, start, end):
        yield raw, atom
        if atom.name == b"cmvd":
            unpacked = InMemory(_unpacked(raw.read_at(atom.start + 4, atom.end - atom.start - 4)))
            yield from _walk(unpacked, 0, unpacked.n_bytes, depth + 1)
        elif atom.name in _PARENTS and depth < _MAX_DEPTH:
            yield from _walk(raw, atom.start, atom.end, depth + 1)


def _unpacked(data: bytes) -> bytes:
    unpacking = zlib.decompressobj()
    try:
        unpacked = unpacking.decompress(data, _MAX_INDEX_BYTES)
    except zlib.error:
        return b""
    if unpacking.unconsumed_tail:
        raise UnreadableAudioError("It is damaged: its index is larger than that of any recording.")
    return unpacked


def _number(raw: RawAudio, offset: int) -> int:
    return int.from_bytes(raw.read_at(offset, 4), "big")


def _timescale(raw: RawAudio, atom: Atom) -> int:
    """Ticks in a second, of a movie or a track."""
    is_long = raw.read_at(atom.start, 1) == b"\1"
    return _number(raw, atom.start + (20 if is_long else 12))


def _table(raw: RawAudio, atom: Atom, kind: str, n_columns: int) -> NDArray[np.float64]:
    """The entries of a table, (entries, columns); of the structures of an edit list the first number, (entries,)."""
    row = np.dtype([("", each) for each in kind.split(",")] if "," in kind else (kind, (n_columns,)))
    n_rows = min(_number(raw, atom.start + 4), (atom.end - atom.start - 8) // row.itemsize)
    data = raw.read_at(atom.start + 8, max(0, n_rows) * row.itemsize)
    rows = np.frombuffer(data[: len(data) // row.itemsize * row.itemsize], row)
    return (rows[rows.dtype.names[0]] if rows.dtype.names else rows).astype(np.float64)
