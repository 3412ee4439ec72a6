"""A download while it arrives: in memory as long as it is small, then in a temporary file without a name."""

from __future__ import annotations

import tempfile
from types import TracebackType
from typing import Self

from .limits import ReadLimits

MAX_MEMORY_BYTES = 16 * 1024 * 1024


class LimitedFile:
    """Takes bytes up to `ReadLimits.max_bytes`. A context manager; what it took is gone at its end."""

    def __init__(self, limits: ReadLimits) -> None:
        self._limits = limits
        self._file = tempfile.SpooledTemporaryFile(MAX_MEMORY_BYTES)  # noqa: SIM115 - closed by __exit__
        self.n_bytes = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._file.close()

    def write(self, chunk: bytes) -> None:
        """Add `chunk` at the end.

        Raises:
            UnreadableAudioError: then it is larger than allowed.
            OSError: the disk is full.
        """
        self.n_bytes += len(chunk)
        self._limits.check_bytes(self.n_bytes)
        self._file.write(chunk)

    def content(self) -> bytes | int:
        """All the bytes, or, of many, the descriptor of the file that has them; it is closed at the end of this one."""
        self._file.seek(0)  # and flush
        return self._file.read() if self.n_bytes <= MAX_MEMORY_BYTES else self._file.fileno()
