"""Channels are mixed to their mean, and a clip says where that is wrong: two voices, or channels that cancel out."""

from __future__ import annotations

import io
from collections.abc import Callable

import numpy as np
import pytest
import soundfile
from numpy.typing import NDArray

from tests.audio.sounds import RATE_HZ, encode, hiss, hum, waveform
from thano_duckdb.audio.mixed_clips import MixedClips, MixProblem
from thano_duckdb.audio.mixing import Mixer
from thano_duckdb.models import bundled

Samples = NDArray[np.float32]


def voice(number: int) -> Samples:
    """(n_samples,) of a sentence that ships with the package."""
    samples, rate_hz = soundfile.read(bundled.dataset_folder("librispeech_data") / f"{number:03}.flac", dtype="float32")
    assert rate_hz == RATE_HZ
    return np.asarray(samples, np.float32)


def side_by_side(left: Samples, right: Samples) -> Samples:
    """(frames, 2), the shorter one with silence at its end."""
    n_frames = max(len(left), len(right))
    return np.stack([np.pad(side, (0, n_frames - len(side))) for side in (left, right)], axis=1)


def call(*, gap_s: float = 0.0) -> Samples:
    """Two sentences on the left, and two on the right that answer them: (frames, 2)."""
    turns: list[Samples] = []
    for number in range(4):
        spoken = np.pad(voice(number), (0, round(gap_s * RATE_HZ)))
        turns.append(side_by_side(spoken, 0 * spoken)[:, :: (-1) ** number])
    return np.concatenate(turns)


def line_noise(sound: Samples, level_db: float) -> Samples:
    noise = np.random.default_rng(1).normal(0, 10 ** (level_db / 20), sound.shape)
    return (sound + noise).astype(np.float32)


def problem(sound: Samples, container: str = "WAV", subtype: str = "PCM_16") -> MixProblem | None:
    return waveform(encode(sound, container, subtype)).mix_problem


@pytest.mark.parametrize("gap_s", [0, 0.5])
@pytest.mark.parametrize("levels", [(1, 1), (1, 0.05), (0.1, 1)])
def test_two_voices_that_take_turns_are_noticed(gap_s: float, levels: tuple[float, float]) -> None:
    assert problem(call(gap_s=gap_s) * np.array(levels, np.float32)) is MixProblem.VOICES


@pytest.mark.parametrize("level_db", [-60, -50, -45])
def test_noise_on_the_line_does_not_hide_two_voices(level_db: float) -> None:
    assert problem(line_noise(call(gap_s=0.5), level_db)) is MixProblem.VOICES


def test_a_little_of_each_voice_on_the_other_line_does_not_hide_them() -> None:
    sound = call()
    assert problem(sound + 0.1 * sound[:, ::-1]) is MixProblem.VOICES


def test_two_voices_that_talk_at_the_same_time_are_noticed() -> None:
    spoken = [np.concatenate([voice(number + side) for number in range(0, 8, 2)]) for side in (0, 1)]
    assert problem(side_by_side(*spoken)) is MixProblem.VOICES


def test_lossy_formats_and_other_rates_do_not_hide_two_voices() -> None:
    assert problem(call(), "OGG", "VORBIS") is MixProblem.VOICES
    assert problem(call(), "MP3", "MPEG_LAYER_III") is MixProblem.VOICES
    at_telephone_rate = encode(call()[::2], "WAV", "ULAW", 8_000)
    assert waveform(at_telephone_rate).mix_problem is MixProblem.VOICES


ORDINARY: dict[str, Callable[[], Samples]] = {
    "one channel": lambda: call()[:, :1],
    "the same on both": lambda: np.repeat(call().sum(axis=1, keepdims=True), 2, axis=1),
    "nearer to one microphone": lambda: (
        np.repeat(call().sum(axis=1, keepdims=True), 2, axis=1) * np.array([1, 0.2], np.float32)
    ),
    "two voices in one room": lambda: call() + 0.5 * np.roll(call()[:, ::-1], 20, axis=0),
    "one side silent": lambda: call() * np.array([1, 0], np.float32),
    "one side with line noise": lambda: line_noise(call() * np.array([1, 0], np.float32), -50),
    "silence": lambda: np.zeros((3 * RATE_HZ, 2), np.float32),
    "tones": lambda: hum(5, channels=2),
    "noise": lambda: hiss(5, channels=2),
    "a voice over quiet music": lambda: call().sum(axis=1, keepdims=True) + 0.2 * hum(60, channels=2)[: len(call())],
}


@pytest.mark.parametrize("name", ORDINARY)
def test_ordinary_recordings_are_mixed_without_a_word(name: str) -> None:
    sound = ORDINARY[name]()
    decoded = waveform(encode(sound, "WAV", "FLOAT"))
    assert decoded.mix_problem is None
    np.testing.assert_allclose(decoded.samples, sound.mean(axis=1), atol=1e-6)


@pytest.mark.parametrize(("subtype", "atol"), [("PCM_16", 1 / 30_000), ("FLOAT", 0), ("ULAW", 0.02)])
@pytest.mark.parametrize(("right", "loudest"), [(-1.0, 1.0), (-0.8, 1.0), (-1.25, -1.25)])
def test_channels_that_cancel_each_other_give_the_loudest_one(
    subtype: str, atol: float, right: float, loudest: float
) -> None:
    spoken = 0.5 * voice(0)
    decoded = waveform(encode(side_by_side(spoken, right * spoken), "WAV", subtype))
    assert decoded.mix_problem is MixProblem.CANCELLED
    np.testing.assert_allclose(decoded.samples, loudest * spoken, atol=atol)
    assert decoded.duration_s == len(spoken) / RATE_HZ


def test_noise_on_the_line_does_not_hide_channels_that_cancel_each_other() -> None:
    assert problem(line_noise(side_by_side(voice(0), -voice(0)), -50)) is MixProblem.CANCELLED


def test_four_channels_are_judged_together() -> None:
    sound = call(gap_s=0.3)
    silent = np.zeros_like(sound)
    assert problem(np.concatenate([silent, sound], axis=1)) is MixProblem.VOICES
    assert problem(np.concatenate([sound, -sound], axis=1)) is MixProblem.CANCELLED


def test_a_named_channel_is_not_mixed() -> None:
    content = encode(call(), "WAV", "PCM_16")
    assert waveform(content, channel=1).mix_problem is None


@pytest.mark.parametrize("n_block", [1, 333, 1024, 40_000])
def test_the_length_of_the_blocks_does_not_matter(n_block: int) -> None:
    sound = call(gap_s=0.2)
    mixer = Mixer(RATE_HZ, 2)
    sound = sound[: 40 * n_block] if n_block == 1 else sound
    mono = [
        mixer.mix(sound[start : start + n_block], np.empty(len(sound[start : start + n_block]), np.float32))
        for start in range(0, len(sound), n_block)
    ]
    np.testing.assert_allclose(np.concatenate(mono), sound.mean(axis=1), atol=1e-6)
    assert mixer.problem() is (None if n_block == 1 else MixProblem.VOICES)


def test_samples_beyond_every_number_are_no_problem_of_the_mix() -> None:
    loud = io.BytesIO()
    soundfile.write(loud, np.full((RATE_HZ, 2), 1e30, np.float32), RATE_HZ, format="WAV", subtype="FLOAT")
    assert waveform(loud.getvalue()).mix_problem is None


def test_one_warning_counts_the_clips_with_an_example_of_each_kind() -> None:
    mixed = MixedClips()
    assert not mixed
    for location in ("a.wav", "b.wav", "a.wav"):
        mixed.add(location, MixProblem.VOICES)
    assert mixed.warning().startswith("The channels of 2 clips (a.wav, ...) differ as the voices of two speakers do")
    mixed.add("https://me:secret@host/c.wav", MixProblem.CANCELLED)
    assert "the channels of 1 clip (https://***@host/c.wav) cancel each other" in mixed.warning()
    assert "channel='each'" in mixed.warning()
