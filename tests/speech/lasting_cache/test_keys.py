"""The keys of files: each version of a file has its own, and files that were made together have keys close together."""

from __future__ import annotations

from thano_duckdb.audio.source import FileVersion
from thano_duckdb.speech.lasting_cache.store import version_key

VERSION = FileVersion("/calls/a.wav", 1000, 10, 20, 123_456_789_012, 7)


def test_every_part_of_a_version_counts() -> None:
    others = [VERSION._replace(**{name: value + 1}) for name, value in VERSION._asdict().items() if name != "path"]
    keys = {version_key(version) for version in (VERSION, VERSION._replace(path="/calls/b.wav"), *others)}
    assert len(keys) == len(VERSION) + 1
    assert {len(key) for key in keys} == {16}


def test_files_that_were_made_together_are_close_together() -> None:
    together = [VERSION._replace(path=f"/calls/{number}.wav", inode=4096 + number) for number in range(256)]
    others = [version._replace(inode=version.inode + 256) for version in together]
    assert max(map(version_key, together)) < min(map(version_key, others))


def test_any_inode_and_any_name_has_a_key() -> None:
    for inode in (0, 2**32 - 1, 2**40, 2**64 - 1):
        assert len(version_key(VERSION._replace(path="/calls/\udcff.wav", inode=inode))) == 16
