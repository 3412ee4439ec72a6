"""Data augmentation: changes the speed of a clip, or adds a room, a telephone line or noise.

Speed perturbation follows Ko et al. 2015 (`Audio augmentation for speech recognition`); room and noise follow Ko et al.
2017 (`A study on data augmentation of reverberant speech`), with synthetic room impulse responses: decaying noise.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import soxr
from numpy.typing import NDArray

Samples = NDArray[np.float32]

SPEEDS = (0.9, 1.0, 1.1)
_RATE_HZ = 16_000
_TELEPHONE_RATE_HZ = 8_000
_IN_A_ROOM, _BY_TELEPHONE, _IN_NOISE = 0.2, 0.1, 0.3
_REVERBERATION_S = (0.1, 0.6)
_DIRECT_TO_REVERBERANT_DB = (0.0, 15.0)
_SIGNAL_TO_NOISE_DB = (5.0, 35.0)
_LOWPASS = (0.0, 0.95)
_SIXTY_DB = 1e-3
"""60 dB as a ratio of amplitudes: the reverberation time is the time in which the echo decays by that much."""


@dataclass(frozen=True)
class Room:
    """A room in which a clip is recorded.

    Attributes:
        reverberation_s: time in which the echo decays by 60 dB.
        direct_db: energy of the direct sound relative to that of the echo.
    """

    reverberation_s: float
    direct_db: float


@dataclass(frozen=True)
class Noise:
    """Stationary noise added to a clip.

    Attributes:
        signal_db: signal-to-noise ratio.
        lowpass: coefficient of a one-pole low-pass filter over white noise, from 0 (white) to below 1 (rumble).
    """

    signal_db: float
    lowpass: float


@dataclass(frozen=True)
class Augmentation:
    """How a clip is changed in one epoch; runs with the same seed give the same changes."""

    speed: float
    room: Room | None
    is_telephone: bool
    noise: Noise | None
    seed: tuple[int, int, int]

    def apply(self, samples: Samples, *, change_speed: bool = True) -> Samples:
        """The augmented clip.

        Args:
            samples: (n_samples,) mono at 16 kHz.
            change_speed: False to keep the original speed.
        """
        random = np.random.default_rng([*self.seed, 1])
        if change_speed and self.speed != 1.0:
            samples = soxr.resample(samples, _RATE_HZ * self.speed, _RATE_HZ, quality="MQ")
        if self.room is not None:
            samples = _in_room(samples, self.room, random)
        if self.is_telephone:
            narrow = soxr.resample(samples, _RATE_HZ, _TELEPHONE_RATE_HZ, quality="MQ")
            samples = _with_length_of(samples, soxr.resample(narrow, _TELEPHONE_RATE_HZ, _RATE_HZ, quality="MQ"))
        if self.noise is not None:
            samples = _in_noise(samples, self.noise, random)
        return samples


def choose_augmentation(seed: int, epoch: int, clip: int) -> Augmentation:
    """The augmentation of a clip in an epoch."""
    random = np.random.default_rng([seed, epoch, clip])
    speed = SPEEDS[random.integers(len(SPEEDS))]
    room = Room(random.uniform(*_REVERBERATION_S), random.uniform(*_DIRECT_TO_REVERBERANT_DB))
    noise = Noise(random.uniform(*_SIGNAL_TO_NOISE_DB), random.uniform(*_LOWPASS))
    in_a_room, by_telephone, in_noise = random.random(3) < (_IN_A_ROOM, _BY_TELEPHONE, _IN_NOISE)
    return Augmentation(
        speed, room if in_a_room else None, bool(by_telephone), noise if in_noise else None, (seed, epoch, clip)
    )


def n_samples_at(n_samples: int, speed: float) -> int:
    """The number of samples of a clip at another speed, accurate to one sample."""
    return int(n_samples / speed)


def _in_room(samples: Samples, room: Room, random: np.random.Generator) -> Samples:
    n_echo = int(room.reverberation_s * _RATE_HZ)
    decay = _SIXTY_DB ** (np.arange(1, n_echo + 1, dtype=np.float32) / n_echo)
    echo = random.standard_normal(n_echo, np.float32) * decay
    echo *= 10 ** (-room.direct_db / 20) / np.linalg.norm(echo)
    response = np.concatenate([np.ones(1, np.float32), echo])
    n_fft = 1 << (len(samples) + n_echo).bit_length()
    reverberant = np.fft.irfft(np.fft.rfft(samples, n_fft) * np.fft.rfft(response, n_fft), n_fft)[: len(samples)]
    return reverberant.astype(np.float32, copy=False)


def _in_noise(samples: Samples, noise: Noise, random: np.random.Generator) -> Samples:
    n_fft = 1 << (len(samples) - 1).bit_length()
    white = np.fft.rfft(random.standard_normal(n_fft, np.float32))
    delay = np.exp(-2j * np.pi * np.linspace(0, 0.5, len(white), dtype=np.float32)).astype(np.complex64)
    coloured = np.fft.irfft(white / (1 - noise.lowpass * delay), n_fft)[: len(samples)]
    level = np.linalg.norm(samples) / max(float(np.linalg.norm(coloured)), 1e-9) * 10 ** (-noise.signal_db / 20)
    return (samples + level * coloured).astype(np.float32)


def _with_length_of(original: Samples, samples: Samples) -> Samples:
    fitted = np.zeros_like(original)
    n_common = min(len(original), len(samples))
    fitted[:n_common] = samples[:n_common]
    return fitted
