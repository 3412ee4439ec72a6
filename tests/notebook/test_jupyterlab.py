"""The tutorial from top to bottom in a real JupyterLab, in a real browser: what a person sees, and what is saved."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import nbformat
import pytest
from jupyter_server.serverapp import list_running_servers
from playwright.sync_api import Locator, Page, expect, sync_playwright

from tests.conftest import REPOSITORY
from tests.pages.markup import Markup
from thano_duckdb.models import bundled

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
TUTORIAL = REPOSITORY / "notebooks" / "speech_recognition.ipynb"
TOKEN = "token-of-the-test"
A_CELL_MS = 120_000
IS_IDLE = "window.jupyterapp.shell.currentWidget?.sessionContext?.session?.kernel?.status === 'idle'"
# A bar disappears when its statement is done, so its text is recorded while it is shown.
WATCH_FOR_BARS = """() => {
    window.bars = [];
    new MutationObserver(() => {
        for (const bar of document.querySelectorAll('.jp-OutputArea .widget-hbox:has(.widget-hprogress)'))
            window.bars.push(bar.textContent);
    }).observe(document.body, {childList: true, subtree: true, characterData: true});
}"""

pytestmark = [
    pytest.mark.skipif(CHROMIUM is None, reason="there is no Chromium on this machine (Debian: apt install chromium)"),
    pytest.mark.skipif(not bundled.has_model(), reason="the weights of the small model are not in this checkout"),
    pytest.mark.filterwarnings("ignore::ResourceWarning", "ignore::DeprecationWarning"),
]


@pytest.fixture
def lab(tmp_path: Path) -> Iterator[str]:
    """The address of a JupyterLab whose folder holds the tutorial, with a shorter training."""
    notebook = nbformat.read(TUTORIAL, as_version=4)
    for cell in notebook.cells:
        cell.source = cell.source.replace("epochs=15", "epochs=4")
        if cell.cell_type == "code":
            cell.outputs = []  # those that are stored would be taken for new ones
    nbformat.write(notebook, tmp_path / "tutorial.ipynb")
    runtime = tmp_path / "runtime"
    command = [sys.executable, "-m", "jupyterlab", "--no-browser", "--allow-root", "--port=0"]
    command += [
        f"--IdentityProvider.token={TOKEN}",
        f"--ServerApp.root_dir={tmp_path}",
        "--LabApp.expose_app_in_browser=True",
    ]
    environment = os.environ | {
        "JUPYTER_RUNTIME_DIR": str(runtime),
        "JUPYTER_CONFIG_DIR": str(tmp_path / "config"),
        "THANO_HOME": str(tmp_path / "models"),
        "HF_HUB_OFFLINE": "1",
        "HF_HOME": str(tmp_path / "hub"),
        "PYTHONPATH": str(REPOSITORY),
    }
    with (tmp_path / "log").open("wb") as log:
        server = subprocess.Popen(command, env=environment, stdout=log, stderr=log, cwd=tmp_path)
    try:
        yield address(server, runtime, tmp_path / "log")
    finally:
        server.terminate()
        server.wait(30)


def address(server: subprocess.Popen[bytes], runtime: Path, log: Path) -> str:
    """Where the server listens, once it does."""
    while server.poll() is None:
        for found in list_running_servers(str(runtime)):
            return f"{found['url']}lab/tree/tutorial.ipynb?token={TOKEN}&reset"
        with pytest.raises(subprocess.TimeoutExpired):  # a tenth of a second at most until the next look
            server.wait(0.1)
    raise AssertionError(log.read_text())


def output(page: Page, source: str) -> Locator:
    """The output of the cell that holds `source`."""
    return page.locator(".jp-CodeCell", has_text=source).first.locator(".jp-Cell-outputArea")


def test_the_tutorial_in_a_browser(lab: str, tmp_path: Path) -> None:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        page = browser.new_page(viewport={"width": 1400, "height": 9000})  # tall: JupyterLab draws what is in view
        page.set_default_timeout(A_CELL_MS)
        expect.set_options(timeout=A_CELL_MS)
        page.goto(lab)
        page.wait_for_selector(".jp-Notebook .jp-CodeCell")
        page.wait_for_function(IS_IDLE)
        page.evaluate(WATCH_FOR_BARS)
        page.evaluate("window.jupyterapp.commands.execute('notebook:run-all-cells')")

        expect(output(page, "PRINT AUDIO AS").locator("audio")).to_have_count(3)
        expect(output(page, "SELECT * FROM librispeech_train LIMIT 5").locator("tbody tr")).to_have_count(5)
        expect(output(page, "PREDICT USING tutorial_audio_recognition")).to_contain_text("predicted")
        expect(output(page, "BUILD MODEL").locator("svg.thano-curve").first).to_be_visible()
        shown = output(page, "thano_duckdb.show(transcripts)")
        expect(shown.locator("audio")).to_have_count(20)
        expect(output(page, "EVALUATE USING my_speech")).to_contain_text("wer")
        expect(output(page, "AS before")).to_contain_text("cer")

        durations_s = page.evaluate(
            "Promise.all([...document.querySelectorAll('audio')].slice(0, 5).map(player => new Promise(done => {"
            " player.onloadedmetadata = () => done(player.duration); player.onerror = () => done(-1);"
            " player.preload = 'metadata'; player.load(); })))"
        )
        texts_of_bars = page.evaluate("window.bars")
        page.screenshot(path=tmp_path / "done.png")
        page.wait_for_function(IS_IDLE)
        page.evaluate("window.jupyterapp.commands.execute('docmanager:save')")
        browser.close()
    assert all(0.5 < duration_s < 20 for duration_s in durations_s)  # the browser can play them
    assert any(text.startswith("training") and "left" in text for text in texts_of_bars)
    assert_outputs_are_complete(nbformat.read(tmp_path / "tutorial.ipynb", as_version=4))


def assert_outputs_are_complete(notebook: Any) -> None:
    """Every cell of the saved tutorial has run without an error and holds what it should show."""
    cells = [cell for cell in notebook.cells if cell.cell_type == "code"]
    assert [cell.execution_count for cell in cells] == list(range(1, len(cells) + 1))
    assert all(each.output_type != "error" for cell in cells for each in cell.outputs)

    def cell(source: str) -> Any:
        return next(each for each in cells if source in each.source)

    def html(source: str) -> str:
        return "".join(each.get("data", {}).get("text/html", "") for each in cell(source).outputs)

    assert len(Markup(html("PRINT AUDIO")).sounds) == 3
    predict = "PREDICT USING tutorial_audio_recognition"
    assert "predicted" in html(predict)
    (warning,) = [each.text.strip() for each in cell(predict).outputs if each.get("name") == "stderr"]
    assert "Wav2Vec2TinyEn" in warning
    assert "\n" not in warning
    assert "<svg" in html("BUILD MODEL")
    assert len(Markup(html("thano_duckdb.show")).sounds) == 20
    assert "wer" in html("EVALUATE USING my_speech")
    before, after = map(float, re.findall(r"<td>([\d.]+)</td>", html("AS before"))[:2])
    assert after < before
