"""`python -m docs_build pictures`: the pictures of README and documentation, made from the product itself."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import chdir, contextmanager
from pathlib import Path
from unittest.mock import patch

import nbformat
from nbclient import NotebookClient
from nbconvert import HTMLExporter

import thano_duckdb

from .chromium import Chromium, chromium

ASSETS = Path(__file__).parent.parent / "docs" / "assets"
_STYLE = """
:root {
  color-scheme: light;
  --jp-ui-font-family: Inter, system-ui, sans-serif;
  --jp-content-font-family: Inter, system-ui, sans-serif;
}
html body { margin: 0; padding: 0; background: #fff; }
main { display: inline-block; background: #fff; border: 1px solid #d0d7de; }
main:has(.thano-page) { padding: 20px 24px 6px; }
main:has(.jp-Cell) { padding: 12px 24px 8px 8px; }
main tbody tr:last-child td { border-bottom: 0 !important; }
"""
"""A white card with a border, so that it can be read on a white and on a dark page."""

_SHOWN = """PREDICT USING Wav2Vec2TinyEn OPTIONS (include=['words', 'confidence']) AS
SELECT * FROM clips WHERE audio_path SIMILAR TO '.*(084|085|087|093|094).flac'"""
_CELLS = (
    "%load_ext thano_duckdb\n%config SqlMagic.feedback = 0",
    "%%sql\nGET THANOSQL DATASET librispeech_data OPTIONS (overwrite=True)",
    """%%sql
CREATE TABLE calls AS SELECT * FROM (VALUES
    (1, 'Anna', 'tutorial_data/librispeech_data/093.flac'),
    (2, 'Ben', 'tutorial_data/librispeech_data/099.flac'),
    (3, 'Cleo', 'tutorial_data/librispeech_data/097.flac')
) t(id, agent, audio_path)""",
    "%%sql\nSELECT * FROM calls",
    "%%sql\nPREDICT USING Wav2Vec2TinyEn AS\nSELECT * FROM calls",
)


def write_pictures() -> None:
    """Write all of them to `docs/assets`."""
    ASSETS.mkdir(exist_ok=True)
    with in_empty_folder(), chromium() as browser:
        (ASSETS / "show.png").write_bytes(_show(browser))
        (ASSETS / "notebook.png").write_bytes(_notebook(browser))


def document_of(page: str) -> str:
    """A document whose element `main` is a card with a page of ours."""
    return f'<!DOCTYPE html><meta charset="utf-8"><style>{_STYLE}</style><main>{page}</main>'


@contextmanager
def in_empty_folder() -> Iterator[Path]:
    """A working folder and a model home of their own, without the hub."""
    with tempfile.TemporaryDirectory() as folder, chdir(folder):
        root = str(Path(__file__).parent.parent)
        changes = {"THANO_HOME": f"{folder}/models", "HF_HUB_OFFLINE": "1", "PYTHONPATH": root}
        with patch.dict(os.environ, changes):
            yield Path(folder)


def _show(browser: Chromium) -> bytes:
    """The page of `thano_duckdb.show`."""
    with thano_duckdb.connect() as con:
        con.sql("GET THANOSQL DATASET librispeech_data OPTIONS (overwrite=True)")
        con.sql("COPY clips OPTIONS (overwrite=True) FROM 'tutorial_data/librispeech_data/librispeech_test.csv'")
        page = thano_duckdb.show(con.sql(_SHOWN))
    return browser.picture(document_of(page.html), "main", width_px=960)


def _notebook(browser: Chromium) -> bytes:
    """Two cells of a notebook: a table, and the same table with what is spoken."""
    notebook = nbformat.v4.new_notebook(cells=list(map(nbformat.v4.new_code_cell, _CELLS)))
    NotebookClient(notebook, timeout=240, kernel_name="python3").execute()
    notebook.cells = notebook.cells[-2:]
    for count, cell in enumerate(notebook.cells, 1):
        cell.execution_count = count
        for output in cell.outputs:
            output.execution_count = count
    document, _ = HTMLExporter(template_name="lab").from_notebook_node(notebook)
    document = document.replace("</body>", f"<style>{_STYLE}</style></body>")
    return browser.picture(document, "main", width_px=800)
