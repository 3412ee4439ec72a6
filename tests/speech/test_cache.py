"""The cache keeps transcripts but no failures, within its limit on memory."""

from __future__ import annotations

import tracemalloc

import numpy as np
import pytest

from thano_duckdb.audio.source import Clip, ContentKey, FileVersion
from thano_duckdb.monitoring.monitor import SilentMonitor
from thano_duckdb.speech.cache import MemoryCache
from thano_duckdb.speech.job_runner import Job, JobKey
from thano_duckdb.speech.transcript import WORD_RECORD, Transcript, Words


def transcript(n_words: int, text: str = "WORD") -> Transcript:
    words = [f"{text}{index}" for index in range(n_words)]
    utf8 = [word.encode() for word in words]
    records = [(len(word), index / 3, index / 3 + 0.1, 0.5 + index / 1e6) for index, word in enumerate(utf8)]
    packed = Words(b"".join(utf8), np.array(records, WORD_RECORD).tobytes())
    return Transcript(" ".join(words), n_words / 7, n_words / 9, packed, None)


def job(path: str, model: str = "model") -> Job:
    version = FileVersion(path, len(path), 2, 3, 4, 5)
    content = ContentKey(version, (None, None, None, False, 1))
    return Job(Clip(path), JobKey(model, (True, "robust"), content), None)


def found(cache: MemoryCache, *jobs: Job) -> list[Transcript | None]:
    return cache.get_many(jobs, SilentMonitor())


def test_a_stored_transcript_is_found_again() -> None:
    cache, stored = MemoryCache(), transcript(3)
    cache.put(job("clip"), stored)
    assert found(cache, job("clip", "other"), job("clip"), job("clop")) == [None, stored, None]


def test_a_clip_whose_content_is_unknown_is_neither_stored_nor_found() -> None:
    cache, of_a_url = MemoryCache(), Job(Clip("https://example.org/a.wav"), None, None)
    cache.put(of_a_url, transcript(3))
    assert found(cache, of_a_url) == [None]


def test_failures_are_not_stored() -> None:
    cache = MemoryCache()
    cache.put(job("clip"), Transcript.failed("It is missing."))
    assert found(cache, job("clip")) == [None]


def test_the_oldest_transcript_is_evicted_first_and_one_larger_than_the_cache_is_not_stored() -> None:
    cache = MemoryCache(max_bytes=10_000)
    for index in range(20):
        cache.put(job(str(index)), transcript(4))
    cache.put(job("giant"), transcript(10_000))
    oldest, giant, newest = found(cache, job("0"), job("giant"), job("19"))
    assert (oldest, giant) == (None, None)
    assert newest is not None


@pytest.mark.parametrize(
    ("n_words", "text", "n_clips"), [(0, "", 3_000), (10, "WORD", 3_000), (400, "WORD", 300), (400, "ЖЖЖЖ", 300)]
)
def test_the_limit_is_in_bytes_of_memory(n_words: int, text: str, n_clips: int) -> None:
    max_bytes = 2_000_000
    cache = MemoryCache(max_bytes)
    cache.put(job("first"), transcript(n_words, text))  # so that one-time allocations are not measured
    tracemalloc.start()
    for index in range(n_clips):
        cache.put(job(f"/some/folder/clip{index}.flac"), transcript(n_words, text))
    used_bytes, _peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert used_bytes == pytest.approx(max_bytes, rel=0.3)
