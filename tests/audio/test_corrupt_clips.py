"""Corrupt clips of every container: no exception, no crash, nothing printed; and formats that print are refused."""

from __future__ import annotations

import subprocess
import sys

import pytest

from tests.audio.corrupt_clips import whole_clips
from tests.audio.sounds import encode, hum, reason, waveform
from thano_duckdb.audio.signatures import SAMPLE_DUMP

ID3 = b"ID3\4\0\0\0\0\0\5hello"


@pytest.mark.timeout(300)
def test_corrupt_clips_print_nothing_and_raise_nothing() -> None:
    command = [sys.executable, "-X", "faulthandler", "-W", "error", "-m", "tests.audio.corrupt_clips", "2000"]
    run = subprocess.run(command, capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stderr
    assert run.stdout.count("\n") == 1
    assert run.stdout.endswith(" refused\n")
    # The decoder of MP3 says on the standard error what is damaged inside a frame; libsndfile cannot silence it.
    others = [
        line for line in run.stderr.splitlines() if not line.startswith(("[src/libmpg123/", "Note: ", "Warning: "))
    ]
    assert [line for line in others if line.strip()] == []


def test_the_corrupt_clips_are_of_all_containers() -> None:
    containers = {container for container, _ in whole_clips()}
    assert {
        "WAV",
        "WAVEX",
        "RF64",
        "W64",
        "AIFF",
        "AU",
        "CAF",
        "FLAC",
        "OGG",
        "MP3",
        "NIST",
        "VOC",
        "SDS",
    } <= containers
    assert len(containers) >= 24


@pytest.mark.parametrize("tags", [b"", ID3, ID3 + ID3])
def test_a_midi_sample_dump_is_refused_before_libsndfile_prints(tags: bytes, capfd: pytest.CaptureFixture[str]) -> None:
    dump = bytearray(encode(hum(1), "SDS", "PCM_16"))
    assert reason(tags + dump) == SAMPLE_DUMP
    dump[100:5000:40] = b"\x55" * len(dump[100:5000:40])
    assert reason(tags + dump) == SAMPLE_DUMP
    assert tuple(capfd.readouterr()) == ("", "")


def test_alac_in_caf_with_a_broken_packet_table_is_refused(capfd: pytest.CaptureFixture[str]) -> None:
    whole = encode(hum(1), "CAF", "ALAC_16")
    assert waveform(whole).duration_s == 1
    table = whole.index(b"pakt") + 12 + 24
    for broken in (whole[:table] + b"\xff" * 6 + whole[table + 6 :], whole[: table + 2]):
        assert reason(broken).startswith(("It is damaged: its table of packets", "It is damaged or was cut short"))
    assert tuple(capfd.readouterr()) == ("", "")
