"""Tests have models of their own: those of whoever runs them are neither seen nor changed."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

import thano_duckdb
from tests.checkpoint_styles import write_style
from tests.conftest import USERS_DATA


@pytest.mark.parametrize("_attempt", [1, 2])
def test_a_test_begins_without_models(
    con: thano_duckdb.Connection, tmp_path: Path, data_home: Path, _attempt: int
) -> None:
    folder = write_style("wav2vec2-base-960h", tmp_path / "model")
    assert con.sql("LIST MODEL").fetchall() == []
    con.execute(f"UPLOAD MODEL mine FROM '{folder}'")
    ((path,),) = con.sql("SELECT path FROM thano_models() WHERE name = 'mine'").fetchall()
    assert Path(path) == data_home / "thano_duckdb" / "models" / "mine" / "1"


def test_processes_that_a_test_starts_use_its_models(data_home: Path) -> None:
    script = "from thano_duckdb.models.registry import model_home; print(model_home(None, ''))"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert Path(done.stdout.strip()) == data_home / "thano_duckdb" / "models"


def test_a_test_that_uses_the_models_of_the_user_fails() -> None:
    with pytest.raises(AssertionError, match="belongs to whoever runs the tests"):
        (USERS_DATA / "models" / "mine" / "1" / "config.json").read_text()
    with pytest.raises(AssertionError, match="belongs to whoever runs the tests"):
        (USERS_DATA / "models" / "mine").mkdir(parents=True)
