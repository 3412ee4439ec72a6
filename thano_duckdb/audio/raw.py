"""The encoded bytes of a clip: an open file, or bytes in memory."""

from __future__ import annotations

import io
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import BinaryIO, Protocol

from thano_duckdb.errors import brief_location

from .failure import UnreadableAudioError
from .limited_file import LimitedFile
from .limits import ReadLimits
from .remote import fetch
from .source import Clip

_EMPTY = "It is empty (0 bytes)."


class RawAudio(Protocol):
    """The encoded bytes of a clip, as the readers need them."""

    @property
    def handle(self) -> int | BinaryIO:
        """What a reader opens: a file descriptor or a file object."""

    @property
    def n_bytes(self) -> int:
        """The size of the file."""

    def read_at(self, offset: int, n_bytes: int) -> bytes:
        """`n_bytes` from `offset`, fewer at the end; does not change the position."""

    def position(self) -> int:
        """How far the reader has read, in bytes."""


@dataclass(frozen=True)
class OpenFile:
    """A regular file. libsndfile gets the descriptor, not the name, because it would trust the extension."""

    handle: int
    n_bytes: int

    def read_at(self, offset: int, n_bytes: int) -> bytes:
        """See `RawAudio`."""
        # A broken header may point further than any offset of the operating system.
        return os.pread(self.handle, n_bytes, offset) if offset < self.n_bytes else b""

    def position(self) -> int:
        """See `RawAudio`."""
        return os.lseek(self.handle, 0, os.SEEK_CUR)


class _Memory(io.BytesIO):
    """Bytes whose `seek` never raises: with a broken header, libsndfile seeks to any offset, even a negative one."""

    def __init__(self, data: bytes | bytearray) -> None:
        super().__init__(data)
        self._n_bytes = len(data)

    def seek(self, offset: int, whence: int = os.SEEK_SET, /) -> int:
        base = {os.SEEK_SET: 0, os.SEEK_CUR: self.tell(), os.SEEK_END: self._n_bytes}[whence]
        return super().seek(max(0, base + offset))


class InMemory:
    """A BLOB, or the bytes that were fetched from a URL."""

    def __init__(self, data: bytes | bytearray) -> None:
        """Wrap `data`; bytes are not copied."""
        self._data = data
        self.handle = _Memory(data)
        self.n_bytes = len(data)

    def read_at(self, offset: int, n_bytes: int) -> bytes:
        """See `RawAudio`."""
        return bytes(self._data[offset : offset + n_bytes])

    def position(self) -> int:
        """See `RawAudio`."""
        return self.handle.tell()


@contextmanager
def open_raw(clip: Clip, limits: ReadLimits, *, in_parts: bool = False) -> Iterator[RawAudio]:
    """The bytes of `clip`: an open regular file, or in memory for a BLOB or a small download.

    For `in_parts`, of a clip at a URL only those parts are fetched that are read, if its server sends parts.

    Raises:
        UnreadableAudioError: it is missing, not a regular file, not permitted, empty, too large, or cannot be fetched.
    """
    if clip.data is not None:
        limits.check_bytes(len(clip.data))
        yield InMemory(_not_empty(clip.data))
        return
    if clip.is_url:
        with LimitedFile(limits) as download:
            parts = fetch(clip.location, download, limits, in_parts=in_parts)
            if parts is not None:
                with parts:
                    if not parts.n_bytes:
                        raise UnreadableAudioError(_EMPTY)
                    yield parts
                return
            content = download.content()
            yield OpenFile(content, download.n_bytes) if isinstance(content, int) else InMemory(_not_empty(content))
        return
    descriptor = _open_regular_file(clip)
    try:
        n_bytes = os.fstat(descriptor).st_size
        if not n_bytes:
            raise UnreadableAudioError("The file is empty (0 bytes).")
        limits.check_bytes(n_bytes)
        yield OpenFile(descriptor, n_bytes)
    finally:
        os.close(descriptor)


def _not_empty(data: bytes) -> bytes:
    if not data:
        raise UnreadableAudioError(_EMPTY)
    return data


def _open_regular_file(clip: Clip) -> int:
    """Open the file at the path of a clip. Only regular files are opened: reading a pipe would hang."""
    if not clip.location:
        raise UnreadableAudioError("The path is empty.")
    shown = brief_location(clip.location)  # where the working folder was deleted, a relative path leads nowhere
    try:
        path = clip.path
        shown = brief_location(str(path))
        mode = path.stat().st_mode
        if stat.S_ISDIR(mode):
            raise UnreadableAudioError(f"{shown} is a directory, not an audio file.")
        if not stat.S_ISREG(mode):
            raise UnreadableAudioError(f"{shown} is a pipe, a socket or a device; only regular files are read.")
        # O_NONBLOCK has no effect on a regular file; opening a pipe that replaced it a moment ago does not hang.
        return os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0))
    except (FileNotFoundError, NotADirectoryError) as error:
        raise UnreadableAudioError(f"No such file: '{shown}'.") from error
    except PermissionError as error:
        raise UnreadableAudioError(f"No permission to read '{shown}'.") from error
    except OSError as error:
        raise UnreadableAudioError(f"{shown} cannot be read: {error.strerror}.") from error
    except ValueError as error:  # "embedded null byte", or a character that no file name can hold
        raise UnreadableAudioError(f"This is not a path: {error}.") from error
