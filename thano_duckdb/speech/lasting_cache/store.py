"""What a store of transcripts keeps, and the interface that `LastingCache` and `StoreWriter` use it by."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import NamedTuple, Protocol

from thano_duckdb.audio.source import FileVersion, Selection
from thano_duckdb.speech.transcript import Transcript

TEXTS_VERSION = 1
"""To be raised by a change of this package that changes texts, so that those of before are not found any more."""
_WHOLE: Selection = (None, None, None, False, 1)


class StoreError(Exception):
    """A store cannot be used at the moment; the message is a sentence for the user, without its full stop."""


class UnusableStoreError(StoreError):
    """A store is damaged, or of a newer format: only a new one in its place helps, see `open_stores.replace_store`."""


@dataclass(frozen=True)
class Recognition:
    """All that a transcript depends on, apart from the clip. Neither the device nor any path is part of it.

    Attributes:
        model: the name that the user called the model by; it only describes.
        content: the hash of the files of the model, see `model_content`.
        language: the one that it writes, where it has several.
        precision: that it computes in.
        decoder: the fingerprint of the decoder; the content of a language model is part of that.
        skip_silence, level: see `CallOptions`.
    """

    model: str
    content: str
    language: str | None
    precision: str
    decoder: str
    skip_silence: bool
    level: str

    @cached_property
    def fingerprint(self) -> bytes:
        """What transcripts of equal clips are equal by, 16 bytes; the name of the model does not count."""
        parts = (
            TEXTS_VERSION,
            self.content,
            self.language,
            self.precision,
            self.decoder,
            self.skip_silence,
            self.level,
        )
        return hashlib.blake2b(repr(parts).encode(), digest_size=16).digest()


def clip_key(content_hash: bytes, selection: Selection) -> bytes:
    """What identifies the audio of a clip, 32 bytes.

    Args:
        content_hash: of its whole file.
        selection: what of it is transcribed.
    """
    if selection == _WHOLE:
        return content_hash
    return hashlib.blake2b(content_hash + repr(selection).encode(), digest_size=32).digest()


def version_key(version: FileVersion) -> bytes:
    """What identifies the version of a file, 16 bytes; the store keeps no paths.

    It begins with some digits of the inode. Files that were made one after the other have inodes close together: their
    keys then share pages of an index, where those of hashes alone would each need a page of their own.
    """
    text = f"{version.n_bytes} {version.mtime_ns} {version.ctime_ns} {version.inode} {version.device} {version.path}"
    hashed = hashlib.blake2b(text.encode("utf-8", "surrogateescape"), digest_size=12).digest()
    return (version.inode >> 8 & 0xFFFFFFFF).to_bytes(4) + hashed


class Known(NamedTuple):
    """What a store has of some clips.

    Attributes:
        transcripts: by the key of the clip.
        stale: the keys of those that were not used for a day, so that the store should be told of their use.
    """

    transcripts: dict[bytes, Transcript]
    stale: list[bytes]


@dataclass
class Batch:
    """What is written in one transaction.

    Attributes:
        transcripts: each with its recognition and the key of its clip.
        files: the content hashes of files, by the key of their version.
        used: recognitions with keys of clips whose transcripts were found, and have not been for a day.
    """

    transcripts: list[tuple[Recognition, bytes, Transcript]] = field(default_factory=list)
    files: dict[bytes, bytes] = field(default_factory=dict)
    used: list[tuple[Recognition, bytes]] = field(default_factory=list)

    def __len__(self) -> int:
        return len(self.transcripts) + len(self.files) + len(self.used)


class TranscriptStore(Protocol):
    """Keeps transcripts on disk. Any thread may use it; each method raises `StoreError`."""

    def find_files(self, versions: Sequence[bytes]) -> dict[bytes, bytes]:
        """The content hashes of files, by those of the keys of their versions that are known."""

    def find(self, recognition: Recognition, keys: Sequence[bytes]) -> Known:
        """The transcripts of a recognition that are known, of the clips of these keys."""

    def write(self, batch: Batch) -> None:
        """Keep a batch, all of it or nothing."""

    def close(self) -> None:
        """Let go of it; afterwards nothing is called."""
