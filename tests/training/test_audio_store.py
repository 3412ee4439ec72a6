"""Decoded clips are the same whether they were kept or decoded again."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from thano_duckdb.audio.decode import AudioFailure, Waveform
from thano_duckdb.audio.source import Clip
from thano_duckdb.training.audio_store import AudioStore
from thano_duckdb.training.spill_file import SpillFile


def source() -> Clip:
    return Clip.of("a clip")


def decoder(samples: NDArray[np.float32], calls: list[Clip]) -> Callable[[Clip], Waveform]:
    def decode(source: Clip) -> Waveform:
        calls.append(source)
        return Waveform(samples, len(samples) / 16_000)

    return decode


@pytest.mark.parametrize("loudness", [1e-4, 0.9, 3.0])
def test_a_clip_is_decoded_once_and_keeps_16_bits_of_precision_however_quiet_it_is(loudness: float) -> None:
    samples = (loudness * np.random.default_rng(0).uniform(-1, 1, 5000)).astype(np.float32)
    calls: list[Clip] = []
    store = AudioStore(decoder=decoder(samples, calls))
    first, second = store.read(0, source), store.read(0, source)
    assert isinstance(first, np.ndarray)
    assert first.dtype == np.float32
    np.testing.assert_allclose(first, samples, atol=loudness / 32767)
    np.testing.assert_array_equal(first, second)
    assert len(calls) == 1


def test_a_clip_beyond_the_limit_is_decoded_again_with_the_same_result() -> None:
    samples = np.random.default_rng(0).uniform(-1, 1, 5000).astype(np.float32)
    calls: list[Clip] = []
    store = AudioStore(max_bytes=15_000, decoder=decoder(samples, calls))
    kept, not_kept = store.read(0, source), store.read(1, source)
    assert len(calls) == 2
    np.testing.assert_array_equal(kept, not_kept)
    store.read(0, source), store.read(1, source)
    assert len(calls) == 3


def test_silence_and_failures_are_returned_unchanged() -> None:
    calls: list[Clip] = []
    silence = AudioStore(decoder=decoder(np.zeros(10, np.float32), calls)).read(0, source)
    np.testing.assert_array_equal(silence, np.zeros(10))
    failure = AudioFailure("It is not there.")
    assert AudioStore(decoder=lambda _source: failure).read(0, source) == failure


def test_where_the_disk_is_full_clips_are_decoded_again() -> None:
    calls: list[Clip] = []
    samples = np.random.default_rng(0).uniform(-1, 1, 5000).astype(np.float32)
    with Path("/dev/full").open("r+b", buffering=0) as full:
        store = AudioStore(SpillFile(full), max_bytes=10**9, decoder=decoder(samples, calls))
        first, second = store.read(0, source), store.read(0, source)
    np.testing.assert_array_equal(first, second)
    assert len(calls) == 2


def test_several_threads_read_clips_of_any_number_each_its_own() -> None:
    def decode(clip: Clip) -> Waveform:
        return Waveform(np.full(1000, int(clip.location) / 1000, np.float32), 1.0)

    def read(number: int) -> float:
        samples = store.read(number, lambda: Clip.of(str(number)))
        assert isinstance(samples, np.ndarray)
        return float(samples.mean())

    numbers = np.random.default_rng(0).permutation(1000).tolist() * 2
    with AudioStore(decoder=decode) as store, ThreadPoolExecutor(8) as threads:
        np.testing.assert_allclose(list(threads.map(read, numbers)), np.array(numbers) / 1000, atol=1e-6)
