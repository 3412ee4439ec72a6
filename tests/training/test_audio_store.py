"""Decoded clips are the same whether they were kept or decoded again."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from numpy.typing import NDArray

from thano_duckdb.audio.decode import AudioFailure, Waveform
from thano_duckdb.audio.source import Clip
from thano_duckdb.training.audio_store import AudioStore


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
