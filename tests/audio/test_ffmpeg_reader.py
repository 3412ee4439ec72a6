"""What ffmpeg reads: tracks, parts, joined files, and memory."""

from __future__ import annotations

import concurrent.futures
import errno
import os
import struct
import subprocess
import sys
from pathlib import Path

import av
import numpy as np
import pytest
from numpy.typing import NDArray

from tests.audio.media_files import OF_FFMPEG, RATE_HZ, MediaFormat, decoded_by_ffmpeg, made, needs_ffmpeg, run_ffmpeg
from tests.audio.sounds import clip_of, encode, hiss, hum, reason, waveform
from tests.audio.test_formats import read_part, read_whole
from thano_duckdb.audio.containers import Container
from thano_duckdb.audio.failure import UnreadableAudioError
from thano_duckdb.audio.pyav import OPEN_OPTIONS, open_pyav
from thano_duckdb.audio.raw_handle import RawHandle
from thano_duckdb.audio.remote_parts import BLOCK_BYTES, RemoteParts

pytestmark = needs_ffmpeg


def format_of(container: str, encoding: str) -> MediaFormat:
    return next(each for each in OF_FFMPEG if (each.container, each.encoding) == (container, encoding))


M4A, WEBM, MP4_VIDEO = format_of("M4A", "AAC"), format_of("WebM", "Opus"), format_of("MP4 with video", "AAC")
ALAC = format_of("M4A", "ALAC")
MP4 = Container("MP4", "mov")


def test_joined_streams_of_different_rates_and_channels(tmp_path: Path) -> None:
    """The later ones are converted to what the first one is."""
    (tmp_path / "mono.wav").write_bytes(encode(hum(2, 16_000), "WAV", "PCM_16", 16_000))
    run_ffmpeg("-i", str(tmp_path / "mono.wav"), "-c:a", "aac", str(tmp_path / "mono.aac"))
    path = tmp_path / "joined.aac"
    path.write_bytes(made(format_of("AAC (ADTS)", "AAC")) + (tmp_path / "mono.aac").read_bytes())
    _, samples = read_whole(path)
    expected = decoded_by_ffmpeg(path, 2)
    assert len(samples) == pytest.approx(len(expected), abs=0.02 * RATE_HZ)
    n = min(len(samples), len(expected))
    assert n / RATE_HZ == pytest.approx(3.3 + 2, abs=0.2)
    assert np.sqrt(np.mean((samples[:n] - expected[:n]) ** 2)) < 0.02 * np.sqrt(np.mean(expected**2))


@pytest.mark.parametrize(
    "media", [M4A, WEBM, format_of("M4A", "ALAC"), format_of("MOV", "PCM"), format_of("MP4", "FLAC")]
)
@pytest.mark.parametrize(("start_s", "stop_s"), [(0.3, 1.7), (2.00003, None), (None, 1.1)])
def test_a_part_has_the_samples_of_the_whole(
    media: MediaFormat, start_s: float | None, stop_s: float | None, tmp_path: Path
) -> None:
    path = tmp_path / f"clip.{media.suffix}"
    path.write_bytes(made(media))
    sound, whole = read_whole(path)
    start = round((start_s or 0) * sound.rate_hz)
    stop = len(whole) if stop_s is None else round(stop_s * sound.rate_hz)
    with_part = read_part(path, start, stop)
    np.testing.assert_array_equal(with_part, whole[start:stop])
    part = waveform(path, start_s=start_s, stop_s=stop_s)
    assert part.duration_s == pytest.approx((stop - start) / sound.rate_hz)


def test_clips_decoded_side_by_side_are_the_same_as_alone() -> None:
    contents = [made(media) for media in (M4A, WEBM, MP4_VIDEO)] * 6
    alone = [waveform(content).samples for content in contents[:3]]
    with concurrent.futures.ThreadPoolExecutor(6) as pool:
        for n, found in enumerate(pool.map(waveform, contents)):
            np.testing.assert_array_equal(found.samples, alone[n % 3])


@pytest.mark.parametrize("media", [ALAC, format_of("MOV", "PCM")])
def test_a_part_of_a_file_with_independent_packets_is_read_without_what_is_before(
    media: MediaFormat, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / f"clip.{media.suffix}"
    path.write_bytes(made(media, 30))
    read: list[int] = []
    original = RawHandle.read

    def counting(handle: RawHandle, n_bytes: int) -> bytes:
        data = original(handle, n_bytes)
        read.append(len(data))
        return data

    monkeypatch.setattr(RawHandle, "read", counting)
    read_part(path, 29 * RATE_HZ, 30 * RATE_HZ)
    assert sum(read) < path.stat().st_size / 4


# Tracks


@pytest.fixture(scope="module")
def two_languages(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A video with two tracks of sound, of 300 and 500 Hz."""
    path = tmp_path_factory.mktemp("tracks") / "two.mkv"
    tones = [arg for hz in (300, 500) for arg in ("-f", "lavfi", "-i", f"sine=f={hz}:d=2:r=16000")]
    maps = ("-map", "0", "-map", "1", "-map", "2", "-c:v", "mpeg4", "-c:a", "aac")
    run_ffmpeg("-f", "lavfi", "-i", "testsrc=d=2:s=160x120:r=10", *tones, *maps, str(path))
    return path


def pitch_hz(samples: NDArray[np.float32]) -> float:
    spectrum = np.abs(np.fft.rfft(samples[8000:24000]))
    return float(np.argmax(spectrum))


def test_a_video_gives_its_first_audio_track_or_the_one_that_is_named(two_languages: Path) -> None:
    assert pitch_hz(waveform(two_languages).samples) == 300
    assert pitch_hz(waveform(two_languages, audio_track=1).samples) == 300
    assert pitch_hz(waveform(two_languages, audio_track=2).samples) == 500
    expected = "It has no audio track 3: it has 2 audio tracks, counted from 1."
    assert reason(two_languages, audio_track=3) == expected


DECODE = """
import sys
from thano_duckdb.audio.decode import decode
from thano_duckdb.audio.source import Clip
print(decode(Clip.of(sys.argv[1])).duration_s)
"""


def test_a_track_that_begins_in_the_middle_of_a_broadcast_is_no_obstacle(tmp_path: Path) -> None:
    """PyAV looks for it in memory that it has not filled. MALLOC_PERTURB_ fills that with what is no zero."""
    source = tmp_path / "source.wav"
    source.write_bytes(encode(hiss(60), "WAV"))
    for first_id, n_tracks in (("0x100", 1), ("0x200", 3)):
        maps = ("-map", "0") * n_tracks
        run_ffmpeg(
            "-i", str(source), *maps, "-c:a", "aac", "-mpegts_start_pid", first_id, str(tmp_path / f"{first_id}.ts")
        )
    one, three = ((tmp_path / f"{first_id}.ts").read_bytes() for first_id in ("0x100", "0x200"))
    (tmp_path / "joined.ts").write_bytes(one + three + one)
    command = [sys.executable, "-W", "error", "-c", DECODE, str(tmp_path / "joined.ts")]
    environment = os.environ | {"MALLOC_PERTURB_": "85"}
    run = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
    assert run.stderr == ""
    assert float(run.stdout) == pytest.approx(120, abs=0.3)


def test_an_ogg_file_with_two_tracks(two_languages: Path, tmp_path: Path) -> None:
    """Libsndfile sees only the first."""
    path = tmp_path / "two.ogg"
    run_ffmpeg("-i", str(two_languages), "-map", "0:a", "-c:a", "libvorbis", str(path))
    assert pitch_hz(waveform(path).samples) == 300
    assert pitch_hz(waveform(path, audio_track=2).samples) == 500


def test_a_file_that_libsndfile_reads_has_one_track() -> None:
    content = encode(hum(1), "WAV")
    np.testing.assert_array_equal(waveform(content, audio_track=1).samples, waveform(content).samples)
    assert reason(content, audio_track=2) == "It has no audio track 2: it has 1 audio track, counted from 1."


def test_the_track_is_part_of_what_identifies_a_clip(two_languages: Path) -> None:
    keys = {clip_of(two_languages, audio_track=track).content_key() for track in (1, 2)}
    assert len(keys) == 2


@pytest.mark.parametrize("suffix", ["mp4", "mkv", "avi", "webm"])
def test_a_video_without_audio_says_so(suffix: str, tmp_path: Path) -> None:
    path = tmp_path / f"silent.{suffix}"
    run_ffmpeg("-f", "lavfi", "-i", "testsrc=d=1:s=160x120:r=10", str(path))
    assert reason(path) == "It is a video without audio."


@pytest.mark.parametrize("suffix", ["mp4", "mov", "mkv", "avi", "webm", "wmv", "ts"])
@pytest.mark.parametrize("pause", ["-itsoffset 1.5", "-af aselect='not(between(t,1,2))'"])
def test_a_track_that_starts_late_or_pauses_is_whole(suffix: str, pause: str, tmp_path: Path) -> None:
    """As for ffmpeg, only what was recorded counts: the pause is no audio, and no damage."""
    source, path = tmp_path / "source.wav", tmp_path / f"video.{suffix}"
    source.write_bytes(encode(hum(3, 48_000), "WAV", "PCM_16", 48_000))
    encoder = {"webm": "libopus", "avi": "libmp3lame", "wmv": "wmav2"}.get(suffix, "aac")
    before, after = (pause.split(), []) if pause.startswith("-i") else ([], pause.split())
    pictures = ("-f", "lavfi", "-i", "testsrc=d=4:s=160x120:r=10")
    run_ffmpeg(*pictures, *before, "-i", str(source), *after, "-c:a", encoder, str(path))
    _, samples = read_whole(path)
    np.testing.assert_allclose(samples, decoded_by_ffmpeg(path, 1), atol=1e-6)
    assert len(samples) / 48_000 == pytest.approx(3 if before else 2, abs=0.1)


@pytest.mark.parametrize("trim", [("-ss", "1"), ("-ss", "1", "-t", "1.5"), ("-t", "1.2")])
@pytest.mark.parametrize("media", [M4A, ALAC, MP4_VIDEO])
def test_a_trimmed_recording_is_what_players_play(media: MediaFormat, trim: tuple[str, ...], tmp_path: Path) -> None:
    """Phones trim by a list of edits, and leave the audio as it was."""
    source, path = tmp_path / f"source.{media.suffix}", tmp_path / f"trimmed.{media.suffix}"
    source.write_bytes(made(media))
    run_ffmpeg(*trim, "-i", str(source), "-c", "copy", str(path))
    _, samples = read_whole(path)
    expected = decoded_by_ffmpeg(path, 2)
    np.testing.assert_allclose(samples[: len(expected)], expected[: len(samples)], atol=1e-6)
    assert len(samples) == pytest.approx(len(expected), abs=0.03 * RATE_HZ)
    part = read_part(path, RATE_HZ // 2, RATE_HZ)
    np.testing.assert_array_equal(part, samples[RATE_HZ // 2 : RATE_HZ])


def test_a_size_that_counts_the_header_twice_is_accepted() -> None:
    content = bytearray(made(format_of("AVI", "MP3")))
    struct.pack_into("<I", content, 4, len(content))
    assert waveform(bytes(content)).duration_s > 3


# Files that are damaged, or of other kinds


def test_a_text_with_the_name_of_a_recording(tmp_path: Path) -> None:
    for text in ("These are notes.\n" * 9, "The free encyclopedia, " * 30, "MAC addresses"):
        (tmp_path / "notes.m4a").write_text(text)
        assert reason(tmp_path / "notes.m4a") == "It is a text file, not audio."


WITH_SIZE = [
    each for each in OF_FFMPEG if each.suffix in ("m4a", "mp4", "mov", "3gp", "mka", "wma", "wav", "au", "caf")
]


@pytest.mark.parametrize("media", WITH_SIZE, ids=[each.id for each in WITH_SIZE])
def test_a_file_that_was_cut_short_says_so(media: MediaFormat) -> None:
    whole = made(media)
    for share in (0.3, 0.7, 0.98):
        assert "cut short" in reason(whole[: int(len(whole) * share)])


def test_the_reason_says_how_much_of_an_m4a_is_missing() -> None:
    whole = made(format_of("M4A, index first", "AAC"))
    said = reason(whole[: len(whole) // 2])
    assert said == (
        "The file was cut short: it has 50% of the size that its header promises; copy or download it again."
    )


def test_a_recording_that_was_not_finished_lacks_its_index() -> None:
    whole = bytearray(made(M4A))
    mdat = whole.index(b"mdat")
    whole[mdat - 4 : mdat] = bytes(4)  # "to the end of the file", as recorders write until they know it
    assert "the recording was not finished: its index (moov)" in reason(bytes(whole[: len(whole) // 2]))


@pytest.mark.parametrize("media", [M4A, format_of("MP4", "FLAC"), format_of("WMA", "WMA 2")])
def test_damage_in_the_middle_is_a_failure(media: MediaFormat) -> None:
    content = bytearray(made(media))
    middle = len(content) // 2
    content[middle : middle + 500] = b"\x55" * 500
    assert reason(bytes(content)).startswith("It is damaged or was cut short: its audio cannot be decoded after 1.")


def test_an_encrypted_file_says_so(tmp_path: Path) -> None:
    (tmp_path / "open.m4a").write_bytes(made(M4A))
    key, path = "76a6c65c5ea762046bd749a2e632ccbb", tmp_path / "encrypted.m4a"
    scheme = ("-encryption_scheme", "cenc-aes-ctr", "-encryption_key", key, "-encryption_kid", key)
    run_ffmpeg("-i", str(tmp_path / "open.m4a"), "-c", "copy", *scheme, str(path))
    assert reason(path) == "Its audio is encrypted (copy protection, DRM), so that it cannot be read."


def test_tags_in_an_old_encoding_are_no_obstacle() -> None:
    content = made(format_of("AVI", "MP3"))
    tagged = content.replace(b"Lavf", b"M\xfc\xdf!")
    assert tagged != content
    np.testing.assert_array_equal(waveform(tagged).samples, waveform(content).samples)


def test_no_other_file_is_ever_opened(tmp_path: Path) -> None:
    """Lists of files, and QuickTime files whose sound is elsewhere."""
    (tmp_path / "secret.wav").write_bytes(encode(hum(1), "WAV"))
    for name, text in {
        "a.m4a": f"#EXTM3U\n#EXTINF:1,\n{tmp_path}/secret.wav\n#EXT-X-ENDLIST\n",
        "b.mkv": f"ffconcat version 1.0\nfile {tmp_path}/secret.wav\n",
        "c.mp4": f"<?xml version='1.0'?><MPD><BaseURL>{tmp_path}/secret.wav</BaseURL></MPD>",
    }.items():
        (tmp_path / name).write_text(text)
        assert reason(tmp_path / name) == "It is a text file, not audio."
    url = f"file://{tmp_path}/secret.wav".encode()
    reference = struct.pack(">I4sI", 12 + len(url), b"url ", 0) + url
    content = made(format_of("MOV", "PCM"))
    inside = content.index(b"url \0\0\0\1") - 4
    assert len(waveform(content).samples)
    sizes = [b"moov", b"trak", b"mdia", b"minf", b"dinf", b"dref"]
    changed = bytearray(content[:inside] + reference + content[inside + 12 :])
    for atom in sizes:
        at = changed.index(atom) - 4
        (size,) = struct.unpack_from(">I", changed, at)
        struct.pack_into(">I", changed, at, size + len(reference) - 12)
    np.testing.assert_array_equal(waveform(bytes(changed)).samples, waveform(content).samples)


def test_ffmpeg_itself_may_open_no_file_and_no_playlist(tmp_path: Path) -> None:
    sound, playlist = tmp_path / "a.wav", tmp_path / "a.m3u8"
    sound.write_bytes(encode(hum(1), "WAV"))
    playlist.write_text(f"#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\n{sound}\n#EXT-X-ENDLIST\n")
    with sound.open("rb") as file, av.open(file, "r", options=OPEN_OPTIONS) as opened:
        assert len(opened.streams.audio) == 1
    with pytest.raises(av.ArgumentError):
        av.open(str(sound), "r", options=OPEN_OPTIONS)
    with playlist.open("rb") as file, pytest.raises(av.ArgumentError):
        av.open(file, "r", options=OPEN_OPTIONS)


def test_a_disk_error_is_a_failure(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "a.m4a").write_bytes(made(format_of("M4A, index first", "AAC"), 30))
    original = os.pread

    def failing(handle: int, n_bytes: int, offset: int) -> bytes:
        if offset > 100_000:
            raise OSError(errno.EIO, "Input/output error")
        return original(handle, n_bytes, offset)

    monkeypatch.setattr("os.pread", failing)
    assert "Input/output error" in reason(tmp_path / "a.m4a")
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("n_parts", range(3))
def test_a_server_that_fails_later_is_a_failure(n_parts: int, capfd: pytest.CaptureFixture[str]) -> None:
    content = made(M4A, 30)

    def fetch(start: int, stop: int) -> bytes:
        nonlocal n_parts
        n_parts -= 1
        if n_parts < 0:
            raise UnreadableAudioError("The server went away.")
        return content[start:stop]

    def read() -> None:
        with RemoteParts(content[:BLOCK_BYTES], len(content), fetch) as parts, open_pyav(parts, MP4) as sound:
            for _ in sound.blocks():
                pass

    with pytest.raises(UnreadableAudioError, match="went away"):
        read()
    assert capfd.readouterr() == ("", "")


PEAK_OF_DECODING = """
import re, sys
from pathlib import Path
from thano_duckdb.audio.limits import DEFAULT_LIMITS
from thano_duckdb.audio.readers import open_sound
from thano_duckdb.audio.source import Clip

def peak_mib():
    return int(re.search(r"VmHWM:\\s+(\\d+)", Path("/proc/self/status").read_text())[1]) / 1024

def seconds(path):
    with open_sound(Clip.of(path), DEFAULT_LIMITS) as sound:
        return sum(map(len, sound.blocks())) / sound.rate_hz

seconds(sys.argv[1])
before = peak_mib()
print(seconds(sys.argv[2]), peak_mib() - before)
"""


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="the peak of memory is read from /proc")
def test_an_hour_is_decoded_in_little_memory(tmp_path: Path) -> None:
    short, hour = tmp_path / "short.m4a", tmp_path / "hour.m4a"
    short.write_bytes(made(M4A, 30))
    run_ffmpeg("-stream_loop", "119", "-i", str(short), "-c", "copy", str(hour))
    command = [sys.executable, "-W", "error", "-c", PEAK_OF_DECODING, str(short), str(hour)]
    run = subprocess.run(command, capture_output=True, text=True, check=True)
    duration_s, rise_mib = map(float, run.stdout.split())
    assert duration_s == pytest.approx(3600, abs=10)
    assert rise_mib < 40
    assert run.stderr == ""
