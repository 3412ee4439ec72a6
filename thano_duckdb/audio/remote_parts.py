"""A file at a URL of which only those parts are fetched that are read: its header, as a rule."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable
from types import TracebackType
from typing import BinaryIO, Self, cast

BLOCK_BYTES = 64 * 1024
"""The least that is fetched at a time; also the beginning, which comes first."""
_MAX_BLOCKS = 64
"""The most that is fetched ahead of a reader that reads on and on."""


class RemoteParts:
    """A file object, and a `RawAudio`, over what is fetched in blocks and kept in a temporary file without a name.

    A context manager. libsndfile reads it by callbacks, in which no exception may be raised: an error of the server
    looks to it like the end of the file, and is raised at the end of the block.

    Attributes:
        n_bytes: the size of the whole file.
    """

    def __init__(self, beginning: bytes, n_bytes: int, fetch: Callable[[int, int], bytes]) -> None:
        """A file of `n_bytes` that starts with `beginning`.

        Args:
            beginning: its first `BLOCK_BYTES`, or all of it.
            n_bytes: its size.
            fetch: gives the bytes from one offset up to, but not including, another.
        """
        self.n_bytes = n_bytes
        self._fetch = fetch
        self._at = 0
        self._error: Exception | None = None
        self._file = tempfile.TemporaryFile()  # noqa: SIM115 - closed by __exit__
        self._has = {0}
        self._file.write(beginning)
        self._file.flush()
        self._next, self._n_ahead = 1, 1

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._file.close()
        if self._error is not None:  # whatever was made of the end of the file that it seemed to be
            raise self._error

    # As a file object

    def read(self, size: int = -1, /) -> bytes:
        """The next `size` bytes, fewer at the end; none after an error."""
        if self._error is not None:
            return b""
        try:
            found = self.read_at(self._at, self.n_bytes if size < 0 else size)
        except Exception as error:  # noqa: BLE001 - raised by __exit__
            self._error = error
            return b""
        self._at += len(found)
        return found

    def seek(self, offset: int, whence: int = os.SEEK_SET, /) -> int:
        """Go to an offset; a negative one, as a broken header may give, is the beginning."""
        base = {os.SEEK_SET: 0, os.SEEK_CUR: self._at, os.SEEK_END: self.n_bytes}[whence]
        self._at = max(0, base + offset)
        return self._at

    def tell(self) -> int:
        """The offset of the next byte."""
        return self._at

    # As a RawAudio

    @property
    def handle(self) -> BinaryIO:
        """See `RawAudio`."""
        return cast(BinaryIO, self)

    def position(self) -> int:
        """See `RawAudio`."""
        return self._at

    def read_at(self, offset: int, n_bytes: int) -> bytes:
        """See `RawAudio`.

        Raises:
            UnreadableAudioError: the server does not send them.
        """
        stop = min(offset + n_bytes, self.n_bytes)
        for block in range(offset // BLOCK_BYTES, -(-stop // BLOCK_BYTES)):
            if block not in self._has:
                self._get(block, stop)
        return os.pread(self._file.fileno(), max(0, stop - offset), offset)

    def _get(self, block: int, stop: int) -> None:
        """Fetch blocks from `block` on: those before `stop`, and more each time if the reader reads on."""
        self._n_ahead = min(2 * self._n_ahead, _MAX_BLOCKS) if block == self._next else 1
        n_blocks = max(self._n_ahead, min(-(-stop // BLOCK_BYTES) - block, _MAX_BLOCKS))
        n_blocks = next((n for n in range(1, n_blocks) if block + n in self._has), n_blocks)  # none a second time
        start, end = block * BLOCK_BYTES, min((block + n_blocks) * BLOCK_BYTES, self.n_bytes)
        os.pwrite(self._file.fileno(), self._fetch(start, end), start)
        self._has.update(range(block, block + n_blocks))
        self._next = block + n_blocks
