"""Copies of models on other machines: complete or absent, checked by content, limited in size."""

from __future__ import annotations

import os
import time
from dataclasses import replace
from pathlib import Path

import pytest

from thano_duckdb.cluster import node_files
from thano_duckdb.cluster.node_files import FolderContent, NodeFiles
from thano_duckdb.errors import ModelError

FILES = {"config.json": b"{}", "empty.txt": b"", "model.safetensors": bytes(range(256)) * 10}


@pytest.fixture
def content(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> FolderContent:
    monkeypatch.setattr(node_files, "CHUNK_BYTES", 1000)
    return written(tmp_path / "driver", FILES)


def written(folder: Path, files: dict[str, bytes]) -> FolderContent:
    folder.mkdir()
    for name, data in files.items():
        (folder / name).write_bytes(data)
    return FolderContent.read(folder.iterdir())


def elsewhere(content: FolderContent) -> FolderContent:
    """The same as a machine knows it that does not see the folder of the driver."""
    return replace(content, folder=Path("/not/on/this/machine"))


def test_a_copy_has_the_files_of_the_driver(content: FolderContent, tmp_path: Path) -> None:
    files = NodeFiles(tmp_path / "node")
    assert files.find(elsewhere(content)) is None
    copy = files.receive(elsewhere(content), content.chunks())
    assert {path.name: path.read_bytes() for path in copy.iterdir()} == FILES
    assert files.find(elsewhere(content)) == copy
    assert copy.name == content.digest


def test_files_that_a_machine_sees_are_not_copied(content: FolderContent, tmp_path: Path) -> None:
    assert NodeFiles(tmp_path / "node").find(content) == content.folder
    assert not (tmp_path / "node").exists()


def test_other_files_at_the_same_path_are_not_taken_for_those_of_the_driver(
    content: FolderContent, tmp_path: Path
) -> None:
    (content.folder / "config.json").write_bytes(b"[]")  # of the same size
    assert NodeFiles(tmp_path / "node").find(content) is None


def test_a_folder_elsewhere_with_the_same_content_is_the_same_copy(content: FolderContent, tmp_path: Path) -> None:
    assert written(tmp_path / "moved", FILES).digest == content.digest
    assert written(tmp_path / "changed", {**FILES, "config.json": b"[]"}).digest != content.digest


def test_a_second_worker_of_a_machine_receives_nothing(content: FolderContent, tmp_path: Path) -> None:
    files = NodeFiles(tmp_path / "node")
    copy = files.receive(elsewhere(content), content.chunks())
    assert NodeFiles(tmp_path / "node").receive(elsewhere(content), iter(())) == copy


@pytest.mark.parametrize("sent", [[b"{}"], [b"{]", b"x" * 2560], [b"{}", bytes(2560)]])
def test_what_was_cut_short_or_changed_leaves_no_copy(
    content: FolderContent, tmp_path: Path, sent: list[bytes]
) -> None:
    files = NodeFiles(tmp_path / "node")
    with pytest.raises(ModelError, match="changed while it was sent"):
        files.receive(elsewhere(content), sent)
    assert files.find(elsewhere(content)) is None
    assert [path for path in files.folder.iterdir() if path.is_dir()] == []


def test_what_a_killed_process_left_is_removed(content: FolderContent, tmp_path: Path) -> None:
    files = NodeFiles(tmp_path / "node")
    unfinished = files.folder / f"{content.digest}.abcd"
    unfinished.mkdir(parents=True)
    files.receive(elsewhere(content), content.chunks())
    assert not unfinished.exists()


def test_a_damaged_copy_is_written_again(content: FolderContent, tmp_path: Path) -> None:
    files = NodeFiles(tmp_path / "node")
    copy = files.receive(elsewhere(content), content.chunks())
    (copy / "model.safetensors").write_bytes(b"short")
    assert files.find(elsewhere(content)) is None
    assert files.receive(elsewhere(content), content.chunks()) == copy
    assert files.find(elsewhere(content)) == copy


def test_copies_that_were_not_used_for_long_make_space(content: FolderContent, tmp_path: Path) -> None:
    files = NodeFiles(tmp_path / "node", max_bytes=2 * content.n_bytes)
    others = [written(tmp_path / name, {"a.txt": name.encode() * 400}) for name in ("old", "new", "now")]
    long_ago = time.time() - 24 * 3600
    copies = [files.receive(elsewhere(other), other.chunks()) for other in others]
    for age_s, copy in zip((20, 10), copies, strict=False):
        os.utime(copy, (long_ago - age_s, long_ago - age_s))
    files.receive(elsewhere(content), content.chunks())
    assert [copy.exists() for copy in copies] == [False, True, True]


def test_a_machine_without_space_says_what_to_do(content: FolderContent, tmp_path: Path) -> None:
    (tmp_path / "node").write_text("a file")
    with pytest.raises(ModelError, match="XDG_CACHE_HOME"):
        NodeFiles(tmp_path / "node").receive(elsewhere(content), content.chunks())
