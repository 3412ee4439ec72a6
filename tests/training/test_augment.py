"""Augmentation: speed, room, telephone and noise, and the same choice when asked again."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from thano_duckdb.training.augment import SPEEDS, Augmentation, Noise, Room, Samples, choose_augmentation, n_samples_at

RATE_HZ = 16_000
SEED = (0, 0, 0)


def plain(**changes: Any) -> Augmentation:
    return Augmentation(**{"speed": 1.0, "room": None, "is_telephone": False, "noise": None, "seed": SEED, **changes})


def tone(pitch_hz: float, n_samples: int = RATE_HZ) -> Samples:
    return np.sin(2 * np.pi * pitch_hz * np.arange(n_samples) / RATE_HZ).astype(np.float32)


def energy(samples: Samples) -> float:
    return float(np.square(samples.astype(np.float64)).sum())


@pytest.mark.parametrize("speed", SPEEDS)
def test_speed_changes_duration_and_pitch(speed: float) -> None:
    augmented = plain(speed=speed).apply(tone(440))
    assert abs(len(augmented) - n_samples_at(RATE_HZ, speed)) <= 1
    spectrum = np.abs(np.fft.rfft(augmented))
    assert abs(np.argmax(spectrum) * RATE_HZ / len(augmented) - speed * 440) < 2
    assert len(plain(speed=speed).apply(tone(440), change_speed=False)) == RATE_HZ


@pytest.mark.parametrize("signal_db", [5.0, 20.0])
@pytest.mark.parametrize("lowpass", [0.0, 0.9])
def test_noise_has_the_level_and_the_spectrum_that_were_chosen(signal_db: float, lowpass: float) -> None:
    clip = tone(440)
    noise = plain(noise=Noise(signal_db, lowpass)).apply(clip) - clip
    assert 10 * np.log10(energy(clip) / energy(noise)) == pytest.approx(signal_db, abs=0.1)
    spectrum = np.abs(np.fft.rfft(noise))
    is_dark = energy(spectrum[: len(spectrum) // 4]) > 0.8 * energy(spectrum)
    assert is_dark == (lowpass > 0.5)


def test_a_room_has_the_reverberation_time_and_the_level_that_were_chosen() -> None:
    clap = np.zeros(RATE_HZ, np.float32)
    clap[1000] = 1.0
    augmented = plain(room=Room(reverberation_s=0.25, direct_db=6.0)).apply(clap)
    direct, echo = augmented[:1001], augmented[1001:]
    assert not np.abs(augmented[:1000]).max() > 1e-5
    assert 10 * np.log10(energy(direct) / energy(echo)) == pytest.approx(6.0, abs=0.1)
    start, end = echo[:400], echo[3600:4000]
    assert 10 * np.log10(energy(start) / energy(end)) == pytest.approx(
        54.0, abs=6.0
    )  # 60 dB, minus the ends themselves
    assert energy(echo[4000:]) < 1e-9


def test_a_telephone_keeps_the_speech_band_and_removes_what_is_above() -> None:
    assert energy(plain(is_telephone=True).apply(tone(1000))) > 0.95 * energy(tone(1000))
    assert energy(plain(is_telephone=True).apply(tone(6000))) < 0.01 * energy(tone(6000))


@given(st.integers(1, 3000), st.integers(0, 40))
def test_clips_of_any_length_keep_it_and_stay_finite(n_samples: int, clip: int) -> None:
    augmentation = choose_augmentation(1, 2, clip)
    augmented = augmentation.apply(tone(440, n_samples), change_speed=False)
    assert augmented.shape == (n_samples,)
    assert augmented.dtype == np.float32
    assert np.isfinite(augmented).all()


def test_silence_stays_silent() -> None:
    silence = np.zeros(RATE_HZ, np.float32)
    assert not plain(noise=Noise(5.0, 0.5), room=Room(0.2, 3.0), is_telephone=True).apply(silence).any()


def test_a_clip_gets_every_kind_of_augmentation_and_the_same_one_when_asked_again() -> None:
    augmentations = [[choose_augmentation(0, epoch, clip) for epoch in range(30)] for clip in range(20)]
    assert all({each.speed for each in epochs} == set(SPEEDS) for epochs in augmentations)
    for find in (lambda each: each.room, lambda each: each.noise, lambda each: each.is_telephone):
        assert all({bool(find(each)) for each in epochs} == {True, False} for epochs in augmentations[:5])
    assert augmentations == [[choose_augmentation(0, epoch, clip) for epoch in range(30)] for clip in range(20)]
    assert augmentations != [[choose_augmentation(1, epoch, clip) for epoch in range(30)] for clip in range(20)]
    clip = tone(300)
    assert np.array_equal(augmentations[3][4].apply(clip), choose_augmentation(0, 4, 3).apply(clip))
