"""What stands in an audio column, and what tells one clip from another."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from thano_duckdb.audio.source import as_source


def test_locations() -> None:
    assert as_source("a b/ü.wav").location == "a b/ü.wav"
    assert as_source("a.wav").data is None
    assert as_source(b"RIFF").location == "<blob of 4 bytes>"
    assert as_source(b"RIFF").data == b"RIFF"


@pytest.mark.parametrize(
    ("location", "is_url"),
    [
        ("https://example.org/a.wav", True),
        ("S3://bucket/a.wav", True),
        ("memory://a.wav", True),
        ("file:///a.wav", False),
        ("/a.wav", False),
        ("C://a.wav", False),
        ("a:b.wav", False),
    ],
)
def test_what_must_be_fetched(location: str, is_url: bool) -> None:
    assert as_source(location).is_url is is_url


def test_paths_are_absolute(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    assert as_source("x/../a.wav").path == tmp_path / "a.wav"
    assert as_source("~/a.wav").path == tmp_path / "home" / "a.wav"
    assert as_source("file:///x/a%20b.wav").path == Path("/x/a b.wav")
    assert as_source("file://localhost/a.wav").path == Path("/a.wav")


def test_the_memo_key_of_a_file_changes_with_its_content(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "a.wav"
    path.write_bytes(b"one")
    os.utime(path, ns=(0, 5))
    assert as_source("a.wav").memo_key() == as_source(f"file://{path}").memo_key() == (str(path), 3, 5)
    path.write_bytes(b"two")
    os.utime(path, ns=(0, 6))
    assert as_source("a.wav").memo_key() == (str(path), 3, 6)


def test_the_memo_key_of_a_blob_is_its_content() -> None:
    assert as_source(b"one").memo_key() == as_source(bytes(bytearray(b"one"))).memo_key()
    assert as_source(b"one").memo_key() != as_source(b"two").memo_key()
    assert len({as_source(b"one").memo_key(), as_source(b"two").memo_key()}) == 2  # hashable


@pytest.mark.parametrize(
    "location", ["missing.wav", "https://example.org/a.wav", "nul\0.wav", "\ud800.wav", "x" * 5000]
)
def test_there_is_no_memo_key_before_reading(location: str) -> None:
    assert as_source(location).memo_key() is None
