"""Transcripts that are kept, so that a clip that is asked for again is not computed again.

A cache is handed to each call of the engine. Its keys hold the content of the clip and the fingerprint of the model and
the decoder, so one cache serves any number of models.
"""

from __future__ import annotations

import functools
import sys
import threading
from collections.abc import Hashable
from typing import Protocol

from cachetools import LRUCache

from .transcript import Transcript

MAX_BYTES = 64 * 1024 * 1024


class TranscriptCache(Protocol):
    """Keeps transcripts; any thread may use it."""

    def get(self, key: Hashable) -> Transcript | None:
        """The transcript kept under `key`, if any."""

    def put(self, key: Hashable, transcript: Transcript) -> None:
        """Keep `transcript`, unless it is a failure: the file may be readable next time."""


class MemoryCache:
    """The latest transcripts, up to a number of bytes."""

    def __init__(self, max_bytes: int = MAX_BYTES) -> None:
        self._lock = threading.Lock()
        self._transcripts: LRUCache[Hashable, Transcript] = LRUCache(max_bytes, getsizeof=_n_bytes)

    def get(self, key: Hashable) -> Transcript | None:
        """See `TranscriptCache`."""
        with self._lock:
            return self._transcripts.get(key)

    def put(self, key: Hashable, transcript: Transcript) -> None:
        """See `TranscriptCache`; what is larger than the whole cache is not kept either."""
        if transcript.error is not None or _n_bytes(transcript) > self._transcripts.maxsize:
            return
        with self._lock:
            self._transcripts[key] = transcript


class NoCache:
    """Keeps nothing."""

    def get(self, key: Hashable) -> Transcript | None:
        """Never anything."""
        return None

    def put(self, key: Hashable, transcript: Transcript) -> None:
        """Forget it."""


@functools.cache
def process_cache() -> MemoryCache:
    """The cache that the connections of this process share unless they have one of their own."""
    return MemoryCache()


def _n_bytes(transcript: Transcript) -> int:
    """About what a transcript, its key and its entry take in CPython, measured with `tracemalloc`."""
    words = transcript.words
    words_bytes = 0 if words is None else len(words.utf8) + len(words.records)
    return 750 + sys.getsizeof(transcript.text) + words_bytes
