"""A notebook's shell without the kernel: IPython, JupySQL and our extension."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from IPython.core.interactiveshell import InteractiveShell
from IPython.utils.capture import RichOutput, capture_output
from sql.connection import ConnectionManager
from sql.store import store


@dataclass
class Ran:
    """What a cell did.

    Attributes:
        result: the value of its last expression.
        error: its exception, or None.
        displayed: what it showed besides its result.
        stderr: what a notebook shows in red.
    """

    result: Any
    error: BaseException | None
    displayed: list[RichOutput]
    stdout: str
    stderr: str


class Notebook:
    """Runs cells."""

    def __init__(self, shell: InteractiveShell) -> None:
        self.shell = shell

    @property
    def variables(self) -> dict[str, Any]:
        names: dict[str, Any] = self.shell.user_ns
        return names

    def run(self, cell: str) -> Any:
        """The result of a cell that must succeed."""
        ran = self.try_to(cell)
        assert ran.error is None, f"{cell}\n{ran.error!r}\n{ran.stderr}"
        return ran.result

    def try_to(self, cell: str) -> Ran:
        """What a cell does, whether it succeeds or not."""
        with capture_output() as captured:
            ran = self.shell.run_cell(cell, store_history=False)
        error = ran.error_before_exec or ran.error_in_exec
        return Ran(ran.result, error, captured.outputs, captured.stdout, captured.stderr)

    def html(self, result: Any) -> str:
        """What a notebook shows of a value."""
        data, _ = self.shell.display_formatter.format(result)
        html: str = data.get("text/html", "")
        return html


@pytest.fixture(scope="session")
def shell() -> Iterator[InteractiveShell]:
    main = sys.modules["__main__"]
    shell = InteractiveShell.instance()
    sys.modules["__main__"] = main  # the shell puts its own there, from which no process can be spawned
    yield shell
    InteractiveShell.clear_instance()


@pytest.fixture
def bare_notebook(shell: InteractiveShell, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Notebook]:
    """A notebook in an empty folder, before any extension is loaded."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("THANO_HOME", str(tmp_path / "models"))
    yield Notebook(shell)
    for name in ("thano_duckdb", "sql"):
        if name in shell.extension_manager.loaded:
            shell.extension_manager.unload_extension(name)
            shell.extension_manager.loaded.discard(name)
    ConnectionManager.close_all()
    ConnectionManager.current = None
    for name in list(store):
        del store[name]
    shell.config.pop("SqlMagic", None)  # what a test set with %config
    shell.reset(new_session=False)


@pytest.fixture
def notebook(bare_notebook: Notebook) -> Notebook:
    """A notebook after `%load_ext thano_duckdb`."""
    bare_notebook.run("%load_ext thano_duckdb")
    return bare_notebook
