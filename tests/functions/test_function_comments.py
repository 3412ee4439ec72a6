"""`duckdb_functions()` and `thano_functions()`: what our functions are for, and examples that run."""

from __future__ import annotations

import warnings
from pathlib import Path

import duckdb
import pytest

import thano_duckdb
from tests.training.kit import write_clips, write_model

COMMENTED = "FROM duckdb_functions() WHERE function_name LIKE 'thano%' AND comment IS NOT NULL"
DOCUMENTED = {"thano_transcribe", "thano_wer", "thano_models", "thano_check", "thano_functions"}


def test_duckdb_shows_the_parameters_and_a_comment_with_an_example(con: thano_duckdb.Connection) -> None:
    rows = con.execute(f"SELECT function_name, parameters, comment {COMMENTED}").fetchall()
    assert {name for name, _, _ in rows} >= DOCUMENTED
    for name, parameters, comment in rows:
        sentence, _, example = comment.partition("\nExample: ")
        assert sentence.endswith(".")
        assert f"{name}(" in example
        assert not [each for each in parameters if not each.isidentifier()]


def test_our_own_list_has_the_same(con: thano_duckdb.Connection) -> None:
    found = con.sql("FROM thano_functions()")
    assert found.columns == ["function_name", "function_type", "parameters", "description", "example"]
    rows = found.fetchall()
    assert [row[0] for row in rows] == sorted(row[0] for row in rows)
    query = f"SELECT function_name, function_type, comment {COMMENTED} ORDER BY function_name"
    assert [(*row[:2], f"{row[3]}\nExample: {row[4]}") for row in rows] == con.execute(query).fetchall()
    wer = next(row for row in rows if row[0] == "thano_wer")
    assert wer[1:3] == ("macro", ["reference", "hypothesis", "unit := NULL", "locale := NULL"])
    assert wer[4] == "SELECT speaker, thano_wer(text, predicted) FROM transcripts GROUP BY speaker"


@pytest.mark.usefixtures("any_small_model")
def test_every_example_runs(con: thano_duckdb.Connection, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    write_model(tmp_path / "checkpoint")
    write_clips(tmp_path / "calls", ("GO", "YES NO"))
    (tmp_path / "calls [1].csv").write_text("a,b\n1,2\n", encoding="utf-8")
    chapter = tmp_path / "LibriSpeech" / "dev-clean" / "84" / "121123"
    chapter.mkdir(parents=True)
    (chapter / "84-121123.trans.txt").write_text("84-121123-0000 GO\n", encoding="utf-8")
    con.execute("UPLOAD MODEL my_model FROM 'checkpoint'")
    con.execute("CREATE TABLE clips AS SELECT audio_path, 'go' AS text FROM thano_audio('calls')")
    con.execute("CREATE TABLE transcripts AS SELECT 'ann' AS speaker, 'go' AS text, 'no' AS predicted")
    for name, example in con.execute("SELECT function_name, example FROM thano_functions()").fetchall():
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            rows = con.execute(example).fetchall()
        assert rows or name == "thano_training", example  # of a model that was not built here


def test_a_read_only_database_and_a_second_load_have_the_comments_too(tmp_path: Path) -> None:
    duckdb.connect(tmp_path / "a.duckdb").close()
    with thano_duckdb.connect(tmp_path / "a.duckdb", read_only=True) as con:
        assert len(con.execute("FROM thano_functions()").fetchall()) > 15
    with duckdb.connect() as plain:
        for _ in range(2):
            thano_duckdb.load(plain)
        assert len(plain.execute(COMMENTED).fetchall()) > 15
        assert plain.execute("SELECT count(*) FROM duckdb_functions() WHERE database_name = 'memory'").fetchone() == (
            0,
        )
