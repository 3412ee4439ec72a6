"""`normalize` gives the same as a simple implementation that works row by row."""

from __future__ import annotations

import re
import time
import unicodedata

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.conftest import Utterance
from thano_duckdb.speech.normalize import INVISIBLE, normalize
from thano_duckdb.speech.scripts import MARKS, is_unspaced


def one(text: str | None) -> str | None:
    result: str | None = normalize(pa.array([text], pa.string()))[0].as_py()
    return result


def reference(text: str) -> str:
    """The six steps of the docstring, character by character."""
    text = re.sub(INVISIBLE, "", text)
    text = unicodedata.normalize("NFKC", text.replace("\u00b4", "'"))
    text = "".join(char.lower() if len(char.lower()) == 1 else char.lower()[0] for char in text)
    text = unicodedata.normalize("NFKC", text)
    text = re.sub("[\u2018\u2019\u201b\u02bc\u2032`]", "'", text)

    def letter(char: str) -> bool:
        return unicodedata.category(char)[0] == "L"

    def kept(n: int) -> bool:
        char = text[n]
        if char == "'":
            before, after = text[n - 1 : n], text[n + 1 : n + 2]
            is_inside = bool(before) and bool(after) and (letter(before) or unicodedata.category(before)[0] == "M")
            return is_inside and letter(after) and not (is_unspaced(after) or is_unspaced(text[:n].rstrip(MARKS)[-1:]))
        return unicodedata.category(char)[0] in "LM" or unicodedata.category(char) == "Nd"

    return " ".join("".join(char if kept(n) else " " for n, char in enumerate(text)).split(" ")).strip(" ")


def collapsed(text: str) -> str:
    return re.sub(" +", " ", text)


# Arrow's Unicode tables are newer than Python's, so only characters that both know.
KNOWN = st.characters(exclude_categories=["Cs", "Cn", "Co"], max_codepoint=0x2FFF).filter(
    lambda char: char not in "\u0558\u058b\u058c\u209d\u209e\u209f" and unicodedata.category(char) != "Cn"
)
APOSTROPHES = "'\u2019\u2018`\u00b4\u2032\u02bc"
OTHERS = 'aZé \t\n.,-_5½²\u0149İßΣ한हि\u0301"\u201c\u201d/@()'
TRICKY = st.sampled_from([*APOSTROPHES, *OTHERS, "don't", "'tis", "''", "O\u2019CLOCK"])
TEXTS = st.lists(st.one_of(TRICKY, KNOWN), max_size=15).map("".join)


@settings(deadline=None)
@given(TEXTS)
def test_it_agrees_with_the_simple_implementation(text: str) -> None:
    assert one(text) == collapsed(reference(text))


@settings(deadline=None)
@given(st.lists(st.one_of(st.none(), st.text(), TEXTS), max_size=5))
def test_it_is_idempotent(texts: list[str | None]) -> None:
    once = normalize(pa.array(texts, pa.string()))
    assert normalize(once).equals(once)
    assert [text is None for text in texts] == [text is None for text in once.to_pylist()]


@pytest.mark.parametrize(
    ("text", "normal"),
    [
        (None, None),
        ("", ""),
        (" ?! ", ""),
        ("HELLO, World.", "hello world"),
        ("IT'S DON\u2019T o\u00b4clock", "it's don't o'clock"),
        ("the 'quoted' dogs' rock 'n' roll", "the quoted dogs rock n roll"),
        ("5'10 '90s a1'b", "5 10 90s a1 b"),
        ("a''b l'a'b'c", "a b l'a'b'c"),
        ("twenty-one\tand\u00a0a half", "twenty one and a half"),
        ("\uff21\uff22\uff23 \uff11", "abc 1"),
        ("E\u0301te\u0301 ÉTÉ", "été été"),
        ("한국어 말하기!", "한국어 말하기"),
        ("हिन्दी में।", "हिन्दी में"),
        ("3,5 % & C++", "3 5 c"),
        ("co\u00adop\u200berate\ufeff d\u200do\u2060n\u200e't\u202c wo\ufe0frd", "cooperate don't word"),
        ("\u200b\u00ad", ""),
        ("H\u0331 \u0130\u0300", "\u1e96 \u00ec"),
        ("\u4e8c\u3007\u4e8c\u56db\u5e74", "\u4e8c\u3007\u4e8c\u56db\u5e74"),
        ("\uff76\uff9e \uff21\uff22", "\u30ac ab"),
        ("\u8bf4\u2018\u4f60\u597d\u2019\u5417", "\u8bf4 \u4f60\u597d \u5417"),
        ("it's\u4e2d's a'\u4e2d'b", "it's\u4e2d s a \u4e2d b"),
        ("\u0e17\u0e35\u0e48'a", "\u0e17\u0e35\u0e48 a"),
        ("\u4e2d\u0301'a", "\u4e2d\u0301 a"),
    ],
)
def test_examples(text: str | None, normal: str | None) -> None:
    assert one(text) == normal


def test_transcripts_of_a_corpus_only_become_lower_case(an4_test: list[Utterance]) -> None:
    texts = [utterance.text for utterance in an4_test]
    assert normalize(pa.array(texts)).to_pylist() == [text.lower() for text in texts]


def test_large_strings_and_slices() -> None:
    texts = pa.array(["A", "B'", None, "C"], pa.large_string())
    assert normalize(texts.slice(1)).to_pylist() == ["b", None, "c"]
    assert normalize(texts).type == pa.string()


def test_it_is_vectorised() -> None:
    texts = pa.array(["It's the QUICK brown fox, don't stop (now)!"] * 100_000)
    started = time.process_time()
    normalize(texts)
    assert time.process_time() - started < 2  # row by row, two regular expressions in Python take longer than this


HANGUL = ["\uc548\ub155", "\uc5c6\ub2e4", "\uac12\uc774", "\uae4c\ub2ed", "\uc758\uc0ac"]


@pytest.mark.parametrize("text", HANGUL)
def test_korean_is_the_same_in_syllables_and_in_jamo(text: str) -> None:
    conjoining = unicodedata.normalize("NFD", text)
    names = [unicodedata.name(jamo).split()[-1] for jamo in conjoining]
    compatibility = "".join(unicodedata.lookup(f"HANGUL LETTER {name}") for name in names)
    assert one(conjoining) == one(compatibility) == text


@given(
    st.text(st.sampled_from("\u3131\u3133\u3134\u3138\u3147\u314f\u3157 \uc544\u1100\u1161\u11a8\uffa1a"), max_size=12)
)
def test_it_is_idempotent_for_loose_jamo(text: str) -> None:
    once = one(text)
    assert one(once) == once


@pytest.mark.parametrize("rest", ["", "\u00e9"])
@pytest.mark.parametrize("locale", ["tr", "az"])
def test_turkish_has_two_letters_i(locale: str, rest: str) -> None:
    texts = pa.array([f"ISI \u0130z I\u0307 i{rest}", None])
    assert normalize(texts, locale=locale).to_pylist() == [f"\u0131s\u0131 iz i i{rest}", None]
    assert one(f"ISI{rest}") == f"isi{rest}"
