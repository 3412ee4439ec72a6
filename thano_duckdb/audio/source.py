"""What an audio column holds: a path, a URL, or the bytes of a file."""

from __future__ import annotations

import hashlib
import os
import re
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote

# Two letters at least, so that `C://clip.wav` is a path.
_URL = re.compile(r"[A-Za-z][A-Za-z0-9+.\-]+://")
_FILE_URL = re.compile(r"file://(?:localhost(?=/))?", re.IGNORECASE)


@dataclass(frozen=True)
class Clip:
    """One clip, not read yet.

    Attributes:
        location: the path or URL as the user wrote it, or `<blob of n bytes>`.
        data: the bytes of a BLOB, None for a path or URL.
    """

    location: str
    data: bytes | None = None

    @classmethod
    def of(cls, value: str | bytes) -> Clip:
        """The clip that a value of an audio column stands for: text is a path or URL, bytes are the file itself."""
        if isinstance(value, bytes):
            return cls(f"<blob of {len(value)} bytes>", value)
        return cls(value)

    @property
    def is_url(self) -> bool:
        """Whether the clip must be fetched: a URL other than `file://`."""
        return self.data is None and bool(_URL.match(self.location)) and not _FILE_URL.match(self.location)

    @property
    def path(self) -> Path:
        """The absolute local path of a clip that is neither a URL nor a BLOB; `~` and `file://` are resolved."""
        return Path(self._absolute_path())

    def _absolute_path(self) -> str:  # without pathlib, which takes longer than the file system
        if file_url := _FILE_URL.match(self.location):
            return os.path.abspath(unquote(self.location[file_url.end() :]))
        return os.path.abspath(os.path.expanduser(self.location))

    def content_key(self) -> tuple[object, ...] | None:
        """What tells this clip from every other, without reading its file.

        Returns:
            (absolute path, size in bytes, modification time in ns), or (BLAKE2b hash of the BLOB,), or None where
            nothing is known before reading: a URL, a missing file.
        """
        if self.data is not None:
            return (hashlib.blake2b(self.data, digest_size=32).digest(),)
        if self.is_url:
            return None
        try:
            path = self._absolute_path()
            status = os.stat(path)
        except (OSError, ValueError):  # ValueError: a NUL in the path, or text that no file name can hold
            return None
        return (path, status.st_size, status.st_mtime_ns)
