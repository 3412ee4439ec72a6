"""What cells show besides tables: players, training curves, transcripts."""

from __future__ import annotations

import base64
import io
from pathlib import Path

import pytest
import soundfile

import thano_duckdb
from tests.conftest import Utterance
from tests.notebook.conftest import Notebook
from tests.pages.markup import Markup
from thano_duckdb.notebook.adapter import Cell, Cursor

BUILD = """%%sql
BUILD MODEL mine USING m OPTIONS (epochs=2, batch_size=2, validation_split=0.5) AS SELECT * FROM clips"""


@pytest.fixture
def clips(notebook: Notebook, an4_test: list[Utterance], an4_model: Path, tmp_path: Path) -> list[Utterance]:
    """Four clips in the table `clips`, and the model `m`."""
    chosen = an4_test[:4]
    rows = ", ".join(f"('{clip.audio_path}', '{clip.text}')" for clip in chosen)
    notebook.run(f"%%sql\nCREATE TABLE clips AS FROM (VALUES {rows}) t(audio_path, text)")
    notebook.run(f"%%sql\nUPLOAD MODEL m FROM '{an4_model}'")
    (tmp_path / "empty.wav").write_bytes(b"")
    return chosen


def pages(outputs: list[object]) -> list[str]:
    """The pages among what a cell showed."""
    shown = [output.data.get("text/html", "") for output in outputs]  # type: ignore[attr-defined]
    return [html for html in shown if "thano-page" in html]


def test_print_audio_shows_players_and_keeps_the_rows(notebook: Notebook, clips: list[Utterance]) -> None:
    ran = notebook.try_to("%%sql\nPRINT AUDIO AS SELECT audio_path, text FROM clips UNION ALL SELECT 'empty.wav', NULL")
    html = notebook.html(ran.result)
    sounds = Markup(html).sounds
    assert len(sounds) == len(clips)
    played_s = [soundfile.info(io.BytesIO(base64.b64decode(sound.partition(",")[2]))).duration for sound in sounds]
    recorded_s = [soundfile.info(clip.audio_path).duration for clip in clips]
    assert sorted(played_s) == pytest.approx(sorted(recorded_s), abs=0.05)
    rows = list(ran.result.dicts())
    assert {row["text"] for row in rows} == {clip.text for clip in clips} | {None}
    (failed,) = [row["error"] for row in rows if row["audio_path"] == "empty.wav"]
    assert failed in Markup(html).text
    assert pages(ran.displayed) == []  # shown once, as the cell's result


def test_players_keep_the_limits_of_the_statement_and_of_the_connection(
    notebook: Notebook, clips: list[Utterance]
) -> None:
    for options in ("max_bytes=100", "max_duration=0.01"):
        result = notebook.run(f"%%sql\nPRINT AUDIO OPTIONS ({options}) AS SELECT audio_path FROM clips")
        assert not Markup(notebook.html(result)).sounds
    with thano_duckdb.connect(max_bytes=100) as connection:
        cursor = Cursor(connection, Cell())
        cursor.execute(f"PRINT AUDIO AS SELECT '{clips[0].audio_path}' AS audio_path")
        assert cursor.page is not None
        assert "larger than 100 bytes" in cursor.page.html


def test_players_play_the_channel_of_the_statement(notebook: Notebook, clips: list[Utterance]) -> None:
    for channel, n_players in ((1, len(clips)), (2, 0)):  # the clips have one channel
        result = notebook.run(f"%%sql\nPRINT AUDIO OPTIONS (channel={channel}) AS SELECT audio_path FROM clips")
        assert len(Markup(notebook.html(result)).sounds) == n_players


@pytest.mark.parametrize(
    "cell",
    [
        "%%sql\nPRINT AUDIO AS SELECT audio_path FROM clips;\nSELECT 1",
        "%%sql kept <<\nPRINT AUDIO AS SELECT audio_path FROM clips",
    ],
)
def test_players_are_shown_also_if_they_are_not_the_result(
    notebook: Notebook, clips: list[Utterance], cell: str
) -> None:
    ran = notebook.try_to(cell)
    (page,) = pages(ran.displayed)
    assert len(Markup(page).sounds) == len(clips)


def test_print_audio_reads_the_column_that_is_named(notebook: Notebook, clips: list[Utterance]) -> None:
    result = notebook.run(
        "%%sql\nPRINT AUDIO OPTIONS (audio_col='clip') AS SELECT audio_path AS clip FROM clips LIMIT 1"
    )
    assert len(Markup(notebook.html(result)).sounds) == 1


def test_structs_of_audio_are_played_and_shown_without_their_bytes(
    notebook: Notebook, clips: list[Utterance], tmp_path: Path
) -> None:
    (tmp_path / "hub").mkdir()
    (tmp_path / "hub" / "a.flac").write_bytes(Path(clips[0].audio_path).read_bytes())
    notebook.run(
        "%%sql\nCREATE TABLE held AS SELECT {'bytes': content, 'path': 'b.flac'} AS audio, "
        f"'{tmp_path}/hub/x.parquet' AS filename FROM read_blob('{clips[1].audio_path}') "
        f"UNION ALL SELECT {{'bytes': NULL, 'path': 'a.flac'}}, '{tmp_path}/hub/x.parquet'"
    )
    options = "OPTIONS (audio_col='audio', relative_to='filename', start=0.5, stop=1.5)"
    html = notebook.html(notebook.run(f"%%sql\nPRINT AUDIO {options} AS SELECT * FROM held"))
    assert len(Markup(html).sounds) == 2
    assert Markup(html).text.count("1.00 s") == 2
    size = Path(clips[1].audio_path).stat().st_size
    assert f"{{'bytes': <{size:,} bytes>, 'path': 'b.flac'}}" in " ".join(Markup(html).text.split())
    rows = notebook.html(
        notebook.run("%%sql\nSELECT audio, [0.5 for i in range(16000)] AS samples, 'ab'::BLOB AS short FROM held")
    )
    assert f"<{size:,} bytes>" in Markup(rows).text
    assert "<16,000 values>" in Markup(rows).text
    assert "b'ab'" in Markup(rows).text
    assert len(rows) < 2_000


def test_print_audio_reads_no_file_without_external_access(notebook: Notebook, clips: list[Utterance]) -> None:
    notebook.run(f"%%sql\nCREATE TABLE held AS SELECT content FROM read_blob('{clips[0].audio_path}')")
    notebook.run("%sql SET enable_external_access = false")
    refused = notebook.run("%%sql\nPRINT AUDIO AS SELECT audio_path FROM clips")
    assert all("enable_external_access" in error for error in refused.dict()["error"])
    assert "enable_external_access" in notebook.html(refused)
    assert Markup(notebook.html(refused)).sounds == []
    held = notebook.run("%%sql\nPRINT AUDIO OPTIONS (audio_col='content') AS SELECT content FROM held")
    assert len(Markup(notebook.html(held)).sounds) == 1


def test_build_shows_its_training_curve(notebook: Notebook, clips: list[Utterance]) -> None:
    ran = notebook.try_to(BUILD)
    assert ran.error is None
    (curve,) = pages(ran.displayed)
    assert "<svg" in curve
    losses = ran.result.dict()["train_loss"]
    assert len(losses) == 2
    assert all(f"training {loss:.4g}" in Markup(curve).text for loss in losses)


def test_show_takes_the_result_of_a_cell(notebook: Notebook, clips: list[Utterance]) -> None:
    notebook.run(
        "%%sql transcripts <<\nPREDICT USING m OPTIONS (include=['words', 'confidence']) AS SELECT * FROM clips"
    )
    page = notebook.run("import thano_duckdb\nthano_duckdb.show(transcripts)")
    markup = Markup(page.html)
    assert len(markup.sounds) == len(clips)
    for text in notebook.variables["transcripts"].dict()["predicted"]:
        assert set(text.split()) <= set(markup.words)
