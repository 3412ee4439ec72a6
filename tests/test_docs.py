"""The README documents every option and every function, and says the same as the code."""

from __future__ import annotations

import re

import pytest

from tests.conftest import REPOSITORY
from thano_duckdb.option import Option, StatementKind
from thano_duckdb.options import OPTIONS

README = (REPOSITORY / "README.md").read_text(encoding="utf-8")


def table_under(heading: str) -> list[str]:
    """The rows of the README's table whose first column is called `heading`."""
    _, _, text = README.partition(f"| {heading} | default | |\n|---|---|---|\n")
    return text.partition("\n\n")[0].splitlines()


def row(option: Option) -> str:
    names = f"`{option.name}`" + "".join(f" (`{spelling}`)" for spelling in option.spellings)
    default = option.default_in_words or f"`{option.default_text}`"
    return f"| {names} | {default} | {option.description} |"


@pytest.mark.parametrize(
    ("heading", "statements"),
    [
        ("option of PREDICT", {StatementKind.PREDICT}),
        ("option of BUILD and FIT", {StatementKind.BUILD, StatementKind.FIT}),
    ],
)
def test_the_tables_of_options_are_those_of_the_code(heading: str, statements: set[StatementKind]) -> None:
    assert table_under(heading) == [row(option) for option in OPTIONS if statements <= option.used_by]


def test_the_options_of_evaluate_are_listed() -> None:
    sentence = re.search(r"`EVALUATE` takes (.*?)\. ", README, re.DOTALL)
    assert sentence is not None
    names = [option.name for option in OPTIONS if StatementKind.EVALUATE in option.used_by]
    assert re.findall(r"`(\w+)`", sentence[1]) == names


@pytest.mark.parametrize("option", OPTIONS, ids=lambda option: option.name)
def test_every_option_is_documented(option: Option) -> None:
    assert re.search(rf"[`(]{option.name}\b", README)


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
    assert {name for name in names if f"`{name}(" not in README} == BEHIND_STATEMENTS


def test_every_macro_that_is_for_users_has_a_comment() -> None:
    macros = (REPOSITORY / "sql" / "macros.sql").read_text(encoding="utf-8")
    comments = (REPOSITORY / "sql" / "function_comments.sql").read_text(encoding="utf-8")
    names = set(re.findall(r"TEMP MACRO (thano_\w+)", macros))
    assert names - set(re.findall(r"temp\.main\.(thano_\w+)", comments)) == BEHIND_STATEMENTS
