"""m4a and videos go through every statement that reads audio, as wav does."""

from __future__ import annotations

from pathlib import Path

import jiwer
import pytest
import soundfile as sf

import thano_duckdb
from tests.audio.media_files import needs_ffmpeg, run_ffmpeg
from thano_duckdb import ThanoError, ThanoWarning
from thano_duckdb.audio.source import Clip
from thano_duckdb.pages.players import Player, player

pytestmark = needs_ffmpeg


@pytest.fixture
def folder(an4_clip: str, tmp_path: Path) -> Path:
    """A clip of an4 in several containers, one of them a video, and a video without sound."""
    run_ffmpeg("-i", an4_clip, "-c:a", "alac", str(tmp_path / "a.m4a"))
    for name in ("b.webm", "c.wma"):
        run_ffmpeg("-i", an4_clip, "-b:a", "128k", str(tmp_path / name))
    pictures = ("-f", "lavfi", "-i", "testsrc=d=1:s=160x120:r=10")
    run_ffmpeg(*pictures, "-i", an4_clip, str(tmp_path / "d.mp4"))
    run_ffmpeg(*pictures, str(tmp_path / "e.mp4"))
    return tmp_path


def test_predict_gives_the_text_of_the_wav(
    an4_con: thano_duckdb.Connection, an4_model: Path, an4_clip: str, folder: Path
) -> None:
    (text,) = an4_con.sql(f"SELECT thano_transcribe('{an4_model}', '{an4_clip}').text").fetchall()[0]
    assert text
    for name in ("a.m4a", "b.webm", "c.wma", "d.mp4"):
        ((_, found, error),) = an4_con.sql(
            f"PREDICT USING '{an4_model}' OPTIONS (include='error') AS SELECT '{folder / name}' AS audio_path"
        ).fetchall()
        assert error is None
        if name == "a.m4a":  # without loss
            assert found == text
        assert jiwer.cer(text, found) < 0.2


def test_the_option_audio_track_chooses_another_track(
    an4_con: thano_duckdb.Connection, an4_model: Path, an4_clip: str, tmp_path: Path
) -> None:
    """The first track is silence, the second one speech; each has its own place in the cache."""
    path = tmp_path / "two.mkv"
    silence = ("-f", "lavfi", "-t", "2", "-i", "anullsrc=r=16000:cl=mono")
    run_ffmpeg(*silence, "-i", an4_clip, "-map", "0", "-map", "1", "-c:a", "flac", str(path))
    query = f"AS SELECT '{path}' AS audio_path, 'x' AS text"

    def predicted(options: str) -> tuple[str | None, str | None]:
        ((_, _, text, error),) = an4_con.sql(
            f"PREDICT USING '{an4_model}' OPTIONS (include='error'{options}) {query}"
        ).fetchall()
        return text, error

    speech = an4_con.sql(f"SELECT thano_transcribe('{an4_model}', '{an4_clip}').text").fetchall()[0][0]
    assert predicted("")[0] != speech
    assert predicted(", audio_track=2") == (speech, None)
    assert predicted(", audio_track=1") == predicted("")
    missing = "It has no audio track 3: it has 2 audio tracks, counted from 1."
    with pytest.warns(ThanoWarning, match="1 clip could not be transcribed"):
        assert predicted(", audio_track=3") == (None, missing)
    duration_of = f"SELECT thano_audio_info('{path}', {{'audio_track': 2}}).duration"
    assert an4_con.sql(duration_of).fetchall()[0][0] == pytest.approx(sf.info(an4_clip).duration, abs=0.01)
    assert an4_con.sql(f"PRINT AUDIO OPTIONS (audio_track=3) {query}").df()["error"][0] == missing
    assert an4_con.sql(f"EVALUATE USING '{an4_model}' OPTIONS (audio_track=2) {query}").fetchall()


def test_build_learns_from_the_track_that_is_named(con: thano_duckdb.Connection, an4_clip: str, tmp_path: Path) -> None:
    path = tmp_path / "one.mka"
    run_ffmpeg("-i", an4_clip, "-c:a", "flac", str(path))
    with pytest.raises(ThanoError, match="It has no audio track 2: it has 1 audio track, counted from 1"):
        con.execute(
            "BUILD MODEL m USING Wav2Vec2TinyEn OPTIONS (audio_track=2, epochs=1, on_error='fail') "
            f"AS SELECT '{path}' AS audio_path, 'yes' AS text"
        )


def test_a_folder_of_videos_is_copied_and_described(con: thano_duckdb.Connection, folder: Path) -> None:
    with pytest.warns(ThanoWarning, match="1 of 5 recordings cannot be read"):
        con.execute(f"COPY calls OPTIONS (overwrite=True) FROM '{folder}'")
    rows = con.sql(
        "SELECT parse_filename(audio_path), i.format, i.subtype, i.error FROM "
        "(SELECT audio_path, thano_audio_info(audio_path) AS i FROM calls) ORDER BY 1"
    ).fetchall()
    assert rows == [
        ("a.m4a", "MP4", "ALAC", None),
        ("b.webm", "WEBM", "OPUS", None),
        ("c.wma", "ASF", "WMAV2", None),
        ("d.mp4", "MP4", "AAC", None),
        ("e.mp4", None, None, "It is a video without audio."),
    ]
    assert len(con.sql(f"FROM thano_audio('{folder}/*.m4a')")) == 1


def test_print_audio_plays_a_video(con: thano_duckdb.Connection, folder: Path) -> None:
    rows = con.sql(f"PRINT AUDIO AS SELECT '{folder}/d.mp4' AS audio_path").df().to_dict("records")
    assert rows[0]["error"] is None
    assert rows[0]["duration"] > 0.5
    played = player(Clip.of(str(folder / "d.mp4")))
    assert isinstance(played, Player)
    assert played.uri.startswith("data:audio/")
