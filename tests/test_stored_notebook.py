"""The outputs stored with the tutorial's notebook are those of its cells, and hold nothing of a machine."""

from __future__ import annotations

import re
from typing import Any

import nbformat
import pytest

from docs_build.stored_notebook import HASH, NOTEBOOK, sha256_of_sources

MAX_BYTES = 1_500_000
"""GitHub does not show much larger ones."""


@pytest.fixture(scope="module")
def notebook() -> Any:
    return nbformat.read(NOTEBOOK, as_version=4)


@pytest.fixture(scope="module")
def code(notebook: Any) -> list[Any]:
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


def html_of(code: list[Any], source: str) -> str:
    """The table below the first cell that holds `source`."""
    (cell, *_) = (cell for cell in code if source in cell.source)
    return "".join(output.get("data", {}).get("text/html", "") for output in cell.outputs)


def test_the_outputs_are_those_of_the_cells(notebook: Any, code: list[Any]) -> None:
    assert notebook.metadata[HASH] == sha256_of_sources(notebook), "run `python -m docs_build notebook`"
    assert [cell.execution_count for cell in code] == list(range(1, len(code) + 1))


def test_every_cell_that_shows_something_has_its_output(code: list[Any]) -> None:
    without = [cell.source.splitlines()[0].strip() for cell in code if not cell.outputs]
    assert without == ["%load_ext thano_duckdb", "%%sql transcripts <<"]
    assert [output for cell in code for output in cell.outputs if output.output_type == "error"] == []


def test_pages_are_pictures(code: list[Any]) -> None:
    with_picture = [cell.source for cell in code for output in cell.outputs if "image/png" in output.get("data", {})]
    assert len(with_picture) == 3
    for part, source in zip(("PRINT AUDIO", "BUILD MODEL", "show("), with_picture, strict=True):
        assert part in source


def test_the_table_of_evaluate_is_whole(code: list[Any]) -> None:
    rows = re.findall(r"<tr><td[^>]*>(\w+)</td>", html_of(code, "EVALUATE"))
    assert rows[0] == "wer"
    assert rows[-1] == "speed"
    assert "displaylimit" not in html_of(code, "EVALUATE")


def test_nothing_of_the_machine_is_stored(code: list[Any]) -> None:
    texts = [
        output.get("text", "") + output.get("data", {}).get("text/html", "") for cell in code for output in cell.outputs
    ]
    assert [text for text in texts if re.search(r"(?<![\w<])/\w+/|\w:\\", text)] == []
    assert NOTEBOOK.stat().st_size < MAX_BYTES
