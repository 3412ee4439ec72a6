"""A pytest plugin for JupySQL's own tests: records the outcome of each, with or without our extension in front.

Environment: `JUPYSQL_EXTENSION` (`stock` or `thano_duckdb`), `JUPYSQL_OUTCOMES` (where to write the outcomes, as JSON)
and `JUPYSQL_DATA` (a folder with files that the tests would download, or empty).
"""

from __future__ import annotations

import json
import os
import shutil
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

_OURS = os.environ["JUPYSQL_EXTENSION"] == "thano_duckdb"
_outcomes: dict[str, str] = {}


@pytest.hookimpl(wrapper=True)
def pytest_fixture_setup(fixturedef: pytest.FixtureDef[Any]) -> Iterator[None]:
    """Load our extension into each shell that JupySQL's tests make, after its magics."""
    yield
    if _OURS and fixturedef.argname == "ip_empty":
        assert fixturedef.cached_result is not None
        _load(fixturedef.cached_result[0])


def _load(shell: Any) -> None:
    from sql.connection import ConnectionManager

    from thano_duckdb.notebook import extension
    from thano_duckdb.notebook.magics import ThanoMagics

    shell.extension_manager.loaded.add("sql")  # the fixture has registered JupySQL's magics without the extension
    extension.load(shell)
    # Their tests count connections from none, so the one that loading opens is closed.
    magics = shell.magics_manager.registry[ThanoMagics.__name__]
    magics.connections.remove(magics.opened)
    magics.opened.close()
    ConnectionManager.current = None


def pytest_configure() -> None:
    """Take downloads from the folder of data files where it has them."""
    folder = os.environ.get("JUPYSQL_DATA")
    if folder:
        urllib.request.urlretrieve = _from(Path(folder), urllib.request.urlretrieve)


def _from(folder: Path, download: Callable[..., Any]) -> Callable[..., Any]:
    def urlretrieve(url: str, filename: str | Path) -> Any:
        stored = folder / url.rsplit("/", 1)[-1]
        return shutil.copyfile(stored, filename) if stored.exists() else download(url, filename)

    return urlretrieve


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    """Keep the worst outcome of a test's set-up, call and tear-down."""
    known = _outcomes.get(report.nodeid)
    if report.failed:
        _outcomes[report.nodeid] = "failed"
    elif known is None or (report.skipped and known == "passed"):
        _outcomes[report.nodeid] = report.outcome


def pytest_sessionfinish() -> None:
    """Write the outcomes."""
    Path(os.environ["JUPYSQL_OUTCOMES"]).write_text(json.dumps(_outcomes, indent=0))
