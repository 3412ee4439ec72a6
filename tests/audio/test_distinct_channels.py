"""Channels that hold the same signal count as one."""

from __future__ import annotations

from typing import Any
from unittest import mock

import numpy as np
import pytest
import soundfile

from tests.audio.sounds import RATE_HZ, clip_of, encode, hiss, hum
from tests.audio.test_decode import _without_length
from tests.audio.test_mixing import call, line_noise, side_by_side, voice
from thano_duckdb.audio.distinct_channels import distinct_channels
from thano_duckdb.audio.failure import AudioFailure
from thano_duckdb.audio.limits import ReadLimits


@pytest.mark.parametrize(("container", "subtype", "factors"), [
    ("WAV", "PCM_16", (1, 0.5, -1)), ("WAV", "FLOAT", (1, 0.5, -1)), ("WAV", "ULAW", (1, 0.5, -1)),
    ("FLAC", "PCM_16", (1, 0.5, -1)), ("OGG", "OPUS", (1, 0.5, -1)), ("MP3", "MPEG_LAYER_III", (1, 0.5, -1)),
    ("OGG", "VORBIS", (1, 0.5)),  # which keeps less of channels of opposite signs
])  # fmt: skip
def test_the_same_signal_on_both_channels_counts_once(container: str, subtype: str, factors: tuple[float, ...]) -> None:
    for factor in factors:
        content = encode(side_by_side(voice(0), np.float32(factor) * voice(0)), container, subtype)
        assert distinct_channels(clip_of(content)) == [0]


@pytest.mark.parametrize(("container", "subtype"), [("WAV", "PCM_16"), ("OGG", "VORBIS"), ("MP3", "MPEG_LAYER_III")])
def test_different_signals_are_different_channels(container: str, subtype: str) -> None:
    assert distinct_channels(clip_of(encode(call(), container, subtype))) == [0, 1]
    music = hum(5, channels=2)
    assert distinct_channels(clip_of(encode(music, container, subtype))) == [0, 1]


def test_among_several_channels_the_first_of_equal_ones_stays() -> None:
    left, right = call().T
    silent = 0 * left
    sound = np.stack([left, silent, right, left, silent, -right], axis=1)
    assert distinct_channels(clip_of(encode(sound, "FLAC", "PCM_16"))) == [0, 1, 2]


def test_a_silent_side_is_a_channel_and_two_silent_ones_are_one() -> None:
    assert distinct_channels(clip_of(encode(side_by_side(voice(0), 0 * voice(0)), "WAV", "PCM_16"))) == [0, 1]
    assert distinct_channels(clip_of(encode(side_by_side(0 * voice(0), voice(0)), "WAV", "PCM_16"))) == [0, 1]
    assert distinct_channels(clip_of(encode(np.zeros((100, 2), np.float32), "WAV", "PCM_16"))) == [0]
    assert distinct_channels(clip_of(encode(hum(1), "WAV"))) == [0]


def test_a_difference_that_comes_late_counts() -> None:
    same = np.repeat(voice(0)[:, None], 2, axis=1)
    assert distinct_channels(clip_of(encode(np.concatenate([same, same, call()]), "FLAC", "PCM_16"))) == [0, 1]


def test_noise_before_the_same_signal_does_not_make_it_two() -> None:
    quiet = np.zeros((2 * RATE_HZ, 2), np.float32)
    sound = np.concatenate([quiet, np.repeat(voice(0)[:, None], 2, axis=1)])
    assert distinct_channels(clip_of(encode(line_noise(sound, -80), "WAV", "PCM_24"))) == [0]


def test_reading_ends_where_the_channels_must_differ() -> None:
    content = encode(hiss(120, channels=2), "FLAC", "PCM_16")
    n_read = 0

    def read(self: soundfile.SoundFile, buffer: Any, dtype: Any) -> int:
        nonlocal n_read
        found: int = buffer_read_into(self, buffer, dtype)
        n_read += found
        return found

    buffer_read_into = soundfile.SoundFile.buffer_read_into
    with mock.patch.object(soundfile.SoundFile, "buffer_read_into", read):
        assert distinct_channels(clip_of(content)) == [0, 1]
    assert 0 < n_read < 10 * RATE_HZ


def test_a_file_of_unknown_length_is_read_to_its_end() -> None:
    assert distinct_channels(clip_of(_without_length(encode(call(), "FLAC", "PCM_16")))) == [0, 1]


def test_only_the_part_counts() -> None:
    same = np.repeat(voice(0)[:, None], 2, axis=1)
    content = encode(np.concatenate([call(), same]), "WAV", "PCM_16")
    assert distinct_channels(clip_of(content)) == [0, 1]
    assert distinct_channels(clip_of(content, start_s=len(call()) / RATE_HZ)) == [0]


def test_what_cannot_be_read_is_a_reason() -> None:
    for content in (b"no audio", encode(np.full((100, 2), np.nan, np.float32), "WAV", "FLOAT")):
        assert isinstance(distinct_channels(clip_of(content)), AudioFailure)
    limited = distinct_channels(clip_of(encode(call(), "WAV")), limits=ReadLimits(max_duration_s=1))
    assert isinstance(limited, AudioFailure)
    assert "max_duration" in limited.reason
