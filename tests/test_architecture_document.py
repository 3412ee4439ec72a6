"""`docs/architecture.md` and `CONTRIBUTING.md` name only files that exist, and leave out no folder of the package."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import thano_duckdb
from tests.conftest import REPOSITORY

PACKAGE = Path(thano_duckdb.__file__).parent
ARCHITECTURE = REPOSITORY / "docs" / "architecture.md"
CONTRIBUTING = REPOSITORY / "CONTRIBUTING.md"

FENCED_BLOCK = re.compile(r"^```.*?^```$", re.DOTALL | re.MULTILINE)
IN_BACKTICKS = re.compile(r"`([^`\n]+)`")
PATH = re.compile(r"\w[\w.-]*/[\w./-]*|\w+\.(?:py|sql|md|typed)")
"""A name with a slash, or with the suffix of a file."""


def named_paths(text: str) -> list[str]:
    """The files and folders that a document names in backticks, and in its drawings as `folder/` or `file.py`."""
    inline = [name for name in IN_BACKTICKS.findall(FENCED_BLOCK.sub("", text)) if PATH.fullmatch(name)]
    drawn = [
        word
        for block in FENCED_BLOCK.findall(text)
        for word in re.findall(r"(?<!\S)[\w/]+(?:\.py|\.sql|/)(?!\S)", block)
    ]
    return list(dict.fromkeys(drawn + inline))


def exists(name: str) -> bool:
    """Whether a name is a file or, with a slash at its end, a folder, of the package or of the repository."""
    return any(
        (root / name).is_dir() if name.endswith("/") else (root / name).is_file() for root in (PACKAGE, REPOSITORY)
    )


@pytest.mark.parametrize(
    ("document", "n_at_least"), [(ARCHITECTURE, 80), (CONTRIBUTING, 10)], ids=["architecture", "contributing"]
)
def test_every_file_that_a_document_names_exists(document: Path, n_at_least: int) -> None:
    names = named_paths(document.read_text(encoding="utf-8"))
    assert len(names) >= n_at_least
    assert [name for name in names if not exists(name)] == []


def test_the_architecture_describes_every_folder_of_the_package() -> None:
    text = ARCHITECTURE.read_text(encoding="utf-8")
    folders = [path.parent.name for path in PACKAGE.glob("*/__init__.py")]
    assert [name for name in folders if f"{name}/" not in text] == []


def test_a_file_that_does_not_exist_would_be_found() -> None:
    text = "See `speech/engine.py`, `speech/motor.py` and `SELECT 1/2`.\n```\n  notebooks/ sounds/  a file.py\n```\n"
    assert [name for name in named_paths(text) if not exists(name)] == ["sounds/", "file.py", "speech/motor.py"]
