"""A clip can name one channel, or a part of the audio: its samples are those of the whole file, picked out of it."""

from __future__ import annotations

import io
from pathlib import Path
from unittest import mock

import numpy as np
import pytest
import soundfile
import soxr
from numpy.typing import NDArray

from tests.audio.sounds import BLOCK, RATE_HZ, clip_of, encode, hiss, hum, reason, waveform
from tests.audio.test_decode import _without_first_frame, _without_length
from thano_duckdb.pages.players import Player, player

FORMATS = [
    *(("WAV", subtype) for subtype in ("PCM_U8", "PCM_16", "PCM_24", "FLOAT", "ULAW", "IMA_ADPCM", "GSM610")),
    *((container, "PCM_16") for container in ("WAVEX", "RF64", "W64", "AIFF", "AU", "CAF", "NIST", "VOC", "FLAC")),
    *(("CAF", "ALAC_24"), ("FLAC", "PCM_24"), ("OGG", "VORBIS"), ("OGG", "OPUS"), ("MP3", "MPEG_LAYER_III")),
]
# In the first block, across the border of two, and in a later one up to the end; with a rate that is not rounded.
PARTS_S = [(0.5, 1.0), (1.9, 4.2), (5.00003, None), (None, 3.0)]


def read_whole(content: bytes) -> NDArray[np.float32]:
    """(frames, channels), by one read of soundfile."""
    samples, _ = soundfile.read(io.BytesIO(content), dtype="float32", always_2d=True)
    return np.asarray(samples, np.float32)


def channels_of(container: str, subtype: str) -> int:
    return 1 if subtype == "GSM610" else 2


@pytest.mark.parametrize("subtype", ["PCM_16", "FLOAT"])
def test_a_channel_gives_its_own_samples(subtype: str) -> None:
    content = encode(hum(5, channels=3), "WAV", subtype)
    whole = read_whole(content)
    for channel in range(3):
        np.testing.assert_allclose(waveform(content, channel=channel).samples, whole[:, channel], atol=1e-7)
    assert np.abs(whole[:, 0] - whole[:, 1]).max() > 0.1
    np.testing.assert_allclose(waveform(content).samples, whole.mean(axis=1), atol=1e-6)


@pytest.mark.parametrize(("container", "subtype"), FORMATS)
@pytest.mark.parametrize(("start_s", "stop_s"), PARTS_S)
def test_a_part_gives_the_samples_of_the_whole_file(
    container: str, subtype: str, start_s: float | None, stop_s: float | None, tmp_path: Path
) -> None:
    content = encode(hiss(6, channels=channels_of(container, subtype)), container, subtype)
    (tmp_path / "clip").write_bytes(content)
    last = channels_of(container, subtype) - 1
    start = round((start_s or 0) * RATE_HZ)
    stop = None if stop_s is None else round(stop_s * RATE_HZ)
    expected = read_whole(content)[start:stop, last]
    for value in (content, tmp_path / "clip"):
        decoded = waveform(value, channel=last, start_s=start_s, stop_s=stop_s)
        np.testing.assert_allclose(decoded.samples, expected, atol=1e-6)
        assert decoded.duration_s == len(expected) / RATE_HZ


def test_a_part_at_another_rate_is_resampled_alone() -> None:
    sound = hiss(3, 44_100)
    decoded = waveform(encode(sound, "WAV", "FLOAT", 44_100), start_s=1, stop_s=2)
    np.testing.assert_allclose(decoded.samples, soxr.resample(sound[44_100:88_200, 0], 44_100, RATE_HZ), atol=1e-6)


@pytest.mark.parametrize("content", [
    _without_length(encode(hiss(6), "FLAC", "PCM_16")),
    _without_first_frame(encode(hum(6), "MP3", bitrate_mode="CONSTANT")),
])  # fmt: skip
def test_a_part_of_a_file_of_unknown_length(content: bytes) -> None:
    whole = waveform(content).samples
    assert np.array_equal(waveform(content, start_s=2, stop_s=3).samples, whole[2 * RATE_HZ : 3 * RATE_HZ])
    assert np.array_equal(waveform(content, start_s=2).samples, whole[2 * RATE_HZ :])
    assert reason(content, start_s=7) == "The part from 7.00 s on lies outside the audio, which ends before it."
    assert "The part from 5.00 s to 7.00 s lies outside the audio, which lasts 6." in reason(
        content, start_s=5, stop_s=7
    )


@pytest.mark.parametrize(("container", "subtype", "n_reads"), [
    ("FLAC", "PCM_16", 2), ("WAV", "FLOAT", 2), ("OGG", "VORBIS", 2), ("OGG", "OPUS", 5),
])  # fmt: skip
def test_a_late_part_of_a_long_file_is_not_decoded_from_the_beginning(
    container: str, subtype: str, n_reads: int
) -> None:
    silence = np.zeros((10 * RATE_HZ, 1), np.float32)
    content = encode(np.concatenate([hum(30), silence, hiss(20)]), container, subtype)
    whole = read_whole(content)[:, 0]
    for start_s in (31.3, 45.25, 59.0):
        with mock.patch.object(
            soundfile.SoundFile, "buffer_read_into", autospec=True, side_effect=soundfile.SoundFile.buffer_read_into
        ) as reads:
            part = waveform(content, start_s=start_s, stop_s=start_s + 1).samples
        assert reads.call_count <= n_reads
        expected = whole[round(start_s * RATE_HZ) : round((start_s + 1) * RATE_HZ)]
        np.testing.assert_allclose(part, expected, atol=1e-6)


def test_a_part_of_opus_begins_where_the_decoder_has_settled() -> None:
    """At 10 kbit/s, where a decoder that starts anew is off by 0.03 for a second."""
    time_s = np.arange(60 * RATE_HZ)[:, None] / RATE_HZ
    swelling = hum(60) * (0.5 + 0.5 * np.sin(2 * np.pi * 3 * time_s)) * (1 + 0.9 * np.sin(2 * np.pi * time_s / 20))
    sound = swelling + hiss(60) * (np.sin(2 * np.pi * 0.7 * time_s) > 0.3) * 0.2
    buffer = io.BytesIO()
    with soundfile.SoundFile(buffer, "w", RATE_HZ, 1, "OPUS", format="OGG", compression_level=1.0) as file:
        for start in range(0, len(sound), BLOCK):
            file.write(sound[start : start + BLOCK])
    whole = read_whole(buffer.getvalue())[:, 0]
    for start_s in (31.3, 45.25, 58.9):
        part = waveform(buffer.getvalue(), start_s=start_s, stop_s=start_s + 1).samples
        start = round(start_s * RATE_HZ)
        np.testing.assert_allclose(part, whole[start : start + RATE_HZ], atol=1e-6)


def test_damage_after_the_part_does_not_matter() -> None:
    damaged = bytearray(encode(hiss(6), "FLAC", "PCM_16"))
    damaged[len(damaged) * 3 // 4] ^= 0x55
    assert len(waveform(bytes(damaged), stop_s=2).samples) == 2 * RATE_HZ
    assert "damaged" in reason(bytes(damaged), start_s=2)


@pytest.mark.parametrize(
    ("selected", "expected"),
    [
        ({"channel": 2}, "It has no channel 3: it has 2 channels, counted from 1."),
        ({"channel": -1}, "It has no channel 0: it has 2 channels, counted from 1."),
        ({"start_s": 3.0}, "The part from 3.00 s on lies outside the audio, which lasts 3.00 s."),
        ({"start_s": 4, "stop_s": 5}, "The part from 4.00 s to 5.00 s lies outside the audio, which lasts 3.00 s."),
        ({"start_s": 1, "stop_s": 3.2}, "The part from 1.00 s to 3.20 s lies outside the audio, which lasts 3.00 s."),
        ({"start_s": 2.0, "stop_s": 1.0}, "The part from 2 to 1 s is not possible"),
        ({"start_s": -1.0, "stop_s": 1.0}, "The part from -1 to 1 s is not possible"),
        ({"start_s": float("nan")}, "is not possible"),
        ({"start_s": float("inf")}, "is not possible"),
        ({"start_s": 1.7e308}, "s on lies outside the audio, which lasts 3.00 s."),
        ({"start_s": 1.0, "stop_s": 1.7e308}, "lies outside the audio, which lasts 3.00 s."),
        ({"start_s": 1.0, "stop_s": 1.00001}, "It holds no audio (0 samples)."),
    ],
)
def test_a_channel_or_part_that_the_clip_lacks_is_a_failure(selected: dict[str, float], expected: str) -> None:
    assert expected in reason(encode(hum(3, channels=2), "WAV"), **selected)


@pytest.mark.parametrize("start_s", [1e9, 1e20, 1.7e308])
def test_a_start_after_the_end_of_audio_of_unknown_length(start_s: float) -> None:
    clip = _without_length(encode(hum(3), "FLAC", "PCM_16"))
    assert "lies outside the audio, which ends before it" in reason(clip, start_s=start_s)
    assert "lies outside the audio" in reason(clip, stop_s=start_s)
    assert waveform(clip, stop_s=start_s, clamps_stop=True).duration_s == 3


def test_a_mono_clip_has_channel_0_alone() -> None:
    mono = encode(hum(1), "WAV")
    assert np.array_equal(waveform(mono, channel=0).samples, waveform(mono).samples)
    assert reason(mono, channel=1) == "It has no channel 2: it has 1 channel, counted from 1."


@pytest.mark.parametrize("stop_s", [3.05, float("inf")])
def test_a_part_may_end_a_little_after_the_audio_or_never(stop_s: float) -> None:
    """Times of segments are often rounded."""
    clip = encode(hum(3), "WAV")
    assert np.array_equal(waveform(clip, start_s=1, stop_s=stop_s).samples, waveform(clip, start_s=1).samples)


def test_a_player_plays_the_part() -> None:
    made = player(clip_of(encode(hiss(6, channels=2), "WAV"), channel=1, start_s=1.0, stop_s=3.5))
    assert isinstance(made, Player)
    assert (made.duration_s, made.embedded_s) == (2.5, 2.5)
