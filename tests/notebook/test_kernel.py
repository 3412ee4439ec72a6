"""Real kernels: the bars, workers, and the stop button; `test_jupyterlab.py` runs the tutorial."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import nbformat
import pytest
from jupyter_client.manager import AsyncKernelManager
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError

from tests.conftest import REPOSITORY, Utterance

N_CLIPS = 20

# From the kernels' own libraries: a client that is garbage-collected with open sockets, and a proactor's warning.
pytestmark = pytest.mark.filterwarnings("ignore::ResourceWarning", "ignore::DeprecationWarning")


@pytest.fixture
def environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty working folder for kernels, without the hub."""
    monkeypatch.setenv("THANO_HOME", str(tmp_path / "models"))
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.setenv("HF_HOME", str(tmp_path / "hub"))
    monkeypatch.setenv("PYTHONPATH", str(REPOSITORY))
    monkeypatch.setenv("PYDEVD_DISABLE_FILE_VALIDATION", "1")
    return tmp_path


def client_of(cells: list[str], folder: Path) -> NotebookClient:
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(cell) for cell in cells])
    return NotebookClient(notebook, timeout=240, resources={"metadata": {"path": str(folder)}}, kernel_name="python3")


def html_of(cell: Any) -> str:
    return "".join(output.get("data", {}).get("text/html", "") for output in cell.outputs)


def text_of(cell: Any, stream: str) -> str:
    return "".join(output.text for output in cell.outputs if output.output_type == "stream" and output.name == stream)


# A clip takes at least a fifth of a second, and is counted.
SLOW_MODEL = """
import time
from thano_duckdb.speech.batch_runner import BatchRunner
run, n_done = BatchRunner.run, 0
def slow_run(self, inputs, decoder, *, max_clips, monitor):
    global n_done
    for each in (pair for batch in run(self, inputs, decoder, max_clips=max_clips, monitor=monitor) for pair in batch):
        for _ in range(4):
            time.sleep(0.05)
            monitor.raise_if_cancelled()
        n_done += 1
        print("transcribing", flush=True)
        yield [each]
BatchRunner.run = slow_run
"""


@pytest.fixture
def table(an4_test: list[Utterance], an4_model: Path) -> str:
    paths = ", ".join(f"('{clip.audio_path}', '{clip.text}')" for clip in an4_test[:N_CLIPS])
    return (
        f"%%sql\nCREATE TABLE clips AS FROM (VALUES {paths}) t(audio_path, text);\nUPLOAD MODEL m FROM '{an4_model}' "
    )


def test_bars_show_the_progress_of_statements(environment: Path, table: str) -> None:
    statements = [
        "PREDICT USING m AS SELECT * FROM clips",
        "EVALUATE USING m OPTIONS (precision='bfloat16') AS SELECT * FROM clips",
        "BUILD MODEL made USING m OPTIONS (epochs=8, batch_size=4) AS SELECT * FROM clips",
    ]
    client = client_of(
        ["%load_ext thano_duckdb", table, SLOW_MODEL, *(f"%%sql\n{each}" for each in statements)], environment
    )
    client.execute()
    widgets = client.widget_state.values()
    lengths = [state["max"] for state in widgets if state.get("_model_name") == "FloatProgressModel"]
    assert lengths.count(N_CLIPS) >= 2
    assert 8 * N_CLIPS / 4 in lengths  # steps of training
    texts = [state.get("value", "") for state in widgets if state.get("_model_name") == "HTMLModel"]
    n_with_time_left = sum("&lt;" in text for text in texts)  # `00:08<00:04`
    assert n_with_time_left >= 3
    assert [text_of(cell, "stderr") for cell in client.nb.cells] == [""] * len(client.nb.cells)


def test_workers_transcribe_for_a_notebook(environment: Path, table: str) -> None:
    predict = "%%sql\nPREDICT USING m OPTIONS (device='cpu', workers=2) AS SELECT * FROM clips"
    client = client_of(["%load_ext thano_duckdb", table, predict, "%%sql\nFROM thano_workers()"], environment)
    client.execute()
    cells = client.nb.cells
    assert "predicted" in html_of(cells[2])
    assert html_of(cells[3]).count("process") == 2


def test_the_stop_button_stops_and_leaves_the_connection(environment: Path, table: str) -> None:
    predict, after = "%%sql\nPREDICT USING m AS SELECT * FROM clips", "%%sql\nSELECT count(*) AS n FROM clips"
    client = client_of(["%load_ext thano_duckdb", table, SLOW_MODEL, predict, after, "print(n_done)"], environment)
    cells = client.nb.cells

    async def press_stop() -> None:
        while "transcribing" not in text_of(cells[3], "stdout"):
            await asyncio.sleep(0.01)
        assert isinstance(client.km, AsyncKernelManager)
        await client.km.interrupt_kernel()

    async def begin_to_watch(cell: Any, cell_index: int) -> None:
        if cell is cells[3]:
            pressing.append(asyncio.get_running_loop().create_task(press_stop()))

    pressing: list[asyncio.Task[None]] = []
    client.on_cell_execute = begin_to_watch
    with client.setup_kernel():
        for index in range(3):
            client.execute_cell(cells[index], index)
        with pytest.raises(CellExecutionError):
            client.execute_cell(cells[3], 3)
        for index in (4, 5):
            client.execute_cell(cells[index], index)
    (line,) = text_of(cells[3], "stderr").strip().splitlines()
    assert "Interrupted" in line
    assert f">{N_CLIPS}<" in html_of(cells[4])
    assert 0 < int(text_of(cells[5], "stdout")) < N_CLIPS
