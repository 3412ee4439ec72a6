"""The wheel contains the package, its SQL, the bundled model and data, and nothing else; it works when unpacked.

`tests/cli/test_demo.py` runs the tutorial from it.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tarfile
import tomllib
import zipfile
from pathlib import Path

from tests.conftest import REPOSITORY
from tests.test_architecture import SOURCES, imports_of


def run(unpacked: Path, working_folder: Path, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, *arguments],
        cwd=working_folder,
        env={**os.environ, "PYTHONPATH": str(unpacked), **environment},
        capture_output=True,
        text=True,
        check=True,
    )


def test_the_wheel_contains_the_package_its_sql_and_its_data_and_nothing_else(wheel: zipfile.Path) -> None:
    names = set(wheel.root.namelist())
    assert {f"thano_duckdb/sql/{path.name}" for path in (REPOSITORY / "sql").glob("*.sql")} <= names
    assert {name.split("/")[0].split("-")[0] for name in names} == {"thano_duckdb"}
    package = REPOSITORY / "thano_duckdb"
    files = {path for path in (package / "models" / "bundled").rglob("*") if path.is_file()}
    assert len(files) >= 102
    assert {path.relative_to(REPOSITORY).as_posix() for path in files} <= names


def test_the_wheel_says_that_it_is_typed(wheel: zipfile.Path) -> None:
    assert "thano_duckdb/py.typed" in wheel.root.namelist()


def test_the_recipes_of_the_bundled_model_are_not_in_the_wheel(wheel: zipfile.Path) -> None:
    recipes = {path.name for path in (REPOSITORY / "bundle").iterdir() if path.suffix in (".py", ".sql", ".txt")}
    recipes.remove("__init__.py")
    assert len(recipes) >= 9
    assert not recipes & {name.rpartition("/")[2] for name in wheel.root.namelist()}


def test_the_wheel_is_small(wheel: zipfile.Path) -> None:
    assert wheel.root.filename is not None
    assert Path(wheel.root.filename).stat().st_size < 30e6  # the documents say 27 MB


def test_the_source_distribution_builds_the_same_wheel(wheel: zipfile.Path, tmp_path: Path) -> None:
    def build(target: str, source: Path) -> Path:
        folder = tmp_path / target
        command = [sys.executable, "-m", "hatchling", "build", "--target", target, "--directory", str(folder)]
        subprocess.run(command, cwd=source, check=True, capture_output=True)
        (path,) = folder.iterdir()
        return path

    with tarfile.open(build("sdist", REPOSITORY)) as archive:
        archive.extractall(tmp_path, filter="data")
    (source,) = tmp_path.glob("thano_duckdb-*")
    assert {"README.md", "CHANGELOG.md", "LICENSE", "SECURITY.md", "Makefile"} <= {
        each.name for each in source.iterdir()
    }
    with zipfile.ZipFile(build("wheel", source)) as again:
        files = [name for name in wheel.root.namelist() if not name.endswith("/")]  # zipfile.Path adds folders
        assert sorted(again.namelist()) == sorted(files)


NEEDED_BY_OTHERS = {
    "accelerate": "transformers' Trainer, which BUILD uses",
    "ipywidgets": "the progress bars of tqdm in a notebook",
    "prettytable": "the tables of JupySQL, which fails with older ones",
    "pytz": "DuckDB, for values with a time zone",
}
NAMES = {"IPython": "ipython", "sql": "jupysql"}


def test_only_what_the_package_uses_is_installed_with_it() -> None:
    with (REPOSITORY / "pyproject.toml").open("rb") as file:
        dependencies = tomllib.load(file)["project"]["dependencies"]
    required = {re.split(r"[^\w-]", each)[0] for each in dependencies}
    imported = {name.split(".")[0] for source in SOURCES for name in imports_of(source)}
    used = {NAMES.get(name, name.replace("_", "-")) for name in imported}
    assert required - used == NEEDED_BY_OTHERS.keys()


def test_an_unpacked_wheel_works(unpacked: Path, tmp_path: Path) -> None:
    code = (
        "import thano_duckdb; print(thano_duckdb.__file__)\n"
        "with thano_duckdb.connect() as con: print(con.sql(\"SELECT thano_wer('a b', 'a c')\").fetchall())"
    )
    assert run(unpacked, tmp_path, "-c", code).stdout.splitlines() == [
        str(unpacked / "thano_duckdb" / "__init__.py"),
        "[(0.5,)]",
    ]
    get = run(unpacked, tmp_path, "-m", "thano_duckdb", "-c", "GET THANOSQL DATASET librispeech_data")
    assert str(tmp_path)[:20] in get.stdout
    assert len(list((tmp_path / "tutorial_data" / "librispeech_data").iterdir())) == 102
