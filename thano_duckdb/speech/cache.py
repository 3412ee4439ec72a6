"""Keeps transcripts, so that a clip is not transcribed again when it is requested again.

A cache is passed to each call of the engine, which asks it once for all clips of the call. Its keys identify the
content of the clip, the model and the decoder, so one cache serves any number of models.
"""

from __future__ import annotations

import functools
import sys
import threading
from collections.abc import Hashable, Sequence
from typing import Protocol

from cachetools import LRUCache

from thano_duckdb.monitoring.monitor import Monitor

from .job_runner import Job
from .transcript import Transcript

MAX_BYTES = 64 * 1024 * 1024


class TranscriptCache(Protocol):
    """Stores transcripts; any thread may use it."""

    def get_many(self, jobs: Sequence[Job], monitor: Monitor) -> list[Transcript | None]:
        """What is stored for each of `jobs`, in their order, or None.

        Raises:
            Cancelled: `monitor` was cancelled while clips were read.
        """

    def put(self, job: Job, transcript: Transcript) -> None:
        """Store `transcript`, unless it is a failure: the file may be readable next time."""


class MemoryCache:
    """Keeps the transcripts that were used last, up to a number of bytes."""

    def __init__(self, max_bytes: int = MAX_BYTES) -> None:
        self._lock = threading.Lock()
        self._transcripts: LRUCache[Hashable, Transcript] = LRUCache(max_bytes, getsizeof=_n_bytes)

    def get_many(self, jobs: Sequence[Job], _monitor: Monitor) -> list[Transcript | None]:
        """See `TranscriptCache`."""
        get = self._transcripts.get
        with self._lock:
            return [None if job.key is None else get(job.key) for job in jobs]

    def put(self, job: Job, transcript: Transcript) -> None:
        """See `TranscriptCache`. A transcript that is larger than the whole cache is not stored either."""
        if job.key is None or transcript.error is not None or _n_bytes(transcript) > self._transcripts.maxsize:
            return
        with self._lock:
            self._transcripts[job.key] = transcript

    def clear(self) -> None:
        """Forget everything."""
        with self._lock:
            self._transcripts.clear()


class NoCache:
    """Stores nothing."""

    def get_many(self, jobs: Sequence[Job], _monitor: Monitor) -> list[Transcript | None]:
        """Always None."""
        return [None] * len(jobs)

    def put(self, job: Job, transcript: Transcript) -> None:
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
