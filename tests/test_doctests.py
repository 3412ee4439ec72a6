"""The examples in docstrings give what they say, and every public name has one."""

from __future__ import annotations

import doctest
import importlib
import io
from pathlib import Path

import pytest

import thano_duckdb
from tests.test_architecture import SOURCES, module_name

MODULES = [module_name(file) for file in SOURCES if ">>> " in file.read_text(encoding="utf-8")]
PUBLIC = [name for name in thano_duckdb.__all__ if name != "__version__"]
PUBLIC += ["Connection.sql", "Connection.execute", "Connection.cursor"]


def examples(module: str) -> list[doctest.DocTest]:
    """The examples of a module; those of the public names import what they need, as a user would."""
    own_names = vars(importlib.import_module(module))
    found = doctest.DocTestFinder().find(importlib.import_module(module), globs={})
    for example in found:
        if example.name.rpartition(".")[2] not in {name.rpartition(".")[2] for name in PUBLIC}:
            example.globs.update(own_names)
    return [example for example in found if example.examples]


@pytest.mark.parametrize("module", MODULES)
def test_examples_give_what_they_say(
    module: str, bundled_model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for example in examples(module):
        folder = tmp_path / example.name
        folder.mkdir()
        monkeypatch.chdir(folder)
        monkeypatch.setenv("THANO_HOME", str(folder / "home"))
        report = io.StringIO()
        result = doctest.DocTestRunner(optionflags=doctest.ELLIPSIS).run(example, out=report.write)
        assert result.failed == 0, report.getvalue()


@pytest.mark.parametrize("name", PUBLIC)
def test_every_public_name_has_an_example(name: str) -> None:
    item: object = thano_duckdb
    for part in name.split("."):
        item = getattr(item, part)
    assert doctest.DocTestParser().get_examples(item.__doc__ or "")
