"""Keeps transcripts, so that a clip is not transcribed again when it is requested again.

A cache is passed to each call of the engine. Its keys identify the content of the clip, the model and the decoder, so
one cache serves any number of models.
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
    """Stores transcripts; any thread may use it."""

    def get(self, key: Hashable) -> Transcript | None:
        """The transcript stored under `key`, or None."""

    def put(self, key: Hashable, transcript: Transcript) -> None:
        """Store `transcript`, unless it is a failure: the file may be readable next time."""


class MemoryCache:
    """Keeps the transcripts that were used last, up to a number of bytes."""

    def __init__(self, max_bytes: int = MAX_BYTES) -> None:
        self._lock = threading.Lock()
        self._transcripts: LRUCache[Hashable, Transcript] = LRUCache(max_bytes, getsizeof=_n_bytes)

    def get(self, key: Hashable) -> Transcript | None:
        """See `TranscriptCache`."""
        with self._lock:
            return self._transcripts.get(key)

    def put(self, key: Hashable, transcript: Transcript) -> None:
        """See `TranscriptCache`. A transcript that is larger than the whole cache is not stored either."""
        if transcript.error is not None or _n_bytes(transcript) > self._transcripts.maxsize:
            return
        with self._lock:
            self._transcripts[key] = transcript


class NoCache:
    """Stores nothing."""

    def get(self, key: Hashable) -> Transcript | None:
        """Always None."""
        return None

    def put(self, key: Hashable, transcript: Transcript) -> None:
        """Do nothing."""


@functools.cache
def process_cache() -> MemoryCache:
    """The cache that all connections of this process share."""
    return MemoryCache()


def _n_bytes(transcript: Transcript) -> int:
    """Approximate memory of a transcript, its key and its cache entry in CPython, measured with `tracemalloc`."""
    words = transcript.words
    words_bytes = 0 if words is None else len(words.utf8) + len(words.records)
    alternatives = sum(150 + sys.getsizeof(each.text) for each in transcript.alternatives or ())
    hotwords = sum(250 + sys.getsizeof(each.hotword) for each in transcript.hotwords or ())
    return 750 + sys.getsizeof(transcript.text) + words_bytes + alternatives + hotwords
