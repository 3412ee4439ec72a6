"""Files whose container libsndfile reads, but whose encoding it does not; and MP3 in WAV, which it reads."""

from __future__ import annotations

import struct
from pathlib import Path

import pytest

from tests.audio.sounds import encode, hiss, hum, reason, waveform
from tests.audio.test_decode import _without_first_frame
from thano_duckdb.audio.decode import AudioFailure, decode
from thano_duckdb.audio.info import AudioInfo, probe
from thano_duckdb.audio.mpeg_frames import count_samples
from thano_duckdb.audio.raw import InMemory
from thano_duckdb.audio.source import Clip


def chunk(name: bytes, content: bytes, byte_order: str = "<") -> bytes:
    return name + struct.pack(f"{byte_order}I", len(content)) + content + bytes(len(content) % 2)


def wav(tag: int, data: bytes, rate_hz: int = 16_000, extra: bytes = b"", *, chunks_before: bytes = b"") -> bytes:
    """A WAV file with one channel of any encoding."""
    fmt = struct.pack("<HHIIHHH", tag, 1, rate_hz, 0, 1, 0, len(extra)) + extra
    content = b"WAVE" + chunks_before + chunk(b"fmt ", fmt) + chunk(b"data", data)
    return chunk(b"RIFF", content)


ID3 = b"ID3\4\0\0\0\0\0\5hello"
MP3_EXTRA = struct.pack("<HIHHH", 1, 0, 1152, 1, 0)


def mp3(duration_s: float, mode: str, *, loud_part: float = 1.0) -> bytes:
    """An MP3 stream as a WAV holds it: without a Xing header."""
    sound = hiss(duration_s)
    sound[int(len(sound) * loud_part) :] *= 1e-4
    return _without_first_frame(encode(sound, "MP3", bitrate_mode=mode))


@pytest.mark.parametrize(
    ("tag", "name"), [(0x704F, "Opus"), (0x6750, "Vorbis"), (0x130, "ACELP"), (0x161, "Windows Media Audio")]
)
def test_a_wav_in_an_encoding_that_no_reader_knows(tag: int, name: str) -> None:
    expected = f"It is encoded as {name}, which is not read; convert it first, for example: ffmpeg -i in out.flac"
    data = hum(1).tobytes()
    assert reason(wav(tag, data)) == expected
    assert reason(wav(tag, data, chunks_before=chunk(b"junk", b"odd"))) == expected
    extensible = struct.pack("<HIH", 0, 0, tag) + b"\0\0\0\0\x10\0\x80\0\0\xaa\0\x38\x9b\x71"
    assert reason(wav(0xFFFE, data, extra=extensible)) == expected


@pytest.mark.parametrize("four_letters", [b"alac", b"aac ", b"opus"])
def test_a_caf_without_its_table_of_packets(four_letters: bytes) -> None:
    description = struct.pack(">d4sIIIII", 16_000.0, four_letters, 0, 0, 4096, 1, 16)
    caf = b"caff\0\1\0\0desc" + struct.pack(">q", 32) + description + b"data" + struct.pack(">q", 104) + bytes(104)
    assert reason(caf).startswith("It is damaged or was cut short: its header (CAF) cannot be read")


def test_what_is_damaged_is_still_called_damaged() -> None:
    assert "damaged" in reason(wav(0xABCD, bytes(1000)))
    assert "damaged" in reason(b"RIFF\0\0\0\0WAVE" + bytes(100))


@pytest.mark.parametrize("duration_s", [1.0, 6.0, 20.0])
def test_mp3_in_wav_is_whole(duration_s: float) -> None:
    stream = mp3(duration_s, "CONSTANT")
    for content in (wav(0x55, stream, extra=MP3_EXTRA), wav(0x55, stream, extra=MP3_EXTRA) + chunk(b"LIST", b"INFO")):
        assert waveform(content).duration_s == pytest.approx(duration_s, abs=0.15)
        info = probe(Clip.of(content))
        assert isinstance(info, AudioInfo)
        assert (info.format, info.subtype) == ("WAV", "MPEG_LAYER_III")
        assert info.duration_s == pytest.approx(duration_s, abs=0.15)


def test_mp3_in_wav_that_was_cut_short() -> None:
    content = wav(0x55, mp3(20, "CONSTANT"), extra=MP3_EXTRA)
    assert reason(content[: len(content) * 2 // 3]).startswith("The file was cut short")


@pytest.mark.parametrize("loud_part", [0.05, 0.2, 0.5, 0.8, 0.9])
@pytest.mark.parametrize("in_wav", [True, False])
def test_an_mp3_of_variable_bit_rate_without_a_xing_header_is_read_to_its_end(loud_part: float, in_wav: bool) -> None:
    """Libsndfile guesses a length that is too short, and would stop there."""
    stream = mp3(20, "VARIABLE", loud_part=loud_part)
    content = wav(0x55, stream, extra=MP3_EXTRA) if in_wav else 2 * ID3 + stream + b"TAG" + bytes(125)
    assert waveform(content).duration_s == pytest.approx(20, abs=0.1)
    info = probe(Clip.of(content))
    assert isinstance(info, AudioInfo)
    assert info.duration_s == pytest.approx(20, abs=0.1)


@pytest.mark.parametrize("rate_hz", [8000, 16_000, 44_100, 48_000])
@pytest.mark.parametrize("mode", ["CONSTANT", "VARIABLE"])
def test_the_frames_of_a_stream_are_counted(rate_hz: int, mode: str) -> None:
    stream = encode(hiss(5, rate_hz), "MP3", rate_hz=rate_hz, bitrate_mode=mode)  # its first frame holds no sound
    frame = 1152 if rate_hz > 24_000 else 576
    n_samples = count_samples(InMemory(stream), 0)
    assert n_samples % frame == 0
    assert 0 <= n_samples - 5 * rate_hz <= 5 * frame
    assert count_samples(InMemory(stream + b"TAG" + bytes(125)), 0) == n_samples
    assert count_samples(InMemory(stream[:-1]), 0) == n_samples - frame
    assert count_samples(InMemory(b"x" + stream), 0) == 0


@pytest.mark.parametrize("fork", ["._", ".AppleDouble"])
def test_a_resource_fork_in_the_working_folder_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fork: str
) -> None:
    """The library takes it for the second half of any MP3 whose name it does not know."""
    monkeypatch.chdir(tmp_path)
    content = encode(hum(1), "MP3")
    (tmp_path / "a.mp3").write_bytes(content)
    if fork == "._":
        (tmp_path / fork).write_bytes(b"junk" * 2000)
    else:
        (tmp_path / fork).mkdir()
    for value in (content, str(tmp_path / "a.mp3")):
        found = decode(Clip.of(value))
        assert isinstance(found, AudioFailure)
        assert found.reason.startswith(f"libsndfile takes '{fork}' in the working folder for a part of it")
