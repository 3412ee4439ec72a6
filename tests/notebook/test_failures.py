"""Errors are one line with the location in the cell, and markup in the data is inert."""

from __future__ import annotations

from pathlib import Path

import duckdb
import pytest

from tests.notebook.conftest import Notebook
from tests.pages.markup import is_inert

LIVE = "<script>alert(1)</script><img src=x onerror=alert(2)>"


@pytest.mark.parametrize(
    ("cell", "message", "location"),
    [
        ("%%sql\nSELECT 1 AS i;\n\nSELECT\n  j\nFROM range(3)", 'column "j" not found', "line 5, column 3"),
        ("%%sql\n-- a comment\nSELECT 1 FROM nowhere", "nowhere does not exist", "line 3, column 15"),
        ("%%sql\nPREDICT USING nobody AS\nSELECT 1", "no model 'nobody'", "line 2, column 15"),
        ("%%sql\nSELECT 1;\nPREDICT USING m OPTIONS (batchsize=3) AS SELECT 1", "Did you mean", "line 3, column 26"),
        ("%sql SELEC 1", "syntax error", "line 1"),
        ("%%thanosql\nPRINT AUDIO AS\nSELECT 1 AS a", "audio_path", "line "),
    ],
)
def test_an_error_is_one_line_with_its_location(notebook: Notebook, cell: str, message: str, location: str) -> None:
    ran = notebook.try_to(cell)
    assert ran.error is not None
    (line,) = ran.stderr.strip().splitlines()
    assert message in line
    assert location in line
    assert "of the cell" in line
    assert "Traceback" not in line
    assert notebook.run("%sql SELECT 42").dict() == {"42": (42,)}  # the connection still works


@pytest.mark.parametrize("magic", ["%sql ", "%%sql\n", "%%thanosql\n"])
@pytest.mark.parametrize(
    ("statement", "sentence"),
    [
        ("PREDICT USNG m AS SELECT 1", "Did you mean PREDICT USING?"),
        ("PREDICT m AS SELECT 1", "USING is missing: write PREDICT USING model"),
        ("PREDCT USING m AS SELECT 1", "Did you mean PREDICT USING?"),
        ("EVALUATE m AS SELECT 1", "USING is missing: write EVALUATE USING model"),
        ("SHOW MODELS", "LIST MODEL shows your models"),
        ("DESCRIBE MODEL m", "LIST THANOSQL MODEL shows all names"),
        ("LIST MODLES", "Did you mean LIST MODEL"),
        ("COPY t FROM 'rec'", "For a folder of audio write COPY t OPTIONS"),
    ],
)
def test_a_misspelt_statement_gets_the_same_help_as_in_python(
    notebook: Notebook, magic: str, statement: str, sentence: str
) -> None:
    ran = notebook.try_to(magic + statement)
    (line,) = ran.stderr.strip().splitlines()
    assert sentence in line
    assert line.count(sentence) == 1


def test_the_location_is_that_of_the_statement_that_failed(notebook: Notebook) -> None:
    ran = notebook.try_to("%%sql\nSELECT 1 AS a;\nSELECT b FROM (SELECT 1 AS a);\n")
    assert "line 3, column 8 of the cell" in ran.stderr


def test_tracebacks_can_be_switched_on(notebook: Notebook) -> None:
    notebook.run("%config SqlMagic.short_errors = False")
    try:
        ran = notebook.try_to("%%sql\nPREDICT USING nobody AS SELECT 1")
        plain = notebook.try_to("%%sql\nSELECT j FROM range(3)")
    finally:
        notebook.run("%config SqlMagic.short_errors = True")
    assert type(ran.error).__name__ == "DialectError"
    assert isinstance(plain.error, duckdb.BinderException)
    assert "Traceback" in ran.stdout + ran.stderr


@pytest.mark.filterwarnings("default::thano_duckdb.ThanoWarning")
def test_a_warning_is_one_line(notebook: Notebook, an4_model: Path, tmp_path: Path) -> None:
    (tmp_path / "text.wav").write_text("no audio")
    ran = notebook.try_to(f"%%sql\nPREDICT USING '{an4_model}' OPTIONS (epochs=3) AS SELECT 'text.wav' AS audio_path")
    assert ran.error is None
    lines = ran.stderr.strip().splitlines()
    assert len(lines) == 2
    assert all(line.startswith("ThanoWarning: ") for line in lines)
    assert "'epochs'" in lines[0]
    assert "text.wav" in lines[1]


def test_markup_in_a_table_is_inert(notebook: Notebook) -> None:
    notebook.variables["live"] = LIVE
    result = notebook.run("%%sql\nSELECT '{{live}}' AS \"<b onclick='x'>\", ['{{live}}'] AS many")
    html = notebook.html(result)
    assert is_inert(html)
    assert "&lt;script&gt;" in html
    assert list(result) == [(LIVE, [LIVE])]  # the data itself is unchanged


def test_markup_beside_players_is_inert(notebook: Notebook, tmp_path: Path) -> None:
    name = "<script>alert(1)<script>.wav"
    (tmp_path / name).write_text("no audio")
    result = notebook.run(f"%%sql\nPRINT AUDIO AS SELECT '{name}' AS audio_path, '{LIVE}' AS text")
    html = notebook.html(result)
    assert is_inert(html)
    assert "&lt;script&gt;" in html


def test_markup_in_errors_is_plain_text(notebook: Notebook) -> None:
    ran = notebook.try_to(f"%%sql\nPREDICT USING '{LIVE}' AS SELECT 1 AS audio_path")
    assert "<script>" in ran.stderr  # a stream: notebooks escape it
    assert not any("<script>" in output.data.get("text/html", "") for output in ran.displayed)
