"""The bytes of a clip as a file object for PyAV."""

from __future__ import annotations

import io

from .raw import RawAudio


class RawHandle:
    """Reads `raw` from any position. It never raises: PyAV prints an exception that it cannot pass on.

    Attributes:
        error: the first failure of the disk or network; what follows it looks like the end of the file.
    """

    def __init__(self, raw: RawAudio) -> None:
        """Begin at the first byte of `raw`."""
        self.error: OSError | None = None
        self._raw = raw
        self._position = 0

    def read(self, n_bytes: int) -> bytes:
        """The next `n_bytes`, fewer at the end."""
        if self.error is not None:
            return b""
        try:
            data = self._raw.read_at(self._position, n_bytes)
        except OSError as error:
            self.error = error
            return b""
        self._position += len(data)
        return data

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """Go to `offset` and return the position; -1, as ffmpeg expects, where it lies before the file."""
        base = {io.SEEK_SET: 0, io.SEEK_CUR: self._position, io.SEEK_END: self._raw.n_bytes}[whence]
        if base + offset < 0:
            return -1
        self._position = base + offset
        return self._position

    def tell(self) -> int:
        """The position."""
        return self._position
