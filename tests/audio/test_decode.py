"""Every format, rate and number of channels becomes mono samples at 16 kHz."""

from __future__ import annotations

import concurrent.futures
import struct
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile
import soxr

from tests.audio.sounds import RATE_HZ, encode, hiss, hum, waveform
from tests.conftest import Utterance

LOSSLESS = ["WAV", "WAVEX", "RF64", "W64", "AIFF", "AU", "CAF", "FLAC", "NIST", "VOC"]
LOSSY = [("OGG", "VORBIS"), ("OGG", "OPUS"), ("MP3", "MPEG_LAYER_III"), ("WAV", "ULAW"), ("WAV", "IMA_ADPCM")]


@pytest.mark.parametrize("container", LOSSLESS)
def test_lossless_formats_keep_every_sample(container: str) -> None:
    sound = hiss(5)  # more than one block
    decoded = waveform(encode(sound, container, "PCM_16"))
    assert decoded.duration_s == 5
    integers = np.rint(sound[:, 0] * 32767)
    np.testing.assert_allclose(decoded.samples * 32768, integers, atol=1)
    assert np.array_equal(decoded.samples, np.rint(decoded.samples * 32768) / 32768)


@pytest.mark.parametrize(("container", "subtype"), LOSSY)
def test_lossy_formats_keep_the_sound(container: str, subtype: str) -> None:
    sound = hum(6)
    decoded = waveform(encode(sound, container, subtype))
    assert decoded.duration_s == pytest.approx(6, abs=0.07)
    n_samples = len(sound)
    assert np.corrcoef(decoded.samples[:n_samples], sound[:, 0])[0, 1] > 0.99


@pytest.mark.parametrize("subtype", ["PCM_U8", "PCM_16", "PCM_24", "PCM_32", "FLOAT", "DOUBLE"])
def test_full_scale_is_one_in_every_coding(subtype: str) -> None:
    decoded = waveform(encode(hum(0.5), "WAV", subtype))
    np.testing.assert_allclose(decoded.samples, hum(0.5)[:, 0], atol=1 / 100 if subtype == "PCM_U8" else 1 / 30000)


@pytest.mark.parametrize("rate_hz", [8_000, 11_025, 22_050, 44_100, 48_000, 96_000])
@pytest.mark.parametrize("channels", [1, 2])
def test_any_rate_is_resampled_as_soxr_resamples_the_whole(rate_hz: int, channels: int) -> None:
    sound = hiss(3, rate_hz, channels)
    decoded = waveform(encode(sound, "WAV", "FLOAT", rate_hz))
    expected = soxr.resample(sound.mean(axis=1), rate_hz, RATE_HZ)
    assert decoded.duration_s == 3
    assert len(decoded.samples) == len(expected) == 3 * RATE_HZ
    np.testing.assert_allclose(decoded.samples, expected, atol=1e-6)


@pytest.mark.parametrize("subtype", ["PCM_16", "FLOAT"])
def test_channels_are_averaged(subtype: str) -> None:
    sound = hum(5, channels=6)
    decoded = waveform(encode(sound, "WAV", subtype))
    np.testing.assert_allclose(decoded.samples, sound.mean(axis=1), atol=1 / 30000)


def test_a_file_and_its_bytes_are_the_same(tmp_path: Path) -> None:
    content = encode(hiss(5, 44_100, 2), "FLAC", rate_hz=44_100)
    path = tmp_path / "ünï cödé 한국어.flac"
    path.write_bytes(content)
    assert np.array_equal(waveform(path).samples, waveform(content).samples)


def test_the_home_folder_and_file_urls_are_resolved(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / "a b.wav").write_bytes(encode(hum(1), "WAV"))
    assert waveform("~/a b.wav").duration_s == waveform(f"file://{tmp_path}/a%20b.wav").duration_s == 1


def test_the_extension_does_not_matter(tmp_path: Path) -> None:
    for name in ("a.raw", "a.txt", "a.mp3", "a"):
        (tmp_path / name).write_bytes(encode(hum(1), "FLAC"))
        assert waveform(tmp_path / name).duration_s == 1


def test_a_sphere_file_with_the_header_of_timit() -> None:
    header = "\n".join(
        [
            "NIST_1A\n   1024\ndatabase_id -s5 TIMIT\ndatabase_version -s3 1.0",
            "channel_count -i 1\nsample_count -i 16000",
            "sample_rate -i 16000\nsample_min -i -2191\nsample_max -i 2790\nsample_n_bytes -i 2",
            "sample_byte_format -s2 01\nsample_sig_bits -i 16\nend_head\n",
        ]
    )
    integers = np.rint(hum(1)[:, 0] * 32767).astype("<i2")
    decoded = waveform(header.encode().ljust(1024) + integers.tobytes())
    assert np.array_equal(decoded.samples, integers / np.float32(32768))


def test_ten_samples_are_enough() -> None:
    assert len(waveform(encode(hum(1)[:10], "WAV")).samples) == 10


# Headers without a length


@pytest.mark.parametrize(
    "sizes", [(0xFFFFFFFF, 0xFFFFFFFF), (0x7FFFF024, 0x7FFFF000), (0, 0), (36, 0), (0xFFFFFFFF, 0)]
)
@pytest.mark.parametrize("rate_hz", [16_000, 22_050])
def test_a_wav_that_was_written_to_a_pipe_is_whole(sizes: tuple[int, int], rate_hz: int, tmp_path: Path) -> None:
    whole = encode(hiss(5, rate_hz), "WAV", "PCM_16", rate_hz)
    piped = bytearray(whole)
    struct.pack_into("<I", piped, 4, sizes[0])
    struct.pack_into("<I", piped, 40, sizes[1])
    (tmp_path / "piped.wav").write_bytes(piped)
    for clip in (bytes(piped), tmp_path / "piped.wav"):
        assert np.array_equal(waveform(clip).samples, waveform(whole).samples)
    assert (tmp_path / "piped.wav").read_bytes() == piped  # corrected in memory only


def test_a_flac_stream_of_unknown_length_is_whole() -> None:
    whole = encode(hiss(6), "FLAC", "PCM_16")
    assert np.array_equal(waveform(_without_length(whole)).samples, waveform(whole).samples)


def _without_length(flac: bytes) -> bytes:
    """STREAMINFO holds the number of samples in the last 36 bits before its checksum; 0 is unknown (RFC 9639, 8.2)."""
    changed = bytearray(flac)
    changed[21] &= 0xF0
    changed[22:26] = bytes(4)
    return bytes(changed)


def test_an_mp3_without_its_xing_header_is_whole() -> None:
    sound = hum(6)
    whole = encode(sound, "MP3", bitrate_mode="CONSTANT")
    decoded = waveform(_without_first_frame(whole))
    assert decoded.duration_s == pytest.approx(6, abs=0.15)


def test_an_mp3_whose_length_is_guessed_too_high_is_whole() -> None:
    """A quiet beginning has a low bit rate, from which libsndfile guesses that the file is longer than it is."""
    sound = hiss(8)
    sound[:64_000] *= 1e-4
    decoded = waveform(_without_first_frame(encode(sound, "MP3", bitrate_mode="VARIABLE")))
    assert decoded.duration_s == pytest.approx(8, abs=0.15)


def _without_first_frame(mp3: bytes) -> bytes:
    """The first frame of an MPEG-2 layer III file holds the Xing or Info header, and no sound."""
    header = struct.unpack(">I", mp3[:4])[0]
    kbit_s = [0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160][header >> 12 & 15]
    return mp3[72_000 * kbit_s // RATE_HZ + (header >> 9 & 1) :]


@pytest.mark.parametrize("tag", [b"TAG" + bytes(125), bytes(3000)])
@pytest.mark.parametrize("container", ["MP3", "FLAC", "WAV", "OGG"])
def test_tags_after_the_audio_do_no_harm(container: str, tag: bytes) -> None:
    whole = encode(hum(6), container)
    assert np.array_equal(waveform(whole + tag).samples, waveform(whole).samples)


@pytest.mark.parametrize("container", ["MP3", "FLAC"])
def test_an_id3_tag_before_the_audio_does_no_harm(container: str) -> None:
    whole = encode(hum(6), container)
    tag = b"ID3\x04\0\0\0\0\x02\x00" + bytes(256)
    assert np.array_equal(waveform(tag + whole).samples, waveform(whole).samples)


# Resources


def test_threads_decode_independently() -> None:
    clips = [encode(hum(2 + n / 10), "FLAC") for n in range(12)] + [b"noise" * 100] * 4
    alone = [waveform(clip).samples for clip in clips[:12]]
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        together = list(pool.map(lambda clip: waveform(clip).samples, clips[:12] * 4))
    assert all(np.array_equal(alone[n % 12], samples) for n, samples in enumerate(together))


def test_a_long_file_is_never_in_memory_as_a_whole_at_its_own_rate(tmp_path: Path) -> None:
    path = tmp_path / "long.wav"
    minute = np.rint(hiss(60, 48_000, 2) * 20_000).astype(np.int16)
    with soundfile.SoundFile(path, "w", 48_000, 2, "PCM_16") as file:
        for _ in range(20):
            file.write(minute)
    script = (
        "import resource, sys\n"
        "from thano_duckdb.audio.decode import decode\nfrom thano_duckdb.audio.source import Clip\n"
        "before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss\n"
        "clip = decode(Clip.of(sys.argv[1]))\n"
        "grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before\n"
        "print(len(clip.samples), grown * 1024 / clip.samples.nbytes)\n"
    )
    command = [sys.executable, "-c", script, str(path)]
    n_samples, growth = subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()
    assert int(n_samples) == 20 * 60 * RATE_HZ
    assert float(growth) < 1.3  # of the result; the source is 3 times as large


# Real speech


@pytest.mark.parametrize(("container", "subtype"), [("WAV", "PCM_16"), *LOSSY[:3]])
def test_speech_survives_a_round_trip(an4_test: list[Utterance], container: str, subtype: str) -> None:
    for utterance in an4_test[:5]:
        original = waveform(utterance.audio_path)
        assert original.duration_s == pytest.approx(utterance.duration_s, abs=0.001)
        copy = waveform(encode(original.samples[:, None], container, subtype))
        assert copy.duration_s == pytest.approx(original.duration_s, abs=0.001)
        assert np.corrcoef(copy.samples, original.samples)[0, 1] > 0.95
