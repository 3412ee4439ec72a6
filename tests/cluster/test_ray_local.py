"""A real Ray cluster that a statement starts on this machine. Needs the extra `ray`, and that no cluster runs here."""

from __future__ import annotations

import importlib.util
import os
import secrets
import subprocess
import sys

import pytest

from tests.conftest import REPOSITORY
from thano_duckdb.models import bundled

pytestmark = [
    pytest.mark.nightly,
    pytest.mark.timeout(600),
    pytest.mark.skipif(not importlib.util.find_spec("ray"), reason="Ray is not installed: pip install '.[ray]'"),
]

PROGRAM = """
import sys, time, thano_duckdb
con = thano_duckdb.connect(cluster="ray", progress=False)
statement = (
    f"SELECT predicted FROM (PREDICT USING '{sys.argv[1]}' OPTIONS (level='{{}}') "
    f"AS SELECT '{sys.argv[2]}' AS audio_path)"
)
print(con.execute(statement.format("robust")).fetchall())
time.sleep(5)  # a cluster whose starting thread has ended would be gone
print(con.execute(statement.format("exact")).fetchall(), con.execute("SELECT kind FROM thano_workers()").fetchall())
import ray
print(ray.nodes()[0]["NodeID"])
"""


def test_a_statement_starts_a_cluster_which_ends_with_the_process() -> None:
    environment = {**os.environ, "RAY_AUTH_TOKEN": secrets.token_hex(32), "RAY_ADDRESS": ""}
    path = os.pathsep.join([str(REPOSITORY), *filter(None, [os.environ.get("PYTHONPATH")])])
    clip = bundled.dataset_folder("librispeech_data") / "093.flac"
    run = subprocess.run(
        [sys.executable, "-c", PROGRAM, bundled.MODEL_FOLDER, clip],
        env={**environment, "PYTHONPATH": path},
        capture_output=True,
        text=True,
        timeout=500,
        check=False,
    )
    assert run.returncode == 0, run.stderr
    first, second, node = run.stdout.splitlines()
    text = "[('IT TOOK AN HOUR TO CROSS THE CITY',)]"
    assert first == text
    assert second.startswith(f"{text} [('ray',)")
    processes = subprocess.run(["ps", "-eo", "args"], capture_output=True, text=True, check=True).stdout
    assert node not in processes
