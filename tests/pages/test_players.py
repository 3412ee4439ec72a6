"""Clips as players: the embedded audio is the clip, and small."""

from __future__ import annotations

import base64
import io

import numpy as np
import pytest
import soundfile

from tests.conftest import Utterance
from thano_duckdb.audio.failure import AudioFailure
from thano_duckdb.audio.source import Clip
from thano_duckdb.pages import players as module
from thano_duckdb.pages.players import MAX_CLIP_S, NO_ROOM, Player, player, players


def tone(duration_s: float, rate_hz: int = 44_100, channels: int = 2, subtype: str = "PCM_16") -> bytes:
    times = np.arange(round(duration_s * rate_hz)) / rate_hz
    samples = np.tile(0.5 * np.sin(2 * np.pi * 440 * times)[:, None], channels)
    content = io.BytesIO()
    soundfile.write(content, samples, rate_hz, format="WAV", subtype=subtype)
    return content.getvalue()


def played(made: Player | AudioFailure | None) -> tuple[np.ndarray, int]:
    """The samples that a browser would play, and their rate."""
    assert isinstance(made, Player)
    head, _, content = made.uri.partition(",")
    assert head == "data:audio/mpeg;base64"
    return soundfile.read(io.BytesIO(base64.b64decode(content, validate=True)))


def test_the_embedded_audio_is_the_clip(an4_test: list[Utterance]) -> None:
    for utterance in an4_test[:10]:
        original, rate_hz = soundfile.read(utterance.audio_path)
        samples, played_hz = played(made := player(Clip.of(utterance.audio_path)))
        assert abs(len(samples) / played_hz - len(original) / rate_hz) < 0.05
        assert np.corrcoef(samples, original[: len(samples)])[0, 1] > 0.95
        assert isinstance(made, Player)
        assert len(made.uri) < 0.15 * len(original) * 2  # of 16-bit PCM
        assert (made.duration_s, made.sample_rate_hz, made.n_channels, made.format) == (
            len(original) / rate_hz,
            16_000,
            1,
            "FLAC PCM_16",
        )
        assert not made.is_beginning


@pytest.mark.parametrize("subtype", ["PCM_16", "PCM_24", "FLOAT"])
def test_other_rates_channels_and_codings_keep_their_level_and_pitch(subtype: str) -> None:
    samples, rate_hz = played(made := player(Clip.of(tone(1.5, subtype=subtype))))
    assert samples.ndim == 1
    assert rate_hz == 16_000
    assert np.abs(np.fft.rfft(samples)).argmax() * rate_hz / len(samples) == pytest.approx(440, abs=2)
    assert np.sqrt((samples**2).mean()) == pytest.approx(0.5 / np.sqrt(2), rel=0.05)
    assert isinstance(made, Player)
    assert (made.sample_rate_hz, made.n_channels, made.duration_s) == (44_100, 2, 1.5)


def test_only_the_beginning_of_a_long_clip_is_embedded() -> None:
    samples, rate_hz = played(made := player(Clip.of(tone(MAX_CLIP_S + 5, 8_000, 1))))
    assert isinstance(made, Player)
    assert len(samples) / rate_hz == pytest.approx(MAX_CLIP_S, abs=0.05)
    assert made.is_beginning
    assert (made.duration_s, made.embedded_s) == (MAX_CLIP_S + 5, MAX_CLIP_S)


@pytest.mark.parametrize("duration_s", [1 / 44_100, 0.01, MAX_CLIP_S])
def test_clips_of_any_length_play(duration_s: float) -> None:
    samples, rate_hz = played(made := player(Clip.of(tone(duration_s))))
    assert len(samples) / rate_hz == pytest.approx(duration_s, abs=0.05)
    assert isinstance(made, Player)
    assert not made.is_beginning


def test_without_mp3_support_the_audio_is_wav(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(soundfile, "check_format", lambda *_: False)
    made = player(Clip.of(tone(0.5)))
    assert isinstance(made, Player)
    assert made.uri.startswith("data:audio/wav;base64,")


def test_the_waveform_rises_where_there_is_sound() -> None:
    half_silent = np.concatenate([np.zeros(8_000), 0.5 * np.sin(np.arange(8_000))])
    content = io.BytesIO()
    soundfile.write(content, half_silent, 16_000, format="WAV")
    made = player(Clip.of(content.getvalue()))
    assert isinstance(made, Player)
    heights = [int(bar.split("v")[1]) for bar in made.waveform_path.split("M")[1:]]
    assert len(heights) == 200
    assert max(heights[:98]) == 1
    assert min(heights[102:]) >= 36


def test_a_clip_that_cannot_be_read_has_a_reason_and_the_others_play() -> None:
    found = players([tone(0.2), None, "/no/such/clip.wav", b"not audio", tone(0.1)], may_read=lambda _: True)
    assert isinstance(found[0], Player)
    assert found[1] is None
    assert isinstance(found[2], AudioFailure)
    assert "/no/such/clip.wav" in found[2].reason
    assert isinstance(found[3], AudioFailure)
    assert isinstance(found[4], Player)
    assert found[4].duration_s == pytest.approx(0.1)


def test_samples_that_are_not_numbers_are_a_failure() -> None:
    content = io.BytesIO()
    soundfile.write(content, np.array([0.0, np.nan, 0.1]), 16_000, format="WAV", subtype="FLOAT")
    found = player(Clip.of(content.getvalue()))
    assert isinstance(found, AudioFailure)
    assert "NaN" in found.reason


def test_files_are_not_read_if_the_database_may_not_read_them(an4_clip: str) -> None:
    path, blob = players([an4_clip, tone(0.1)], may_read=lambda _: False)
    assert isinstance(path, AudioFailure)
    assert "enable_external_access" in path.reason
    assert isinstance(blob, Player)


def test_the_size_of_a_page_is_limited() -> None:
    (one,) = players([tone(1)], may_read=lambda _: True)
    assert isinstance(one, Player)
    room = 2 * len(one.uri)
    found = players([tone(1)] * 4 + [None], may_read=lambda _: True, max_bytes=room)
    assert [type(each) for each in found[:2]] == [Player, Player]
    assert found[2:] == [NO_ROOM, NO_ROOM, None]
    assert module.MAX_PAGE_BYTES <= 10_000_000


def test_one_channel_plays_alone() -> None:
    times = np.arange(44_100) / 44_100
    both = 0.5 * np.sin(2 * np.pi * np.outer(times, [440, 880]))
    content = io.BytesIO()
    soundfile.write(content, both, 44_100, format="WAV")
    for channel, pitch_hz in ((1, 440), (2, 880)):
        stereo, mono = players(
            [content.getvalue(), tone(1, channels=1)], may_read=lambda _: True, options={"channel": channel}
        )
        samples, rate_hz = played(stereo)
        assert np.abs(np.fft.rfft(samples)).argmax() * rate_hz / len(samples) == pytest.approx(pitch_hz, abs=2)
        assert isinstance(stereo, Player)
        assert stereo.n_channels == 2
        assert isinstance(mono, Player) == (channel == 1)
    assert isinstance(mono, AudioFailure)
    assert mono.reason == "It has no channel 2: it has 1 channel, counted from 1."
