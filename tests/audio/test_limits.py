"""No clip takes more bytes, seconds of audio, or time than it may; what says so costs neither memory nor time."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

from tests.audio.sounds import encode, hiss, hum
from tests.audio.test_decode import _without_first_frame, _without_length
from tests.audio.web_server import CLIP, serving
from thano_duckdb.audio.decode import AudioFailure, Waveform, decode
from thano_duckdb.audio.info import AudioInfo, probe
from thano_duckdb.audio.limits import ReadLimits
from thano_duckdb.audio.source import Clip
from thano_duckdb.pages.players import Player, player

TOO_LARGE = "It is larger than 100,000 bytes; the option 'max_bytes' sets this limit."
SMALL = ReadLimits(max_bytes=100_000)


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    with serving() as port:
        yield f"http://127.0.0.1:{port}"


def failure(value: str | bytes | Path, limits: ReadLimits) -> str:
    """Why a clip is not decoded; its header and its player are refused for the same reason."""
    clip = Clip.of(str(value) if isinstance(value, Path) else value)
    reasons = set()
    for read in (lambda: decode(clip, limits=limits), lambda: probe(clip, limits=limits), lambda: player(clip, limits)):
        found = read()
        assert isinstance(found, AudioFailure), found
        reasons.add(found.reason)
    assert len(reasons) == 1, reasons
    return reasons.pop()


# Bytes


def test_a_file_or_blob_may_be_as_large_as_the_limit(tmp_path: Path) -> None:
    wav = encode(hum(1), "WAV", "PCM_16")
    (tmp_path / "a.wav").write_bytes(wav)
    for value in (wav, str(tmp_path / "a.wav")):
        for limits in (ReadLimits(max_bytes=len(wav)), ReadLimits(max_bytes=None)):
            assert isinstance(decode(Clip.of(value), limits=limits), Waveform)
        assert failure(value, ReadLimits(max_bytes=len(wav) - 1)) == (
            "It is larger than 32,043 bytes; the option 'max_bytes' sets this limit."
        )


@pytest.mark.timeout(30)
@pytest.mark.parametrize("name", ["endless", "bomb", "nothing", "promised?100001"])
def test_a_download_stops_at_the_limit(server: str, name: str) -> None:
    assert failure(f"{server}/{name}", SMALL) == TOO_LARGE


@pytest.mark.timeout(120)
@pytest.mark.parametrize("name", ["endless", "bomb"])
def test_memory_stays_flat_during_a_download(server: str, name: str) -> None:
    """Of the 400 MB that are allowed, no more than a twentieth is in memory at any time."""
    script = (
        "import resource, sys\n"
        "from thano_duckdb.audio.decode import decode\nfrom thano_duckdb.audio.limits import ReadLimits\n"
        "from thano_duckdb.audio.source import Clip\n"
        "peak_kb = lambda: resource.getrusage(resource.RUSAGE_SELF).ru_maxrss\n"
        "print(decode(Clip.of(sys.argv[1] + '/clip.flac')).duration_s)\n"  # everything is imported
        "before_kb = peak_kb()\n"
        "failed = decode(Clip.of(sys.argv[1] + '/' + sys.argv[2]), limits=ReadLimits(max_bytes=400_000_000))\n"
        "print(failed.reason)\n"
        "print((peak_kb() - before_kb) * 1024 < 64_000_000, (peak_kb() - before_kb) // 1024)\n"
    )
    command = [sys.executable, "-c", script, server, name]
    run = subprocess.run(command, capture_output=True, text=True, check=True)
    assert "larger than 400,000,000 bytes" in run.stdout
    assert run.stdout.splitlines()[-1].startswith("True"), run.stdout


# Seconds of audio


def quiet_flac(duration_s: int) -> bytes:
    """Silence at 1 kHz: hours in some kilobytes."""
    return encode(np.zeros((duration_s * 1000, 1), np.float32), "FLAC", "PCM_16", 1000)


@pytest.mark.parametrize("make", [quiet_flac, lambda s: _without_length(quiet_flac(s))])
def test_audio_longer_than_the_limit_is_refused(make: Callable[[int], bytes]) -> None:
    long = make(7200)
    assert len(long) < 50_000
    found = decode(Clip.of(long), limits=ReadLimits(max_duration_s=7199.0))
    assert isinstance(found, AudioFailure)
    assert "asts more than 7,199 s" in found.reason
    assert "'max_duration'" in found.reason
    for limits in (ReadLimits(max_duration_s=7200.0), ReadLimits(max_duration_s=None)):
        decoded = decode(Clip.of(long), limits=limits, sample_rate_hz=1000)
        assert isinstance(decoded, Waveform)
        assert decoded.duration_s == 7200


def test_only_the_part_that_is_read_counts() -> None:
    clip = Clip("a", encode(hum(10), "WAV"), start_s=4, stop_s=6)
    assert isinstance(decode(clip, limits=ReadLimits(max_duration_s=2.0)), Waveform)
    assert isinstance(decode(clip, limits=ReadLimits(max_duration_s=1.9)), AudioFailure)


def test_by_default_six_hours_in_a_few_kilobytes_are_refused_at_once() -> None:
    """Their samples at 16 kHz would take 1.3 GiB."""
    started = time.monotonic()
    announced = quiet_flac(6 * 3600)
    for flac in (announced, _without_length(announced)):
        found = decode(Clip.of(flac))
        assert isinstance(found, AudioFailure)
        assert "14,400 s" in found.reason
        by_header = found.reason.startswith("By its header")
        assert by_header == (flac == announced)
    assert time.monotonic() - started < 20


@pytest.mark.timeout(60)
def test_memory_stays_flat_while_audio_of_unknown_length_is_refused(tmp_path: Path) -> None:
    """Up to the limit of four hours its samples would take 0.9 GB."""
    (tmp_path / "long.flac").write_bytes(_without_length(quiet_flac(6 * 3600)))
    script = (
        "import resource, sys\n"
        "from thano_duckdb.audio.decode import decode\nfrom thano_duckdb.audio.source import Clip\n"
        "peak_kb = lambda: resource.getrusage(resource.RUSAGE_SELF).ru_maxrss\n"
        "before_kb = peak_kb()\n"
        "print(decode(Clip.of(sys.argv[1])).reason)\n"
        "print((peak_kb() - before_kb) // 1024)\n"
    )
    command = [sys.executable, "-c", script, str(tmp_path / "long.flac")]
    run = subprocess.run(command, capture_output=True, text=True, check=True)
    reason, peak_mb = run.stdout.splitlines()
    assert "more than 14,400 s" in reason
    assert int(peak_mb) < 100


def test_long_audio_of_unknown_length_within_the_limit_is_whole(tmp_path: Path) -> None:
    sound = np.zeros((1800 * 1000, 1), np.float32)
    sound[-1000:] = 0.25
    flac = encode(sound, "FLAC", "PCM_16", 1000)
    for value in (_without_length(flac), tmp_path / "long.flac"):
        (tmp_path / "long.flac").write_bytes(_without_length(flac))
        found, expected = (decode(Clip.of(v if isinstance(v, bytes) else str(v))) for v in (value, flac))
        assert isinstance(found, Waveform)
        assert isinstance(expected, Waveform)
        assert found.duration_s == 1800
        assert np.array_equal(found.samples, expected.samples)


def test_a_header_may_say_more_but_counting_stops_at_the_limit() -> None:
    """`probe` reads a header, however long the audio; where it must decode to count, it stops."""
    limits = ReadLimits(max_duration_s=5.0)
    assert isinstance(probe(Clip.of(encode(hiss(6), "FLAC")), limits=limits), AudioInfo)
    for unknown in (
        _without_length(encode(hiss(6), "FLAC", "PCM_16")),
        _without_first_frame(encode(hum(6), "MP3", bitrate_mode="CONSTANT")),
    ):
        found = probe(Clip.of(unknown), limits=limits)
        assert isinstance(found, AudioFailure)
        assert "lasts more than 5 s" in found.reason


def test_a_player_of_a_long_clip_plays_its_beginning() -> None:
    made = player(Clip.of(encode(hum(90), "FLAC")), ReadLimits(max_duration_s=70.0))
    assert isinstance(made, Player)
    assert (made.embedded_s, made.duration_s) == (60, 90)


# Time


@pytest.mark.timeout(30)
@pytest.mark.parametrize("name", ["silent", "slow", "endless"])
def test_a_download_ends_in_time(server: str, name: str) -> None:
    started = time.monotonic()
    assert failure(f"{server}/{name}", ReadLimits(max_bytes=None, timeout_s=0.4)) == (
        "It did not arrive within 0.4 s; the option 'timeout' allows more."
    )
    assert time.monotonic() - started < 6


def test_without_limits_everything_is_read(server: str) -> None:
    found = decode(Clip.of(f"{server}/clip.flac"), limits=ReadLimits(None, None, None))
    assert isinstance(found, Waveform)
    assert found.duration_s == decode_s(CLIP)


def decode_s(content: bytes) -> float:
    found = decode(Clip.of(content))
    assert isinstance(found, Waveform)
    return found.duration_s


def test_options_change_single_limits() -> None:
    limits = ReadLimits(1, 2.0, 3.0)
    assert limits.changed({"max_bytes": None, "batch_size": 8}) == ReadLimits(None, 2.0, 3.0)
    assert limits.changed({"max_duration": 5.0, "timeout": 6.0}) == ReadLimits(1, 5.0, 6.0)
