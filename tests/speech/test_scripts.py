"""Words of scripts with and without spaces between them are told apart and put together."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from thano_duckdb.speech.scripts import is_unspaced, joined, units


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("all right", ["all", "right"]),
        ("\u4eca\u5929OK 3\u70b9", ["\u4eca", "\u5929", "OK", "3", "\u70b9"]),
        ("\u30b3\u30fc\u30d2\u30fc\u3092", [*"\u30b3\u30fc\u30d2\u30fc\u3092"]),
        ("\ud55c\uad6d \ub9d0", ["\ud55c\uad6d", "\ub9d0"]),
        ("\u0e44\u0e1b\u0e17\u0e35\u0e48 2", ["\u0e44", "\u0e1b", "\u0e17\u0e35\u0e48", "2"]),
        ("\u0939\u093f\u0928\u094d\u0926\u0940", ["\u0939\u093f\u0928\u094d\u0926\u0940"]),  # Hindi
        ("\u30ab\u3099", ["\u30ab\u3099"]),  # decomposed
        ("", []),
    ],
)
def test_units_are_words_or_letters(text: str, parts: list[str]) -> None:
    assert units(text) == parts


@given(st.text())
def test_units_are_the_text_without_its_spaces(text: str) -> None:
    assert "".join(units(text)) == "".join(text.split())


def test_words_are_joined_without_spaces_beside_letters_of_such_scripts() -> None:
    assert joined(units("\u4eca\u5929 OK \u5417")) == "\u4eca\u5929OK\u5417"
    assert joined(["all", "", "right"]) == "all right"
    assert joined([]) == ""


@pytest.mark.parametrize(
    "script", ["CJK UNIFIED", "HIRAGANA LETTER", "KATAKANA LETTER", "THAI CHARACTER", "LAO LETTER"]
)
def test_every_letter_of_a_script_is_known(script: str) -> None:
    letters = [char for char in map(chr, range(0x2FFFF)) if unicodedata.name(char, "").startswith(script)]
    assert letters
    assert [char for char in letters if not is_unspaced(char) and char.isalpha()] == []


@pytest.mark.parametrize("char", ["a", "\ud55c", "\u0915", "\u0e51", "7", " ", "\u3001", "\u0f40"])
def test_other_characters_are_not(char: str) -> None:
    assert not is_unspaced(char)
