"""A file for what would otherwise be held in memory.

It has no name: the kernel removes it when it is closed, and when its process ends, even if that is killed.
"""

from __future__ import annotations

import contextlib
import threading
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from thano_duckdb.audio.source import Clip

if TYPE_CHECKING:
    from io import FileIO


class SpillFile:
    """Contents that are appended and read again by their position. Any thread may use it."""

    def __init__(self, file: FileIO) -> None:
        """Take over an empty unbuffered `file`, as `Registry.temporary_file` gives it."""
        self._file = file
        self._lock = threading.Lock()
        self._end = 0

    def append(self, content: bytes) -> int:
        """Write `content` at the end; returns its position.

        Raises:
            OSError: it does not fit on the disk; what was written before is unharmed.
        """
        with self._lock:
            position = self._file.seek(self._end)
            left = memoryview(content)
            while left:
                left = left[self._file.write(left) :]
            self._end = self._file.tell()
        return position

    def read(self, position: int, n_bytes: int) -> bytearray:
        """The content of `n_bytes` that was appended at `position`.

        Raises:
            OSError: the file ends before that, or cannot be read.
        """
        content = bytearray(n_bytes)
        left = memoryview(content)
        with self._lock:
            self._file.seek(position)
            while left:
                if not (n_read := self._file.readinto(left)):
                    raise OSError(f"a spill file ends {len(left)} bytes before the end of what was written to it")
                left = left[n_read:]
        return content

    def close(self) -> None:
        """Remove the file; a second call does nothing."""
        self._file.close()

    def __del__(self) -> None:
        with contextlib.suppress(Exception):  # at the end of the process modules may be gone
            self.close()


@dataclass(frozen=True)
class SpilledClip:
    """A clip whose BLOB is in a spill file.

    Attributes:
        clip: all of it but the BLOB.
        file: where the BLOB is.
        position: of the BLOB in the file.
        n_bytes: its size.
    """

    clip: Clip
    file: SpillFile
    position: int
    n_bytes: int

    def read(self) -> Clip:
        """The clip with its BLOB."""
        return replace(self.clip, data=bytes(self.file.read(self.position, self.n_bytes)))
