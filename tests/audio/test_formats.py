"""Every container and encoding that is read gives the samples that ffmpeg itself decodes."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
import soxr
from numpy.typing import NDArray

from tests.audio.media_files import DURATION_S, FORMATS, MediaFormat, decoded_by_ffmpeg, made, needs_ffmpeg
from tests.audio.sounds import waveform
from tests.conftest import REPOSITORY
from thano_duckdb.audio.formats import AUDIO_SUFFIXES, looks_like_audio
from thano_duckdb.audio.info import AudioInfo, probe
from thano_duckdb.audio.limits import DEFAULT_LIMITS
from thano_duckdb.audio.opened import Block, OpenSound
from thano_duckdb.audio.readers import open_sound
from thano_duckdb.audio.sndfile import SndfileSound
from thano_duckdb.audio.source import Clip

by_format = pytest.mark.parametrize("media", FORMATS, ids=[media.id for media in FORMATS])


def read_whole(path: Path) -> tuple[OpenSound, NDArray[np.float32]]:
    """The header of a file, and its samples, (frames, channels)."""
    with open_sound(Clip.of(str(path)), DEFAULT_LIMITS) as sound:
        return sound, as_floats([block.copy() for block in sound.blocks()])


def read_part(path: Path, start: int, stop: int) -> NDArray[np.float32]:
    """The samples from `start` on, up to `stop`."""
    with open_sound(Clip.of(str(path)), DEFAULT_LIMITS) as sound:
        return as_floats([block.copy() for block in sound.blocks(start)])[: stop - start]


def as_floats(blocks: Sequence[Block]) -> NDArray[np.float32]:
    """Blocks as one array, (frames, channels), full scale is 1.0."""
    whole = np.concatenate(blocks)
    return (whole / 32768 if whole.dtype == np.int16 else whole).astype(np.float32)  # type: ignore[operator]


def table_row(media: MediaFormat) -> str:
    """The row of the table in docs/formats.md."""
    container, subtype = media.name.split()
    made_with = f"`ffmpeg {media.arguments}`".replace(" `", "`") if media.arguments else "ffmpeg's default"
    if media.encoding.startswith("AMR"):
        made_with = "PyAV" if media.encoding == "AMR-NB" else "random frames"
    return (
        f"| {media.container} | {media.encoding} | {media.reader} | `{container}`, `{subtype}` | `.{media.suffix}` | "
        f"{made_with} |"
    )


def test_the_table_of_the_documentation_lists_what_is_tried_here() -> None:
    document = (REPOSITORY / "docs" / "formats.md").read_text(encoding="utf-8")
    rows = [line for line in document.splitlines() if line.startswith("| ") and "| libsndfile |" in line]
    rows += [line for line in document.splitlines() if line.startswith("| ") and "| ffmpeg |" in line]
    assert sorted(rows) == sorted(map(table_row, FORMATS))


def test_folders_list_every_format_but_those_with_the_suffix_of_other_files() -> None:
    assert {f".{media.suffix}" for media in FORMATS} - set(AUDIO_SUFFIXES) == {".ts", ".loas"}


@needs_ffmpeg
@by_format
def test_a_file_without_a_suffix_is_recognised_by_its_first_bytes(media: MediaFormat) -> None:
    """But for streams whose first bytes many other files have too."""
    assert looks_like_audio(made(media)[:12]) == (media.suffix not in ("ts", "loas", "g722"))


@needs_ffmpeg
@by_format
def test_the_samples_and_the_duration_are_those_of_ffmpeg(media: MediaFormat, tmp_path: Path) -> None:
    path = tmp_path / f"clip.{media.suffix}"
    path.write_bytes(made(media))
    sound, samples = read_whole(path)
    assert isinstance(sound, SndfileSound) == (media.reader == "libsndfile")
    assert f"{sound.format} {sound.subtype}" == media.name

    expected = decoded_by_ffmpeg(path, sound.n_channels)
    n = min(len(samples), len(expected))
    is_exact = media.reader == "ffmpeg"
    np.testing.assert_allclose(samples[:n], expected[:n], atol=1e-6 if is_exact else 2e-3)
    assert np.sqrt(np.mean(expected**2)) > 0.02

    expected_s = len(expected) / sound.rate_hz
    assert expected_s == pytest.approx(DURATION_S, abs=0.12)  # encoders add some silence
    assert len(samples) / sound.rate_hz == pytest.approx(expected_s, abs=0.05)
    info = probe(Clip.of(str(path)))
    assert isinstance(info, AudioInfo), info
    assert info.duration_s == pytest.approx(expected_s, abs=0.05)

    mono = expected.mean(axis=1)
    if sound.rate_hz != 16_000:
        mono = soxr.resample(mono, sound.rate_hz, 16_000)
    decoded = waveform(path).samples
    n = min(len(decoded), len(mono)) - 200  # at the end the length matters
    np.testing.assert_allclose(decoded[:n], mono[:n], atol=1e-5 if is_exact else 2e-3)
