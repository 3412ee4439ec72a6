"""The content hashes of files: known by path, size and times, or read and hashed by threads."""

from __future__ import annotations

import functools
import hashlib
import os
import stat
import time
from collections.abc import Sequence

from thano_duckdb.audio.source import FileVersion
from thano_duckdb.speech.collector_pause import collector_running
from thano_duckdb.speech.threads import CallThreads, Cancellable, result_of

from .store import TranscriptStore, version_key
from .store_writer import StoreWriter

HASH_THREADS = min(16, max(4, os.cpu_count() or 1))
SETTLED_NS = 2 * 10**9
"""A file that was changed less than this ago may change again unseen, within one tick of the file system's clock."""


class ContentHashes:
    """Finds the content hashes of files. The store is only a shortcut: a hash that it lacks is computed."""

    def __init__(self, store: TranscriptStore, writer: StoreWriter, *, max_bytes: int | None = None) -> None:
        """Look up in `store`, and keep new hashes by `writer`; files of more than `max_bytes` are not read."""
        self._store = store
        self._writer = writer
        self._max_bytes = max_bytes

    def of(self, versions: Sequence[FileVersion], monitor: Cancellable) -> list[bytes | None]:
        """The content hash of each file as it was at its version; None where it is not read or has changed since.

        Raises:
            Cancelled: `monitor` was cancelled.
            StoreError: the store cannot be read.
        """
        keys = list(map(version_key, versions))
        known = self._store.find_files(keys)
        found = [known.get(key) for key in keys]
        unknown = [index for index, content in enumerate(found) if content is None and self._may_read(versions[index])]
        if not unknown:
            return found
        new: dict[bytes, bytes] = {}
        now_ns = time.time_ns()
        with collector_running(), CallThreads(min(HASH_THREADS, len(unknown)), "thano-hash") as threads:
            futures = [threads.submit(hash_of, versions[index]) for index in unknown]
            try:
                for index, future in zip(unknown, futures, strict=True):
                    content = found[index] = result_of(future, monitor)
                    version = versions[index]
                    if content is not None and not may_change_unseen(version, now_ns):
                        new[keys[index]] = content
            finally:
                self._writer.keep_files(new)
        return found

    def _may_read(self, version: FileVersion) -> bool:
        return self._max_bytes is None or version.n_bytes <= self._max_bytes


def may_change_unseen(version: FileVersion, hashed_at_ns: int) -> bool:
    """Whether a file that was hashed at a time may have other content and the same version afterwards."""
    return max(version.mtime_ns, version.ctime_ns) >= hashed_at_ns - SETTLED_NS


def hash_of(version: FileVersion) -> bytes | None:
    """The content hash of a file, 32 bytes; None if it cannot be read, is no regular file, or is of another version."""
    try:
        # O_NONBLOCK: opening a pipe would wait for a writer.
        flags = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)
        with open(os.open(version.path, flags), "rb", buffering=0) as file:
            status = os.fstat(file.fileno())
            if not stat.S_ISREG(status.st_mode) or FileVersion.of(version.path, status) != version:
                return None
            content = hashlib.file_digest(file, functools.partial(hashlib.blake2b, digest_size=32)).digest()
            return content if FileVersion.of(version.path, os.fstat(file.fileno())) == version else None
    except (OSError, ValueError):
        return None
