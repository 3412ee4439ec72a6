"""The wheel holds the package and its SQL, nothing else, and works where it is unpacked."""

from __future__ import annotations

import os
import subprocess
import sys
import zipfile
from pathlib import Path

from tests.conftest import REPOSITORY


def test_the_wheel_brings_its_sql(tmp_path: Path) -> None:
    build = [sys.executable, "-m", "hatchling", "build", "--target", "wheel", "--directory", str(tmp_path)]
    subprocess.run(build, cwd=REPOSITORY, check=True, capture_output=True)
    (wheel,) = tmp_path.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
        archive.extractall(tmp_path / "unpacked")
    assert "thano_duckdb/sql/macros.sql" in names
    assert {name.split("/")[0].split("-")[0] for name in names} == {"thano_duckdb"}
    code = (
        "import thano_duckdb; print(thano_duckdb.__file__)\n"
        "with thano_duckdb.connect() as con: print(con.sql(\"SELECT thano_wer('a b', 'a c')\").fetchall())"
    )
    environment = {**os.environ, "PYTHONPATH": str(tmp_path / "unpacked")}
    run = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, env=environment, check=True, capture_output=True, text=True
    )
    assert run.stdout.splitlines() == [str(tmp_path / "unpacked" / "thano_duckdb" / "__init__.py"), "[(0.5,)]"]
