"""A fake hub, and names that are resolved with it."""

from __future__ import annotations

import http.server
import os
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.models.fake_hub import FakeHub

REPOSITORY = Path(__file__).resolve().parents[2]


@pytest.fixture
def fake_hub(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """The address of a hub without models."""
    monkeypatch.setattr(FakeHub, "repositories", {})
    monkeypatch.setattr(FakeHub, "pull_requests", {})
    monkeypatch.setattr(FakeHub, "requested", [])
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), FakeHub) as httpd:
        httpd.daemon_threads = True  # the client keeps its connections
        thread = threading.Thread(target=httpd.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{httpd.server_port}"
        httpd.shutdown()
        thread.join()


def in_new_process(script: str, *arguments: str, endpoint: str, home: Path, **environment: str) -> str:
    """What a script prints in a process of its own: the client of the hub reads its settings once."""
    settings = {
        **{name: value for name, value in os.environ.items() if not name.startswith("HF_")},
        "HF_ENDPOINT": endpoint,
        "HF_HOME": str(home / "hf"),
        "HF_HUB_DISABLE_TELEMETRY": "1",
        "NO_PROXY": "127.0.0.1",
        "PYTHONPATH": str(REPOSITORY),
        **environment,
    }
    command = [sys.executable, "-W", "ignore", "-c", script, *arguments]
    run = subprocess.run(command, capture_output=True, text=True, check=False, env=settings, cwd=home, timeout=120)
    assert run.returncode == 0, run.stderr
    return run.stdout


@pytest.fixture
def online(tmp_path: Path) -> Callable[..., str]:
    """Resolve a name in a new process; returns the folder or the error."""

    def resolve(spec: str, endpoint: str, **environment: str) -> str:
        script = (
            "import sys\n"
            "from pathlib import Path\n"
            "from thano_duckdb.models import hub, resolve\n"
            "from thano_duckdb.errors import ModelError\n"
            "from thano_duckdb.models.registry import Registry\n"
            "hub.HUB_TIMEOUT_S = 1\n"
            "try:\n"
            "    print(resolve.resolve(sys.argv[1], Registry(Path('home'))).folder)\n"
            "except ModelError as error:\n"
            "    print('ModelError', error)\n"
        )
        return in_new_process(script, spec, endpoint=endpoint, home=tmp_path, **environment).strip()

    return resolve
