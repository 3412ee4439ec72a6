"""The files of a model on another machine: described by content, sent in pieces, kept in the cache folder of its user.

A worker that sees the very files where the driver has them, on shared storage or on the same machine, uses those. Any
other gets a copy, once per machine. A copy is written aside, checked, and becomes visible by one rename.
"""

from __future__ import annotations

import contextlib
import functools
import hashlib
import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import filelock

from thano_duckdb.errors import ModelError
from thano_duckdb.models.folder_cache import MAX_BYTES, FolderCache

CHUNK_BYTES = 32 * 2**20
"""Of a file that is sent at a time; what a receiver holds in memory."""


@dataclass(frozen=True)
class FileContent:
    """A file of a `FolderContent`: its name, its size, and the SHA-256 of its bytes in hexadecimal."""

    name: str
    n_bytes: int
    sha256: str


@dataclass(frozen=True)
class FolderContent:
    """Files of one folder, by content.

    Attributes:
        folder: where the driver has them.
        files: sorted by name.
    """

    folder: Path
    files: tuple[FileContent, ...]

    @classmethod
    def read(cls, paths: Iterable[Path]) -> FolderContent:
        """Describe files of one folder; a file that has not changed is hashed once per process.

        Raises:
            ModelError: one of them cannot be read.
        """
        paths = sorted(paths)
        try:
            files = tuple(_file_content(path) for path in paths)
        except OSError as error:
            raise ModelError(f"{error.filename} cannot be read: {error.strerror or error}") from error
        return cls(paths[0].parent.absolute(), files)

    @property
    def digest(self) -> str:
        """Identifies the content, wherever the files lie."""
        listed = "\n".join(f"{file.sha256} {file.n_bytes} {file.name}" for file in self.files)
        return hashlib.sha256(listed.encode()).hexdigest()

    @property
    def n_bytes(self) -> int:
        """Of all files."""
        return sum(file.n_bytes for file in self.files)

    def is_at(self, folder: Path) -> bool:
        """Whether a folder of this machine has these files, with the same content."""
        with contextlib.suppress(OSError):
            return self._has_sizes(folder) and all(_file_content(folder / file.name) == file for file in self.files)
        return False

    def _has_sizes(self, folder: Path) -> bool:
        return all((folder / file.name).stat().st_size == file.n_bytes for file in self.files)

    def chunks(self) -> Iterator[bytes]:
        """The bytes of all files, one file after the other, in pieces of `CHUNK_BYTES` at most.

        Raises:
            ModelError: a file cannot be read.
        """
        for file in self.files:
            path = self.folder / file.name
            try:
                with path.open("rb") as opened:
                    while chunk := opened.read(CHUNK_BYTES):
                        yield chunk
            except OSError as error:
                raise ModelError(f"{path} cannot be read: {error.strerror or error}") from error


class NodeFiles:
    """The copies on this machine, in a `FolderCache` by digest."""

    def __init__(self, folder: Path | None = None, *, max_bytes: int = MAX_BYTES) -> None:
        """Keep copies in a folder; None: in the cache folder of the user."""
        self._copies = FolderCache("shipped", folder, max_bytes=max_bytes)
        self.folder = self._copies.folder

    def find(self, content: FolderContent) -> Path | None:
        """Where this machine has some files: where the driver has them, or in a copy; None if it lacks them."""
        if content.is_at(content.folder):
            return content.folder
        return self._copies.find(content.digest, content._has_sizes)

    def receive(self, content: FolderContent, chunks: Iterable[bytes]) -> Path:
        """Write a copy; `chunks` are those of `content`, and are not read where another process was faster.

        Raises:
            ModelError: there is no space, or what came is not the content.
        """
        if content.is_at(content.folder):
            return content.folder
        rest = iter(chunks)

        def write(folder: Path) -> None:
            for file in content.files:
                _write_file(folder / file.name, file, rest)

        try:
            return self._copies.create(content.digest, write, n_bytes=content.n_bytes, is_complete=content._has_sizes)
        except filelock.Timeout:
            raise ModelError("another worker has been receiving the same model for too long") from None
        except OSError as error:
            raise ModelError(
                f"the model cannot be copied to {self.folder}: {error.strerror or error}; set XDG_CACHE_HOME to a "
                "folder with space, or keep models on storage that all machines share"
            ) from error


def _write_file(path: Path, file: FileContent, chunks: Iterator[bytes]) -> None:
    """Write a file from the next chunks.

    Raises:
        ModelError: they are not its content.
    """
    digest, n_left = hashlib.sha256(), file.n_bytes
    with path.open("xb") as opened:
        while n_left > 0:
            chunk = next(chunks, b"")
            if not chunk:
                break
            opened.write(chunk)
            digest.update(chunk)
            n_left -= len(chunk)
        opened.flush()
        os.fsync(opened.fileno())
    if n_left or digest.hexdigest() != file.sha256:
        raise ModelError(
            f"the model changed while it was sent to other machines ({file.name}): run the statement again"
        )


def _file_content(path: Path) -> FileContent:
    status = path.stat()
    version = (status.st_size, status.st_mtime_ns, status.st_ctime_ns, status.st_ino, status.st_dev)
    return FileContent(path.name, status.st_size, _sha256(path, version))


@functools.lru_cache(maxsize=1024)
def _sha256(path: Path, _version: Sequence[int]) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
