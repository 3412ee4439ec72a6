"""Sounds that are not speech: silence, noise, hum, tones, bells, clicks, and simple music, as telephones play it."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import numpy as np
from numpy.typing import NDArray

from bundle.voices import SAMPLE_RATE_HZ, Samples

_Maker = Callable[[int, np.random.Generator], NDArray[np.float64]]


def random_sound(duration_s: float, seed: int | list[int]) -> Samples:
    """(n_samples,) mono at 16 kHz, with a peak of at most 0.5; the same seed gives the same sound."""
    random = np.random.default_rng(seed)
    make = _MAKERS[random.integers(len(_MAKERS))]
    sound = make(round(duration_s * SAMPLE_RATE_HZ), random)
    if random.random() < 0.5:  # nothing is perfectly clean
        sound = sound + random.uniform(0, 0.05) * _noise(len(sound), random)
    loudness = 0.5 * 10 ** (-random.uniform(0, 40) / 20)
    samples: Samples = (sound * (loudness / max(1e-9, np.abs(sound).max()))).astype(np.float32)
    return samples


def _seconds(n_samples: int) -> NDArray[np.float64]:
    return np.arange(n_samples) / SAMPLE_RATE_HZ


def _sum(sounds: Iterable[NDArray[np.float64]]) -> NDArray[np.float64]:
    total: NDArray[np.float64] = np.sum(list(sounds), axis=0)
    return total


def _noise(n_samples: int, random: np.random.Generator) -> NDArray[np.float64]:
    """White to brown noise, in a random band."""
    spectrum = np.fft.rfft(random.standard_normal(n_samples))
    hz = np.fft.rfftfreq(n_samples, 1 / SAMPLE_RATE_HZ) + 20
    spectrum *= hz ** -random.uniform(0, 1.5)
    if random.random() < 0.5:
        centre_hz, octaves = 100 * 2 ** random.uniform(0, 6), random.uniform(0.3, 2)
        spectrum *= np.exp(-((np.log2(hz / centre_hz) / octaves) ** 2))
    noise: NDArray[np.float64] = np.fft.irfft(spectrum, n_samples)
    noise /= max(1e-9, np.abs(noise).max())
    return noise


def _waves(n_samples: int, random: np.random.Generator) -> NDArray[np.float64]:
    """Noise that swells and ebbs, such as wind, traffic, or breath."""
    rate_hz, depth = random.uniform(0.1, 3), random.uniform(0.2, 1)
    swell = 1 - depth * 0.5 * (1 + np.sin(2 * np.pi * (rate_hz * _seconds(n_samples) + random.random())))
    waves: NDArray[np.float64] = _noise(n_samples, random) * swell
    return waves


def _silence(n_samples: int, random: np.random.Generator) -> NDArray[np.float64]:
    """Digital silence, or nearly so."""
    silence: NDArray[np.float64] = np.round(random.standard_normal(n_samples) * random.choice([0, 0.3, 0.6])) * 1e-4
    return silence


def _hum(n_samples: int, random: np.random.Generator) -> NDArray[np.float64]:
    """Mains or a motor: a low tone with overtones."""
    base_hz = random.choice([50, 60, 100, 120, random.uniform(30, 200)])
    phases = 2 * np.pi * base_hz * _seconds(n_samples)
    return _sum(random.random() / k * np.sin(k * phases + 6 * random.random()) for k in range(1, 12))


def _signal(n_samples: int, random: np.random.Generator) -> NDArray[np.float64]:
    """One or two tones that come and go, such as a dial tone, ringing, engaged, or a fax."""
    seconds = _seconds(n_samples)
    tones = _sum(np.sin(2 * np.pi * hz * seconds) for hz in random.uniform(250, 2500, random.integers(1, 3)))
    period_s, share = random.uniform(0.2, 4), random.uniform(0.2, 1)
    return tones * ((seconds / period_s + random.random()) % 1 < share)


def _clicks(n_samples: int, random: np.random.Generator) -> NDArray[np.float64]:
    """Knocks and clicks at random moments."""
    sound = np.zeros(n_samples)
    for start in random.integers(0, n_samples, random.poisson(n_samples / SAMPLE_RATE_HZ * random.uniform(0.5, 8)) + 1):
        length = min(n_samples - int(start), int(random.integers(20, 1600)))
        decay = np.exp(-np.arange(length) / (length / 6))
        pitch = np.sin(2 * np.pi * random.uniform(80, 4000) * _seconds(length))
        sound[start : start + length] += decay * (pitch + 0.5 * random.standard_normal(length)) * random.random()
    return sound


def _music(n_samples: int, random: np.random.Generator) -> NDArray[np.float64]:
    """A melody with or without chords, in one of a few timbres; beats of noise under half of it."""
    sound = np.zeros(n_samples)
    beat = round(SAMPLE_RATE_HZ * random.uniform(0.15, 0.7))
    scale = random.choice(np.array([[0, 2, 4, 5, 7, 9, 11], [0, 2, 3, 5, 7, 8, 10], [0, 2, 4, 7, 9, 12, 14]]))
    root, overtones, fade = random.uniform(40, 65), random.integers(1, 10), random.uniform(0.5, 8)
    tilt, vibrato, has_drums = random.uniform(0.5, 2), random.choice([0, 0.3]) * random.random(), random.random() < 0.5
    for start in range(0, n_samples, beat):
        length = min(n_samples - start, beat * int(random.integers(1, 4)))
        seconds = _seconds(length)
        envelope = np.minimum(seconds / 0.01, 1) * np.exp(-fade * seconds)
        for _ in range(random.integers(1, 4)):
            hz = 440 * 2 ** ((root + random.choice(scale) + 12 * random.integers(0, 3) - 69) / 12)
            phase = 2 * np.pi * hz * seconds + vibrato * np.sin(2 * np.pi * 5.5 * seconds)
            tone = _sum(np.sin(k * phase) / k**tilt for k in range(1, overtones + 1) if k * hz < 7000)
            sound[start : start + length] += envelope * tone
        if has_drums:
            length = min(n_samples - start, 3200)
            sound[start : start + length] += random.random() * np.exp(-np.arange(length) / 600) * _noise(length, random)
    return sound


_MAKERS: tuple[_Maker, ...] = (_silence, _noise, _waves, _hum, _signal, _clicks, _music, _music, _music)
