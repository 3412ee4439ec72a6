"""Headers that no recorder writes: sizes and counts that would cost memory, time or an exception."""

from __future__ import annotations

import struct
from pathlib import Path

import pytest

from tests.audio.sounds import reason
from thano_duckdb.audio.remote_parts import RemoteParts

_ASF = bytes.fromhex("3026b2758e66cf11a6d900aa0062ce6c") + struct.pack("<QIBB", 1 << 40, 2, 1, 2)


def _atom(name: bytes, *content: bytes) -> bytes:
    joined = b"".join(content)
    return struct.pack(">I4s", 8 + len(joined), name) + joined


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
