"""A folder or an audio file in place of a table: one sentence says what to write instead."""

from __future__ import annotations

from pathlib import Path

import duckdb
import numpy as np
import pytest
import soundfile

import thano_duckdb
from thano_duckdb import DialectError

MODEL = "Wav2Vec2TinyEn"


@pytest.fixture
def recordings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder `calls` in the working folder, with a recording, and a table in a file."""
    folder = tmp_path / "my.data" / "calls"
    folder.mkdir(parents=True)
    soundfile.write(folder / "it's.WAV", np.zeros(4000), 16_000)
    soundfile.write(folder / "a.mp3", np.zeros(4000), 16_000)
    (folder / "notes.txt").write_text("no audio")
    monkeypatch.chdir(folder.parent)
    return folder


@pytest.mark.parametrize(
    ("table", "sentence"),
    [
        ("'calls'", "'calls' is a folder, not a table: write FROM thano_audio('calls') (line 1, column "),
        ("'calls/'", "'calls/' is a folder, not a table: write FROM thano_audio('calls/')"),
        ('"calls" AS c', "'calls' is a folder, not a table: write FROM thano_audio('calls')"),
        ("'{calls}' LIMIT 1", "is a folder, not a table: write FROM thano_audio('{calls}')"),
        ("'calls/a.mp3'", "'calls/a.mp3' is an audio file, not a table: write FROM thano_audio('calls/a.mp3')"),
        ("'calls/it''s.WAV'", "is an audio file, not a table: write FROM thano_audio('calls/it''s.WAV')"),
        ("'calls/*.mp3'", "'calls/*.mp3' is a pattern of audio files, not a table: write FROM thano_audio('calls/*"),
        ("range(2), 'calls'", "'calls' is a folder, not a table"),
        ("range(2) JOIN 'calls' ON true", "'calls' is a folder, not a table"),
    ],
)
@pytest.mark.parametrize(
    "statement",
    [
        f"PREDICT USING {MODEL} AS SELECT * FROM ",
        f"EVALUATE USING {MODEL} AS FROM ",
        f"BUILD MODEL new USING {MODEL} AS SELECT * FROM ",
        f"EXPLAIN PREDICT USING {MODEL} AS FROM ",
    ],
)
def test_recordings_in_place_of_a_table_are_named(recordings: Path, statement: str, table: str, sentence: str) -> None:
    with thano_duckdb.connect() as con, pytest.raises(DialectError) as refusal:
        con.execute(statement + table.format(calls=recordings))
    assert sentence.format(calls=recordings) in str(refusal.value)


@pytest.mark.usefixtures("recordings")
def test_a_lazy_relation_says_it_too() -> None:
    with thano_duckdb.connect() as con, pytest.raises(DialectError, match="'calls' is a folder, not a table"):
        con.sql(f"PREDICT USING {MODEL} AS FROM 'calls'")


@pytest.mark.usefixtures("recordings")
def test_what_the_sentence_says_works() -> None:
    with thano_duckdb.connect() as con:
        count = f"SELECT count(*) FROM (PREDICT USING {MODEL} AS FROM thano_audio('%s'))"
        assert [con.sql(count % path).fetchall() for path in ("calls/a.mp3", "calls/*.mp3")] == [[(1,)], [(1,)]]


@pytest.mark.usefixtures("recordings")
@pytest.mark.parametrize("table", ["'nowhere'", "'nowhere.wav'", "calls", "'calls/*.txt'", "'calls/notes.txt'"])
def test_another_missing_table_is_duckdbs_error(table: str) -> None:
    with thano_duckdb.connect() as con, pytest.raises(duckdb.Error) as refusal:
        con.execute(f"PREDICT USING {MODEL} AS FROM {table}")
    assert "thano_audio" not in str(refusal.value)


@pytest.mark.usefixtures("recordings")
@pytest.mark.parametrize("table", ["'calls'", "'calls/a.mp3'", "'calls/*.mp3'"])
def test_a_database_that_may_read_nothing_does_not_learn_what_exists(table: str) -> None:
    with thano_duckdb.connect() as con:
        con.execute("SET enable_external_access = false")
        with pytest.raises(duckdb.Error) as refusal:
            con.execute(f"PREDICT USING {MODEL} AS FROM {table}")
    assert "thano_audio" not in str(refusal.value)


@pytest.mark.usefixtures("recordings")
def test_a_table_of_that_name_is_read() -> None:
    with thano_duckdb.connect() as con:
        con.execute("CREATE TABLE calls AS SELECT 'calls/a.mp3' AS audio_path")
        assert len(con.sql(f"PREDICT USING {MODEL} AS FROM 'calls'").fetchall()) == 1
