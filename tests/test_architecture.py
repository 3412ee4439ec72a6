"""The import rules, which keep the parts apart and the import quick."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import thano_duckdb

PACKAGE = Path(thano_duckdb.__file__).parent
ALLOWED_IN_DIALECT = {"duckdb", "thano_duckdb.dialect", "thano_duckdb.errors"}
ONLY_UNDER = {
    "torch": ("speech/", "cluster.py"),
    "torchaudio": ("speech/", "cluster.py"),
    "transformers": ("speech/", "cluster.py"),
    "IPython": ("notebook/",),
    "sql": ("notebook/",),
}


def imports(file: Path) -> Iterator[str]:
    """Absolute names of the modules that a file imports, anywhere in it."""
    package = ".".join(file.relative_to(PACKAGE.parent).parent.parts)
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = package.rsplit(".", node.level - 1)[0] if node.level else ""
            yield ".".join(part for part in (base, node.module or "") if part)


SOURCES = sorted(PACKAGE.rglob("*.py"))


@pytest.mark.parametrize("file", SOURCES, ids=lambda file: str(file.relative_to(PACKAGE)))
def test_heavy_modules_are_imported_only_where_they_belong(file: Path) -> None:
    place = file.relative_to(PACKAGE).as_posix()
    for name in imports(file):
        allowed = ONLY_UNDER.get(name.split(".")[0])
        assert allowed is None or place.startswith(allowed), f"{place} imports {name}"


def test_the_dialect_stands_alone() -> None:
    for file in (PACKAGE / "dialect").glob("*.py"):
        for name in imports(file):
            top = name.split(".")[0]
            assert top in sys.stdlib_module_names or any(
                name == allowed or name.startswith(f"{allowed}.") for allowed in ALLOWED_IN_DIALECT
            ), f"{file.name} imports {name}"


def test_no_file_is_longer_than_one_sitting() -> None:
    long = {file.name: n for file in SOURCES if (n := len(file.read_text(encoding="utf-8").splitlines())) > 400}
    assert long == {}


def test_importing_the_package_imports_nothing_heavy() -> None:
    code = (
        "import sys, thano_duckdb; "
        "heavy = ('torch', 'transformers', 'IPython', 'pandas', 'sql', 'huggingface_hub'); "
        "print([name for name in heavy if name in sys.modules])"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "[]"


def test_a_connection_without_audio_does_not_load_torch() -> None:
    code = (
        "import sys, thano_duckdb\n"
        "with thano_duckdb.connect() as con:\n"
        "    con.sql('SELECT thano_wer(\\'a\\', \\'b\\')').fetchall(); con.sql('LIST THANOSQL MODEL').fetchall()\n"
        "print('torch' in sys.modules)"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "False"


def test_the_folder_sql_is_no_package() -> None:
    assert not (PACKAGE.parent / "sql" / "__init__.py").exists()  # JupySQL's import package is called sql
