"""The documentation has every option and every function, and its generated pages are those of the code."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from docs_build.pages import pages
from tests.conftest import REPOSITORY
from thano_duckdb.option import Option
from thano_duckdb.options import OPTIONS

OPTIONS_PAGE = (REPOSITORY / "docs" / "reference" / "options.md").read_text(encoding="utf-8")
FUNCTIONS_PAGE = (REPOSITORY / "docs" / "reference" / "functions.md").read_text(encoding="utf-8")


@pytest.mark.parametrize(("path", "text"), pages().items(), ids=lambda value: getattr(value, "name", ""))
def test_generated_pages_are_up_to_date(path: Path, text: str) -> None:
    assert path.read_text(encoding="utf-8") == text, "run `make docs`"


@pytest.mark.parametrize("option", OPTIONS, ids=lambda option: option.name)
def test_every_option_is_documented(option: Option) -> None:
    sections = OPTIONS_PAGE.split("\n## ")[1:]
    documented = [section.partition("\n")[0] for section in sections if f"\n| `{option.name}`" in section]
    for statement in option.used_by:
        assert any(statement.value in name or statement.name in name for name in documented), statement


@pytest.mark.parametrize("option", OPTIONS, ids=lambda option: option.name)
def test_a_description_names_every_choice(option: Option) -> None:
    assert [choice for choice in option.choices if f"'{choice}'" not in option.description] == []


BEHIND_STATEMENTS = {
    "thano_check_rows",
    "thano_build",
    "thano_build_language_model",
    "thano_copied_audio",
    "thano_copied_file",
    "thano_upload_language_model",
    "thano_keeps",
    "thano_scored_rows",
    "thano_group_scores",
    "thano_scores",
    "thano_upload_model",
    "thano_delete_model",
    "thano_get_model",
    "thano_get_dataset",
    "thano_planned",
    "thano_set",
    "thano_delete_cache",
}
"""Macros that a statement becomes, and that nobody need call."""


def test_every_macro_is_documented() -> None:
    macros = (REPOSITORY / "sql" / "macros.sql").read_text(encoding="utf-8")
    names = set(re.findall(r"TEMP MACRO (thano_\w+)", macros)) - {"thano_char_errors"}  # beside `thano_word_errors`
    assert {name for name in names if f"`{name}(" not in FUNCTIONS_PAGE} == BEHIND_STATEMENTS


def test_every_macro_that_is_for_users_has_a_comment() -> None:
    macros = (REPOSITORY / "sql" / "macros.sql").read_text(encoding="utf-8")
    comments = (REPOSITORY / "sql" / "function_comments.sql").read_text(encoding="utf-8")
    names = set(re.findall(r"TEMP MACRO (thano_\w+)", macros))
    assert names - set(re.findall(r"temp\.main\.(thano_\w+)", comments)) == BEHIND_STATEMENTS
