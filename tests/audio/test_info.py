"""Facts about audio files, from the header if it is enough."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.audio.sounds import encode, hiss, hum
from tests.audio.test_decode import _without_first_frame, _without_length
from thano_duckdb.audio.failure import AudioFailure
from thano_duckdb.audio.info import AudioInfo, probe
from thano_duckdb.audio.source import Clip


@pytest.mark.parametrize(
    ("container", "subtype"),
    [("WAV", "PCM_24"), ("FLAC", "PCM_16"), ("OGG", "VORBIS"), ("MP3", "MPEG_LAYER_III"), ("NIST", "PCM_16")],
)
def test_the_facts_of_a_header(container: str, subtype: str, tmp_path: Path) -> None:
    (tmp_path / "clip").write_bytes(encode(hum(3, 22_050, 2), container, subtype, 22_050))
    info = probe(Clip.of(str(tmp_path / "clip")))
    assert info == AudioInfo(3.0, 22_050, 2, 66_150, container, subtype)


def test_a_length_that_is_not_in_the_header_is_counted() -> None:
    flac = probe(Clip.of(_without_length(encode(hiss(6), "FLAC", "PCM_16"))))
    assert flac == AudioInfo(6.0, 16_000, 1, 96_000, "FLAC", "PCM_16")
    mp3 = probe(Clip.of(_without_first_frame(encode(hum(6), "MP3", bitrate_mode="CONSTANT"))))
    assert isinstance(mp3, AudioInfo)
    assert mp3.duration_s == pytest.approx(6, abs=0.15)


@pytest.mark.parametrize("content", [b"", b"text", encode(hum(1), "WAV")[:20_000], encode(hum(0), "WAV")])
def test_a_file_that_cannot_be_read_is_a_failure(content: bytes) -> None:
    assert isinstance(probe(Clip.of(content)), AudioFailure)
