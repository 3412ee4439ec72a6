"""The README names what there is."""

from __future__ import annotations

import re

import pytest

from tests.conftest import REPOSITORY
from thano_duckdb.dialect import OPTIONS, Option, Statement

README = (REPOSITORY / "README.md").read_text(encoding="utf-8")
UNSUPPORTED = {Statement.SEARCH_AUDIO, Statement.CONVERT}


@pytest.mark.parametrize(
    "option", [option for option in OPTIONS if option.used_by - UNSUPPORTED], ids=lambda option: option.name
)
def test_every_option_is_documented(option: Option) -> None:
    assert re.search(rf"[`(]{option.name}\b", README)


def test_every_macro_is_documented() -> None:
    macros = (REPOSITORY / "sql" / "macros.sql").read_text(encoding="utf-8")
    names = set(re.findall(r"TEMP MACRO (thano_\w+)", macros)) | {"thano_normalize", "thano_word_errors"}
    behind_statements = {
        "thano_build",
        "thano_scores",
        "thano_upload_model",
        "thano_delete_model",
        "thano_get_model",
        "thano_get_dataset",
    }
    assert {name for name in names if f"`{name}(" not in README} == behind_statements
