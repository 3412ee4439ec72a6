"""A clip as a value: where its audio is (a path, a URL, the bytes of a file), and which channel and part of it."""

from __future__ import annotations

import hashlib
import os
import re
from dataclasses import dataclass, replace
from pathlib import Path
from typing import NamedTuple
from urllib.parse import unquote

# Two letters at least, so that `C://clip.wav` is a path. A chain of URLs, which is refused later, is no path either.
_URL = re.compile(r"[A-Za-z][A-Za-z0-9+.\-]+(?:://|::.*://)", re.DOTALL)
_FILE_URL = re.compile(r"file://(?:localhost(?=/))?", re.IGNORECASE)


def beside(file: str, location: str) -> str:
    """The path or URL `location`; a relative path is one from the folder of `file`, which may be a URL.

    >>> beside("hf://datasets/ann/calls/part-0.parquet", "clips/a.wav"), beside("data/part-0.parquet", "/clips/a.wav")
    ('hf://datasets/ann/calls/clips/a.wav', '/clips/a.wav')
    """
    if not location or _URL.match(location) or _FILE_URL.match(location) or os.path.isabs(os.path.expanduser(location)):
        return location
    folder = file.rpartition("/")[0] if _URL.match(file) else os.path.dirname(file)
    return os.path.join(folder, location)


class FileVersion(NamedTuple):
    """What differs, without reading a file, between it and any other one, and after any change of its content.

    Tools that copy the modification time with a file cannot set the change time.
    """

    path: str
    n_bytes: int
    mtime_ns: int
    ctime_ns: int
    inode: int
    device: int

    @classmethod
    def of(cls, path: str, status: os.stat_result) -> FileVersion:
        """The version of the file at an absolute path, of which the operating system says `status`."""
        return cls(path, status.st_size, status.st_mtime_ns, status.st_ctime_ns, status.st_ino, status.st_dev)


Selection = tuple[int | None, float | None, float | None, bool, int]
"""Of a clip: its channel, start, stop, whether the stop is clamped, and its track."""


class ContentKey(NamedTuple):
    """What distinguishes the content of a clip from that of every other.

    Attributes:
        source: the version of a file, or the BLAKE2b hash of a BLOB (32 bytes).
        selection: what of it is transcribed.
    """

    source: FileVersion | bytes
    selection: Selection


@dataclass(frozen=True, slots=True)
class Clip:
    """The audio that one transcript is made of: a file, or one channel or a part of it. It is not read yet.

    Attributes:
        location: the path or URL as the user wrote it, or `<blob of n bytes>`.
        data: the bytes of a BLOB, None for a path or URL.
        channel: which one, counted from 0 (users count from 1, see `with_channel`); None for the mean of all channels.
        start_s: where the part begins; None for the beginning of the file.
        stop_s: where the part ends; None for the end of the file.
        clamps_stop: a `stop_s` after the end of the audio means its end, and is no failure.
        audio_track: which of the tracks with sound, counted from 1.
    """

    location: str
    data: bytes | None = None
    channel: int | None = None
    start_s: float | None = None
    stop_s: float | None = None
    clamps_stop: bool = False
    audio_track: int = 1

    @classmethod
    def of(cls, value: str | bytes) -> Clip:
        """The clip that a value of an audio column stands for: text is a path or URL, bytes are the file itself.

        >>> from thano_duckdb.audio.source import Clip
        >>> Clip.of("talk.wav")
        Clip(location='talk.wav', data=None, channel=None, start_s=None, stop_s=None, clamps_stop=False, audio_track=1)
        >>> Clip.of(b"RIFF").location
        '<blob of 4 bytes>'
        """
        if isinstance(value, bytes):
            return cls(f"<blob of {len(value)} {'byte' if len(value) == 1 else 'bytes'}>", value)
        return cls(value)

    def with_channel(self, channel: int | str | None) -> Clip:
        """The same clip with the channel that the option `channel` means: counted from 1 there, or `mix`.

        >>> Clip.of("call.wav").with_channel(2).channel
        1
        """
        return replace(self, channel=channel - 1) if isinstance(channel, int) else self

    @property
    def is_url(self) -> bool:
        """Whether the clip must be fetched: a URL other than `file://`."""
        return self.data is None and bool(_URL.match(self.location)) and not _FILE_URL.match(self.location)

    @property
    def path(self) -> Path:
        """The absolute local path of a clip that is neither a URL nor a BLOB; `~`, `file://` and `..` are resolved."""
        return Path(self._absolute_path())

    @property
    def written_path(self) -> str:
        """The local path as it is written, but for `~` and `file://`: with its `..`, and relative if it is."""
        if file_url := _FILE_URL.match(self.location):
            return unquote(self.location[file_url.end() :])
        return os.path.expanduser(self.location)

    @property
    def is_part(self) -> bool:
        """Whether it is a part of a recording."""
        return self.start_s is not None or self.stop_s is not None

    @property
    def _is_rooted(self) -> bool:
        """Whether it is a path from the root, which is neither a URL nor begins with `~`: no pattern must be tried."""
        return self.location.startswith("/")

    def _absolute_path(self) -> str:  # without pathlib, which takes longer than the file system
        path = self.location if self._is_rooted else self.written_path
        # After a link, `..` is the parent of the folder that the link leads to, as for the operating system.
        return os.path.realpath(path) if ".." in path else os.path.abspath(path)

    def content_key(self) -> ContentKey | None:
        """What distinguishes the content of this clip from that of every other, without reading its file.

        Returns:
            None where nothing is known before reading: a URL, a missing file.
        """
        selection = (self.channel, self.start_s, self.stop_s, self.clamps_stop, self.audio_track)
        if self.data is not None:
            return ContentKey(content_hash(self.data), selection)
        if not self._is_rooted and self.is_url:
            return None
        try:
            path = self._absolute_path()
            version = FileVersion.of(path, os.stat(path))
        except (OSError, ValueError):  # ValueError: a NUL in the path, or text that no file name can hold
            return None
        return ContentKey(version, selection)


def content_hash(data: bytes) -> bytes:
    """The BLAKE2b hash of the bytes of a file, 32 bytes."""
    return hashlib.blake2b(data, digest_size=32).digest()
