"""`python -m docs_build notebook`: runs the tutorial and stores it with its outputs, for GitHub to show."""

from __future__ import annotations

import base64
import hashlib
import re
from pathlib import Path
from typing import Any

import nbformat
from nbclient import NotebookClient

from .chromium import Chromium, chromium
from .pictures import document_of, in_empty_folder

NOTEBOOK = Path(__file__).parent.parent / "notebooks" / "speech_recognition.ipynb"
HASH = "sha256_of_sources"
"""The key of the notebook's metadata that says which cells gave the outputs."""

_PAGE_PX = 900
_SCALE = 1.5
_TIMING = "seconds"
_CHATTER = re.compile(r"Running query in|package isn't installed")
_WIDGET = "application/vnd.jupyter.widget-view+json"


def sha256_of_sources(notebook: Any) -> str:
    """The hash of all cells of code."""
    sources = "\0".join(cell.source for cell in notebook.cells if cell.cell_type == "code")
    return hashlib.sha256(sources.encode()).hexdigest()


def write_notebook() -> None:
    """Run all cells in an empty folder and write what they show."""
    notebook = nbformat.read(NOTEBOOK, as_version=4)
    with in_empty_folder() as folder:
        NotebookClient(notebook, timeout=1_800, kernel_name="python3").execute()
    with chromium() as browser:
        for cell in notebook.cells:
            cell.metadata = nbformat.NotebookNode()
            if cell.cell_type == "code":
                cell.outputs = [_stored(output, browser, folder) for output in cell.outputs if _is_kept(output)]
    notebook.metadata = nbformat.from_dict(
        {
            "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
            "language_info": {"name": "python"},
            HASH: sha256_of_sources(notebook),
        }
    )
    text = nbformat.writes(notebook)
    if str(folder) in text:
        raise ValueError(f"the outputs name {folder}, the folder in which the cells ran")
    NOTEBOOK.write_text(text.rstrip("\n") + "\n", encoding="utf-8")


def _is_kept(output: Any) -> bool:
    """Whether an output says something later: progress bars and JupySQL's messages do not."""
    data = output.get("data", {})
    return _WIDGET not in data and not _CHATTER.search(data.get("text/plain", ""))


def _stored(output: Any, browser: Chromium, folder: Path) -> Any:
    """An output without paths and timings; a page becomes a picture, since GitHub shows no style and no player."""
    data = output.get("data", {})
    html = data.get("text/html", "")
    if "thano-page" in html and ("<audio" in html or "<svg" in html):
        png = browser.picture(document_of(html), "main", width_px=_PAGE_PX, scale=_SCALE)
        data = {"image/png": base64.b64encode(png).decode()}
    elif html:
        data = {"text/html": _without_timing(html.replace(f"{folder}/", ""))}
    if data:
        output.data = nbformat.from_dict(data)
    return output


def _without_timing(table: str) -> str:
    """A table whose column `seconds` is empty."""
    names = re.findall(r"<th[^>]*>(.*?)</th>", table)
    if _TIMING not in names:
        return table
    before = rf"(<tr>(?:<td[^>]*>[^<]*</td>){{{names.index(_TIMING)}}}<td[^>]*>)[^<]*"
    return re.sub(before, r"\1", table)
