"""What is needed of a database that opens URLs by itself: with file systems, secrets and settings of its own."""

from __future__ import annotations

from typing import Protocol


class DatabaseFile(Protocol):
    """A file that a database opens. Its methods block, and raise `UnreadableAudioError` with the reason."""

    def n_bytes(self) -> int:
        """The size, found without reading the content."""

    def content(self) -> bytes:
        """All the bytes."""

    def interrupt(self) -> None:
        """Stop what another thread reads: it is not needed any more."""

    def close(self) -> None:
        """Called once, when nothing is being read any more."""


class DatabaseFiles(Protocol):
    """The files at URLs that a database opens by itself."""

    def reads(self, url: str, protocol: str) -> bool:
        """Whether it opens `url`, whose protocol is in lower case."""

    def open(self, url: str) -> DatabaseFile:
        """The file at `url`, not read yet."""
