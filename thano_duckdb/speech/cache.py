"""Transcripts of this process, so that a clip that DuckDB asks for twice is computed once."""

from __future__ import annotations

import sys
import threading
from collections.abc import Hashable

from cachetools import LRUCache

from .transcript import Transcript

MEMO_BYTES = 64 * 1024 * 1024


class Memo:
    """The latest transcripts, up to a number of bytes; any thread may use it. Failures are not kept."""

    def __init__(self, max_bytes: int = MEMO_BYTES) -> None:
        self._lock = threading.Lock()
        self._transcripts: LRUCache[Hashable, Transcript] = LRUCache(max_bytes, getsizeof=_n_bytes)

    def get(self, key: Hashable) -> Transcript | None:
        """The transcript kept under `key`, if any."""
        with self._lock:
            return self._transcripts.get(key)

    def put(self, key: Hashable, transcript: Transcript) -> None:
        """Keep `transcript`, unless it is a failure (the file may be there next time) or larger than the memo."""
        if transcript.error is not None or _n_bytes(transcript) > self._transcripts.maxsize:
            return
        with self._lock:
            self._transcripts[key] = transcript


def _n_bytes(transcript: Transcript) -> int:
    """About what a transcript, its key and their place in the memo take in CPython, measured with `tracemalloc`."""
    words = transcript.words
    words_bytes = 0 if words is None else len(words.utf8) + len(words.records)
    return 750 + sys.getsizeof(transcript.text) + words_bytes
