"""A clip that cannot be read is a failure with its own reason, never an exception, a hang, or half a transcript."""

from __future__ import annotations

import errno
import os
import socket
import struct
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.audio.sounds import encode, hiss, hum, reason
from tests.audio.test_decode import _without_length
from thano_duckdb.audio.decode import AudioFailure, Waveform, decode
from thano_duckdb.audio.info import AudioInfo, probe
from thano_duckdb.audio.limits import ReadLimits
from thano_duckdb.audio.source import Clip

# Locations


def test_locations_without_a_file(tmp_path: Path) -> None:
    assert reason(tmp_path / "missing.wav") == f"No such file: '{tmp_path}/missing.wav'."
    assert reason("") == "The path is empty."
    assert reason(tmp_path) == f"{tmp_path} is a directory, not an audio file."
    (tmp_path / "file").write_bytes(b"x")
    assert reason(tmp_path / "file" / "a.wav").startswith("No such file")
    assert reason("nul\0.wav").startswith("This is not a path")
    assert reason("\ud800.wav").startswith("This is not a path")
    too_long = reason("x" * 5000)
    assert "name too long" in too_long
    assert len(too_long) < 300


def test_a_relative_path_is_shown_as_an_absolute_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert reason("a.wav") == f"No such file: '{tmp_path}/a.wav'."


@pytest.mark.timeout(20)
def test_what_is_not_a_regular_file_does_not_hang(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "fifo.wav")
    server = socket.socket(socket.AF_UNIX)
    server.bind(os.path.relpath(tmp_path / "socket.wav"))
    server.close()
    (tmp_path / "link.wav").symlink_to(tmp_path / "fifo.wav")
    for path in (tmp_path / "fifo.wav", tmp_path / "socket.wav", tmp_path / "link.wav", Path("/dev/zero")):
        assert reason(path) == f"{path} is a pipe, a socket or a device; only regular files are read."


def test_a_file_without_read_permission(tmp_path: Path) -> None:
    (tmp_path / "secret.wav").write_bytes(encode(hum(1), "WAV"))
    (tmp_path / "secret.wav").chmod(0)
    if os.access(tmp_path / "secret.wav", os.R_OK):
        pytest.skip("this user may read everything")
    assert reason(tmp_path / "secret.wav") == f"No permission to read {tmp_path}/secret.wav."


def test_a_folder_without_permission_for_this_user(tmp_path: Path) -> None:
    if os.geteuid() != 0:
        pytest.skip("only root can become another user")
    (tmp_path / "closed").mkdir(mode=0o700)
    (tmp_path / "closed" / "a.wav").write_bytes(encode(hum(1), "WAV"))
    os.seteuid(65534)
    try:
        assert reason(tmp_path / "closed" / "a.wav").startswith("No permission to read")
    finally:
        os.seteuid(0)


# Contents that are not audio


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "empty (0 bytes)"),
        (b"this is a text\n" * 40, "a text file"),
        ("한국어 텍스트\n".encode() * 60, "a text file"),
        ("a text\n".encode("utf-16") * 40, "a text file"),
        (b"\n <!DOCTYPE html>\n<html>...", "an HTML page"),
        (b"\0\0\0\x20ftypM4A \0\0\0\0" + bytes(100), "its index (moov), which is written last, is missing"),
        (b"\x1a\x45\xdf\xa3" + bytes(100), "its header (MKV) cannot be read"),
        (b"#!AMR\n" + bytes(100), "cannot be decoded"),
        (b"\xff\xf1\x50\x80" + bytes(100), "its header does not say how its audio is encoded"),
        (b"PK\x03\x04" + bytes(100), "unpack it first"),
        (np.random.default_rng(0).bytes(50_000), "not audio of a known format"),
        (bytes(10_000), "not audio of a known format"),
        (hum(1).tobytes(), "not audio of a known format"),
    ],
)
def test_contents_that_are_not_audio(content: bytes, words: str, tmp_path: Path) -> None:
    assert words in reason(content)
    for name in ("clip.wav", "clip.raw", "clip.au"):  # libsndfile would take headerless samples by their extension
        (tmp_path / name).write_bytes(content)
        assert words in reason(tmp_path / name)


def test_a_sphere_file_compressed_by_shorten_is_recognised() -> None:
    sphere = encode(hum(1), "NIST").replace(b"sample_coding -s3 pcm", b"sample_coding -s26 pcm,embedded-shorten-v2.00")
    assert "shorten" in reason(sphere)


# Broken headers and samples


def _patched(offset: int, layout: str, value: int) -> bytes:
    wav = bytearray(encode(hum(1), "WAV", "PCM_16"))
    struct.pack_into(layout, wav, offset, value)
    return bytes(wav)


@pytest.mark.parametrize(
    ("wav", "words"),
    [
        (_patched(22, "<H", 0), "Channel count is zero"),
        (_patched(22, "<H", 65_535), "Too many channels"),
        (_patched(24, "<I", 1), "1 channel at 1 Hz"),
        (_patched(24, "<I", 0), "damaged"),
        (_patched(34, "<H", 0), "damaged"),
    ],
)
def test_a_broken_header_is_a_failure(wav: bytes, words: str) -> None:
    assert words in reason(wav)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize(("rate_hz", "channels"), [(16_000, 1), (44_100, 2)])
def test_samples_that_are_not_numbers_are_a_failure(value: float, rate_hz: int, channels: int) -> None:
    sound = hum(6, rate_hz, channels)
    sound[-1, -1] = value
    assert "not numbers" in reason(encode(sound, "WAV", "FLOAT", rate_hz))


@pytest.mark.parametrize("container", ["WAV", "AIFF", "OGG"])
def test_a_file_without_samples_is_a_failure(container: str) -> None:
    assert reason(encode(hum(0), container)) == "It holds no audio (0 samples)."


def test_an_empty_wav_with_more_chunks_is_empty() -> None:
    wav = encode(hum(0), "WAV", "PCM_16")
    assert reason(wav + b"LIST\x04\0\0\0INFO") == "It holds no audio (0 samples)."


# Cut short: half a file must not give half a transcript


UNCOMPRESSED = ["WAV", "WAVEX", "RF64", "W64", "AIFF", "AU", "NIST", "VOC", "CAF"]
COMPRESSED: list[tuple[str, str | None]] = [
    ("FLAC", "PCM_16"),
    ("OGG", "VORBIS"),
    ("OGG", "OPUS"),
    ("MP3", None),
    ("WAV", "GSM610"),
    ("WAV", "IMA_ADPCM"),
]


@pytest.mark.parametrize(("container", "subtype"), [*((name, "PCM_16") for name in UNCOMPRESSED), *COMPRESSED])
@pytest.mark.parametrize("fraction", [0.5, 0.97])
def test_a_file_that_was_cut_short_is_a_failure(
    container: str, subtype: str | None, fraction: float, tmp_path: Path
) -> None:
    whole = encode(hum(6), container, subtype)
    part = whole[: int(len(whole) * fraction)]
    (tmp_path / "cut").write_bytes(part)
    assert "cut short" in reason(part)
    assert reason(part) == reason(tmp_path / "cut")


def test_the_reason_says_how_much_is_missing() -> None:
    whole = encode(hum(6), "WAV", "PCM_16")
    assert "its header promises 6.00 s, it holds 3.00 s" in reason(whole[: len(whole) // 2])


def test_a_flac_cut_between_two_frames() -> None:
    """The decoder finds no error: only the header shows that the end is missing."""
    whole = encode(hiss(6), "FLAC", "PCM_16")
    cuts = [n for n in range(1000, len(whole)) if whole[n : n + 2] == b"\xff\xf8" and whole[n + 2] >> 4 == 0xC]
    assert len(cuts) >= 20
    reasons = {reason(whole[:cut]).split(":")[0] for cut in cuts}
    assert reasons <= {"The file was cut short", "It is damaged or was cut short"}
    assert "The file was cut short" in reasons


def test_a_flac_of_unknown_length_cut_short() -> None:
    whole = _without_length(encode(hiss(6), "FLAC", "PCM_16"))
    assert "cut short" in reason(whole[: len(whole) // 2])


def test_a_flac_with_a_damaged_frame() -> None:
    damaged = bytearray(encode(hiss(6), "FLAC", "PCM_16"))
    damaged[len(damaged) // 2] ^= 0x55
    assert "damaged" in reason(bytes(damaged))


def test_a_flac_that_promises_a_year() -> None:
    wrong = bytearray(encode(hiss(1), "FLAC", "PCM_16"))
    wrong[21] |= 0x0F
    wrong[22:26] = b"\xff" * 4
    assert "By its header it lasts more than 14,400 s" in reason(bytes(wrong))
    unlimited = decode(Clip.of(bytes(wrong)), limits=ReadLimits(max_duration_s=None))
    assert isinstance(unlimited, AudioFailure)
    assert "it holds 1.00 s" in unlimited.reason


def test_a_header_that_counts_itself_is_accepted() -> None:
    wav = bytearray(encode(hum(1), "WAV", "PCM_16"))
    struct.pack_into("<I", wav, 40, len(wav))
    assert isinstance(decode(Clip.of(bytes(wav))), Waveform)


# Files that libsndfile would read only in part


@pytest.mark.parametrize(("container", "subtype"), [("MP3", None), ("OGG", "VORBIS"), ("OGG", "OPUS"), ("FLAC", None)])
@pytest.mark.parametrize("duration_s", [1.0, 12.0])
def test_joined_files_are_a_failure(
    container: str, subtype: str | None, duration_s: float, capfd: pytest.CaptureFixture[str]
) -> None:
    one = encode(hum(duration_s), container, subtype)
    assert f"only the first {duration_s:.2f} s" in reason(one + one)
    capfd.readouterr()  # mpg123 writes a warning of its own


# Any bytes


MUTATED = [encode(hum(0.3), container) for container in ("WAV", "AIFF", "AU", "W64", "CAF", "NIST", "FLAC", "OGG")]


@settings(deadline=None)
@given(
    st.sampled_from(MUTATED),
    st.lists(st.tuples(st.integers(0, 400), st.integers(0, 255)), max_size=8),
    st.integers(0, 40_000),
)
def test_mutated_files_never_raise(content: bytes, changes: list[tuple[int, int]], length: int) -> None:
    mutated = bytearray(content[:length])
    for offset, value in changes:
        if offset < len(mutated):
            mutated[offset] = value
    source = Clip.of(bytes(mutated))
    decoded = decode(source)
    if isinstance(decoded, Waveform):
        assert len(decoded.samples)
        assert np.isfinite(decoded.samples).all()
    else:
        assert decoded.reason
    assert isinstance(probe(source), AudioInfo | AudioFailure)


def test_broken_bytes_print_nothing(tmp_path: Path) -> None:
    """Broken BLOBs lead libsndfile to seek before the start: Python would print a traceback."""
    script = (
        "import numpy as np\n"
        "from thano_duckdb.audio.decode import decode\nfrom thano_duckdb.audio.source import Clip\n"
        "from tests.audio.test_bad_audio import MUTATED\n"
        "random = np.random.default_rng(0)\n"
        "for n in range(1500):\n"
        "    content = bytearray(MUTATED[n % len(MUTATED)])\n"
        "    for offset in random.integers(0, 200, 6): content[offset] = random.integers(256)\n"
        "    decode(Clip.of(bytes(content)))\n"
    )
    run = subprocess.run([sys.executable, "-W", "error", "-c", script], capture_output=True, text=True, check=True)
    assert (run.stdout, run.stderr) == ("", "")


def test_running_out_of_memory_is_a_failure(monkeypatch: pytest.MonkeyPatch) -> None:
    def no_memory(*_: object, **__: object) -> None:
        raise MemoryError

    monkeypatch.setattr("thano_duckdb.audio.mixing.Mixer.mix", no_memory)
    assert "not enough memory" in reason(encode(hum(1), "WAV"))


def test_a_disk_error_is_a_failure(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def failing(*_: object) -> bytes:
        raise OSError(errno.EIO, "Input/output error")

    (tmp_path / "a.wav").write_bytes(encode(hum(1), "WAV"))
    monkeypatch.setattr("os.pread", failing)
    assert "Input/output error" in reason(tmp_path / "a.wav")
    assert isinstance(probe(Clip.of(str(tmp_path / "a.wav"))), AudioFailure)
