"""Clips as values: what an audio column holds, and what distinguishes one clip from another."""

from __future__ import annotations

import dataclasses
import os
import time
from pathlib import Path
from typing import Any

import pytest

from thano_duckdb.audio.source import Clip, beside


def test_a_clip_has_a_location_or_data() -> None:
    assert Clip.of("a b/ü.wav").location == "a b/ü.wav"
    assert Clip.of("a.wav").data is None
    assert Clip.of(b"RIFF").location == "<blob of 4 bytes>"
    assert Clip.of(b"RIFF").data == b"RIFF"


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
def test_urls_other_than_files_are_fetched(location: str, is_url: bool) -> None:
    assert Clip.of(location).is_url is is_url


def test_paths_are_absolute(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    assert Clip.of("x/../a.wav").path == tmp_path / "a.wav"
    assert Clip.of("~/a.wav").path == tmp_path / "home" / "a.wav"
    assert Clip.of("file:///x/a%20b.wav").path == Path("/x/a b.wav")
    assert Clip.of("file://localhost/a.wav").path == Path("/a.wav")


@pytest.mark.parametrize(
    ("file", "location", "found"),
    [
        ("data/x.parquet", "a.wav", "data/a.wav"),
        ("x.parquet", "a.wav", "a.wav"),
        ("/data/x.parquet", "../a.wav", "/data/../a.wav"),
        ("/data/x.parquet", "/b/a.wav", "/b/a.wav"),
        ("/data/x.parquet", "~/a.wav", "~/a.wav"),
        ("/data/x.parquet", "file:///b/a.wav", "file:///b/a.wav"),
        ("/data/x.parquet", "https://example.org/a.wav", "https://example.org/a.wav"),
        ("s3://bucket/d/x.parquet", "a.wav", "s3://bucket/d/a.wav"),
        ("s3://bucket/d/x.parquet", "/b/a.wav", "/b/a.wav"),
        ("/data/x.parquet", "", ""),
    ],
)
def test_relative_paths_start_from_the_folder_of_a_file(file: str, location: str, found: str) -> None:
    assert beside(file, location) == found


def test_the_content_key_of_a_file_changes_with_its_content(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "a.wav"
    path.write_bytes(b"one")
    os.utime(path, ns=(0, 5))
    before = Clip.of("a.wav").content_key()
    assert before == Clip.of(f"file://{path}").content_key()
    assert before is not None
    assert before.source[:3] == (str(path), 3, 5)
    path.write_bytes(b"two")
    os.utime(path, ns=(0, 6))
    assert Clip.of("a.wav").content_key() != before


def test_the_content_key_changes_with_a_file_of_the_same_size_and_time(tmp_path: Path) -> None:
    path, other = tmp_path / "a.wav", tmp_path / "b.wav"
    for file in (path, other):
        file.write_bytes(b"one")
        os.utime(file, ns=(0, 5))
    keys = [Clip.of(str(path)).content_key()]
    other.replace(path)  # as rsync and archives do
    keys.append(Clip.of(str(path)).content_key())
    time.sleep(0.02)  # a file system counts in steps
    path.write_bytes(b"two")
    os.utime(path, ns=(0, 5))
    keys.append(Clip.of(str(path)).content_key())
    assert len(set(keys)) == 3


def test_the_content_key_of_a_blob_is_its_content() -> None:
    assert Clip.of(b"one").content_key() == Clip.of(bytes(bytearray(b"one"))).content_key()
    assert Clip.of(b"one").content_key() != Clip.of(b"two").content_key()
    assert len({Clip.of(b"one").content_key(), Clip.of(b"two").content_key()}) == 2  # hashable


@pytest.mark.parametrize("value", [b"one", __file__])
def test_each_channel_and_each_part_has_a_content_key_of_its_own(value: str | bytes) -> None:
    whole = Clip.of(value)
    selections: list[dict[str, Any]] = [{"channel": 0}, {"channel": 1}, {"start_s": 1.0}, {"stop_s": 1.0}, {}]
    selections.append({"stop_s": 1.0, "clamps_stop": True})
    clips = [dataclasses.replace(whole, **selected) for selected in selections]
    assert len({clip.content_key() for clip in clips}) == len(clips)


@pytest.mark.parametrize(
    "location", ["missing.wav", "https://example.org/a.wav", "nul\0.wav", "\ud800.wav", "x" * 5000]
)
def test_there_is_no_content_key_if_nothing_is_known_before_reading(location: str) -> None:
    assert Clip.of(location).content_key() is None
