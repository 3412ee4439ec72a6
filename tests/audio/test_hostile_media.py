"""Headers that no recorder writes: sizes and counts that would cost memory, time or an exception."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from tests.audio.sounds import reason, waveform
from thano_duckdb.audio.remote_parts import RemoteParts

_ASF = bytes.fromhex("3026b2758e66cf11a6d900aa0062ce6c") + struct.pack("<QIBB", 1 << 40, 2, 1, 2)


def _atom(name: bytes, *content: bytes) -> bytes:
    joined = b"".join(content)
    return struct.pack(">I4s", 8 + len(joined), name) + joined


def _full(name: bytes, *content: bytes, flags: int = 0) -> bytes:
    return _atom(name, struct.pack(">I", flags), *content)


def _table(name: bytes, *rows: tuple[int, ...]) -> bytes:
    return _full(name, struct.pack(">I", len(rows)), *(struct.pack(f">{len(row)}I", *row) for row in rows))


def _movie(
    *,
    sample_bytes: int = 2,
    n_samples: int = 16_000,
    ticks: int = 1,
    samples_in_chunk: int = 16_000,
    n_chunks: int = 1,
    edits: Sequence[tuple[int, int, int]] = (),
    compressed: bool = False,
    fragments: bytes = b"",
) -> bytes:
    """A QuickTime file with a second of silence in one chunk, and whatever its index says about it."""
    head = _atom(b"ftyp", b"qt  \0\0\0\0")
    sound = _atom(b"sowt", bytes(6), struct.pack(">H8xHHHHI", 1, 1, 16, 0, 0, 16_000 << 16))
    tables = (
        _full(b"stsd", struct.pack(">I", 1), sound),
        _table(b"stts", (n_samples, ticks)),
        _table(b"stsc", (1, samples_in_chunk, 1)),
        _full(b"stsz", struct.pack(">II", sample_bytes, n_samples)),
        _table(b"stco", *[(len(head) + 8,)] * n_chunks),
    )
    media = _atom(
        b"mdia",
        _full(b"mdhd", struct.pack(">4I4x", 0, 0, 16_000, 16_000)),
        _full(b"hdlr", b"mhlrsoun", bytes(13)),
        _atom(b"minf", _full(b"smhd", bytes(4)), _atom(b"stbl", *tables)),
    )
    track = _atom(
        b"trak", _full(b"tkhd", struct.pack(">5I60x", 0, 0, 1, 0, 1000)), _atom(b"edts", _table(b"elst", *edits)), media
    )
    movie = (
        _full(b"mvhd", struct.pack(">4I80x", 0, 0, 1000, 1000))
        + track
        + _atom(b"mvex", _full(b"trex", struct.pack(">5I", 1, 1, 1, 1, 0)))
    )
    if compressed:
        whole = _atom(b"moov", movie)
        packed = struct.pack(">I", len(whole)) + zlib.compress(whole)
        movie = _atom(b"cmov", _atom(b"dcom", b"zlib"), _atom(b"cmvd", packed))
    return head + _atom(b"mdat", bytes(32_000)) + _atom(b"moov", movie) + fragments


_FRAGMENT = _atom(
    b"moof",
    _full(b"mfhd", struct.pack(">I", 1)),
    _atom(
        b"traf",
        _full(b"tfhd", struct.pack(">III", 1, 1, 1), flags=0x20018),
        _full(b"trun", struct.pack(">I", 50_000_000)),
    ),
)

READABLE: dict[str, dict[str, Any]] = {
    "plain": {},
    "compressed index": {"compressed": True},
    "an edit to the end": {"edits": [(2**32 - 1, 0, 1 << 16)]},
    "edits that cut the recording in pieces": {"edits": [(1, n, 1 << 16) for n in range(0, 16_000, 16)]},
}
HUGE: dict[str, dict[str, Any]] = {
    "packets of one size": {"n_samples": 20_000_000, "ticks": 1024, "samples_in_chunk": 20_000_000},
    "in a compressed index": {
        "n_samples": 20_000_000,
        "ticks": 1024,
        "samples_in_chunk": 20_000_000,
        "compressed": True,
    },
    "chunks of samples": {"n_samples": 100_000_000, "samples_in_chunk": 100_000_000, "n_chunks": 100},
    "edits": {"ticks": 1024, "edits": [(1_024_000, 0, 1 << 16)] * 2000},
    "a fragment": {"fragments": _FRAGMENT},
}


@pytest.mark.parametrize("changes", READABLE.values(), ids=READABLE)
def test_an_index_as_recorders_and_editors_write_it(changes: dict[str, Any]) -> None:
    assert waveform(_movie(**changes)).duration_s == pytest.approx(1, abs=0.1)


@pytest.mark.parametrize("changes", HUGE.values(), ids=HUGE)
def test_an_index_that_would_take_gigabytes_is_a_failure(changes: dict[str, Any]) -> None:
    assert reason(_movie(**changes)) == "It is damaged: its index lists more audio than the file can hold."


def test_a_compressed_index_that_expands_to_gigabytes_is_a_failure() -> None:
    packed = zlib.compress(bytes(100_000_000))
    content = _atom(b"ftyp", b"qt  \0\0\0\0") + _atom(b"moov", _atom(b"cmov", _atom(b"cmvd", bytes(4), packed)))
    assert reason(content) == "It is damaged: its index is larger than that of any recording."


def test_a_file_of_nothing_but_atoms_is_a_failure() -> None:
    content = _movie() + _atom(b"free") * 2_000_000
    assert reason(content) == "It is damaged: it is made of more parts than any recording has."


@pytest.mark.parametrize(
    "content",
    [
        _atom(b"ftyp", b"M4A \0\0\0\0") + struct.pack(">I4sQ", 1, b"mdat", 2**64 - 1),
        _atom(b"ftyp", b"qt  \0\0\0\0") + struct.pack(">I4sQ", 1, b"free", 2**63 - 1) + _atom(b"moov"),
        _ASF + bytes(16) + struct.pack("<Q", 2**64 - 1) + bytes(100),
        b"caff\0\1\0\0" + struct.pack(">4sqd4s5I", b"desc", 32, 16_000, b"opus", 0, 0, 960, 1, 0)
        + struct.pack(">4sq", b"free", 2**63 - 1),
    ],
    ids=["MP4", "MOV", "ASF", "CAF"],
)  # fmt: skip
def test_a_size_beyond_every_file_is_a_failure(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "clip").write_bytes(content)
    assert reason(tmp_path / "clip") == reason(content)
    with RemoteParts(content, len(content), lambda start, stop: content[start:stop]) as parts:
        assert parts.read_at(2**64, 8) == b""


def test_a_file_whose_header_promises_less_than_it_lists_is_not_said_to_hold_more() -> None:
    content = _movie(n_samples=900_000, ticks=1024, samples_in_chunk=900_000)
    assert reason(content).startswith("The file was cut short: its end is missing after ")
