"""Silence is found at any level and in any steady noise, and speech never is."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import soundfile
from numpy.typing import NDArray

from tests.speech.oracles import RATE_HZ
from thano_duckdb.models import bundled
from thano_duckdb.speech.loudness import MARGIN_S, MIN_SKIPPED_S, Loudness

Sound = Callable[[int], NDArray[Any]]
"""A sound of so many samples."""


def noise(exponent: float) -> Sound:
    """Noise whose power falls with frequency to the power of `exponent`: 0 is white, 1 pink, 2 brown; its RMS is 1."""
    return functools.partial(_noise, exponent)


@functools.cache
def _noise(exponent: float, n_samples: int) -> NDArray[Any]:
    spectrum = np.fft.rfft(np.random.default_rng(5).standard_normal(n_samples))
    spectrum[1:] /= np.arange(1, len(spectrum)) ** (exponent / 2)
    spectrum[0] = 0
    samples: NDArray[Any] = np.fft.irfft(spectrum, n_samples)
    samples /= samples.std()
    samples.setflags(write=False)
    return samples


def time_s(n_samples: int) -> NDArray[Any]:
    return np.arange(n_samples) / RATE_HZ


def hum(n_samples: int) -> NDArray[Any]:
    """A mains hum with its harmonics."""
    samples = np.zeros(n_samples)
    for order in (1, 2, 3, 5, 7):
        samples += np.sin(2 * np.pi * 50 * order * time_s(n_samples)) / order
    return samples


def tone(n_samples: int) -> NDArray[Any]:
    return np.sin(2 * np.pi * 440 * time_s(n_samples))


def growing(n_samples: int) -> NDArray[Any]:
    """Noise that becomes louder by 50 dB in the course of the clip."""
    return noise(1)(n_samples) * 10 ** np.linspace(-2.5, 0, n_samples)


def telephone(n_samples: int) -> NDArray[Any]:
    """The rumble of a room after mu-law coding with 8 bits, which makes a grating sound of faint noise."""
    samples: NDArray[Any] = 1e-3 * noise(2)(n_samples)
    coded = np.round(127 * np.sign(samples) * np.log1p(255 * np.abs(samples)) / np.log(256)) / 127
    samples = np.sign(coded) * np.expm1(np.abs(coded) * np.log(256))
    samples /= 255
    return samples


SILENT: dict[str, Sound] = {
    "digital": np.zeros,
    "offset": lambda n_samples: np.full(n_samples, 0.1),
    "offset with noise": lambda n_samples: 0.1 + 3e-4 * noise(0)(n_samples),
    **{
        f"{name} noise at {level_db} dB": lambda n_samples, name=name, level_db=level_db: (  # type: ignore[misc]
            10 ** (level_db / 20) * noise({"white": 0, "pink": 1, "brown": 2}[name])(n_samples)
        )
        for name in ("white", "pink", "brown")
        for level_db in (-90, -60, -40, -20)
    },
    "hum": lambda n_samples: 0.03 * hum(n_samples),
    "hum with noise": lambda n_samples: 0.003 * hum(n_samples) + 3e-4 * noise(0)(n_samples),
    "tone": lambda n_samples: 0.1 * tone(n_samples),
    "ringing": lambda n_samples: 0.1 * tone(n_samples) * (time_s(n_samples) % 5 < 1) + 1e-4 * noise(0)(n_samples),
    "busy": lambda n_samples: 0.1 * tone(n_samples) * (time_s(n_samples) % 1 < 0.5) + 1e-3 * noise(0)(n_samples),
    "growing noise": lambda n_samples: 0.03 * growing(n_samples),
    "clicks": lambda n_samples: 0.5 * (np.arange(n_samples) % 50_000 == 0) + 1e-3 * noise(0)(n_samples),
    "16 bits": lambda n_samples: np.round(2**15 * 1e-5 * noise(1)(n_samples)) / 2**15,
    "telephone": telephone,
}


@pytest.mark.parametrize("sound", SILENT.values(), ids=SILENT)
def test_silence_is_found_whatever_its_level_and_sound(sound: Sound) -> None:
    assert Loudness.of(sound(90 * RATE_HZ + 100).astype(np.float32)).speech() == []


@pytest.fixture(scope="module")
def reading() -> NDArray[np.float32]:
    """A minute of several people reading aloud."""
    paths = sorted(bundled.dataset_folder("librispeech_data").glob("*.flac"))
    clips: list[NDArray[np.float32]] = []
    while sum(map(len, clips)) < 60 * RATE_HZ:
        samples, _ = soundfile.read(paths[7 * len(clips) % len(paths)], dtype="float32")
        clips.append(np.asarray(samples, np.float32))
    return np.concatenate(clips)


@pytest.mark.parametrize("gain", [1.0, 0.03, 0.003])
def test_speech_is_kept_at_any_level(reading: NDArray[np.float32], gain: float) -> None:
    assert Loudness.of(reading * np.float32(gain)).speech() == [slice(0, len(reading))]


@pytest.mark.parametrize("name", ["white", "pink"])
@pytest.mark.parametrize("snr_db", [20, 10, 3])
def test_speech_is_kept_in_noise(reading: NDArray[np.float32], name: str, snr_db: int) -> None:
    level = float(reading.std()) * 10 ** (-snr_db / 20)
    noisy = reading + level * noise({"white": 0, "pink": 1}[name])(len(reading))
    assert Loudness.of(noisy.astype(np.float32)).speech() == [slice(0, len(reading))]


@pytest.mark.parametrize("background", [0.0, 1e-5, 1e-3])
def test_a_word_in_a_long_silence_is_kept_with_a_margin(reading: NDArray[np.float32], background: float) -> None:
    samples = (background * noise(1)(120 * RATE_HZ)).astype(np.float32)
    begin, n_word = 47 * RATE_HZ + 321, 2 * RATE_HZ
    samples[begin : begin + n_word] += reading[:n_word]
    [part] = Loudness.of(samples).speech()
    margin = round(MARGIN_S * RATE_HZ)
    assert begin - 1.7 * margin <= part.start <= begin - 0.5 * margin
    assert begin + n_word + 0.5 * margin <= part.stop <= begin + n_word + 1.7 * margin


@pytest.mark.parametrize(("pause_s", "n_parts"), [(2 * MARGIN_S + MIN_SKIPPED_S - 0.5, 1), (8.0, 2)])
def test_only_long_silence_is_skipped(reading: NDArray[np.float32], pause_s: float, n_parts: int) -> None:
    half = reading[: 20 * RATE_HZ]
    silence = np.zeros(round(pause_s * RATE_HZ), np.float32)
    parts = Loudness.of(np.concatenate([half, silence, half])).speech()
    assert len(parts) == n_parts
    assert parts[0].start == 0
    assert parts[-1].stop == 2 * len(half) + len(silence)


def test_short_silence_at_the_ends_is_kept(reading: NDArray[np.float32]) -> None:
    silence = np.zeros(round((MARGIN_S + MIN_SKIPPED_S - 0.5) * RATE_HZ), np.float32)
    samples = np.concatenate([silence, reading, silence])
    assert Loudness.of(samples).speech() == [slice(0, len(samples))]


def test_the_quietest_place_is_the_middle_of_the_longest_pause(reading: NDArray[np.float32]) -> None:
    samples = reading.copy()
    for start_s, stop_s in ((10.0, 10.2), (11.0, 12.0), (12.5, 12.6)):
        samples[int(start_s * RATE_HZ) : int(stop_s * RATE_HZ)] *= 1e-3
    assert abs(Loudness.of(samples).quietest(9 * RATE_HZ, 14 * RATE_HZ) / RATE_HZ - 11.5) < 0.3


def test_the_quietest_place_is_within_its_bounds() -> None:
    loudness = Loudness.of(noise(0)(20 * RATE_HZ).astype(np.float32))
    for start, stop in ((0, 1), (1_000, 1_001), (5_000, 30_000), (20 * RATE_HZ - 10, 20 * RATE_HZ)):
        assert start <= loudness.quietest(start, stop) <= stop
