"""The options, functions, files, modules and make targets that the prose of the pages names exist."""

from __future__ import annotations

import importlib.util
import inspect
import re

import pytest

import thano_duckdb
from tests.conftest import REPOSITORY
from thano_duckdb.options import OPTIONS

from .blocks import PAGES

_OTHERS = {
    # settings of DuckDB, and parameters of its functions
    "enable_external_access", "disabled_filesystems", "lock_configuration", "arrow_large_buffer_size", "encoding",
    # of checkpoints and of transformers
    "add_adapter", "target_lang",
    # of ffmpeg
    "testsrc",
}  # fmt: skip
"""What has a value after `=` and is no option of ours."""
_FOLDERS = "|".join(path.name for path in REPOSITORY.iterdir() if path.is_dir() and not path.name.startswith("."))


def inline_code(markdown: str) -> list[str]:
    """The code within sentences and tables; fenced blocks have a test of their own."""
    prose = re.sub(r"^ *```.*?^ *```$", "", markdown, flags=re.MULTILINE | re.DOTALL)
    return re.findall(r"(?<!`)`([^`\n]+)`(?!`)", prose)


def unknown(pattern: str, markdown: str, known: set[str]) -> set[str]:
    """What a pattern finds in the inline code, and `known` lacks."""
    found = {name for code in inline_code(markdown) for name in re.findall(pattern, code)}
    return found - known


@pytest.fixture(params=PAGES)
def markdown(request: pytest.FixtureRequest) -> str:
    return PAGES[request.param]


def test_options_exist(markdown: str) -> None:
    parameters = {
        name for call in (thano_duckdb.connect, thano_duckdb.show) for name in inspect.signature(call).parameters
    }
    known = {option.name for option in OPTIONS} | parameters | _OTHERS
    assert unknown(r"(?<![\w.-])([a-z]\w+)=(?!=)", markdown, known) == set()


def test_functions_exist(markdown: str, con: thano_duckdb.Connection) -> None:
    listed = con.sql("SELECT function_name FROM duckdb_functions() WHERE function_name LIKE 'thano_%'").fetchall()
    assert unknown(r"\b(thano_\w+)\(", markdown, {str(name) for (name,) in listed}) == set()


def test_python_names_exist(markdown: str) -> None:
    assert unknown(r"\bthano_duckdb\.([A-Za-z]\w*)\b", markdown, set(thano_duckdb.__all__)) == set()


def test_files_exist(markdown: str) -> None:
    named = unknown(rf"(?<![\w/.])((?:{_FOLDERS}|\.github)/[\w/.-]+\.\w+)", markdown, set())
    assert {name for name in named if not (REPOSITORY / name).exists()} == set()


def test_modules_exist(markdown: str) -> None:
    named = unknown(r"\bpython -m ([\w.]+)", markdown, set())
    assert {name for name in named if importlib.util.find_spec(name) is None} == set()


def test_make_targets_exist(markdown: str) -> None:
    makefile = (REPOSITORY / "Makefile").read_text(encoding="utf-8")
    assert unknown(r"\bmake ([a-z-]+)", markdown, set(re.findall(r"^([\w-]+):", makefile, re.MULTILINE))) == set()
