"""A file that is no ARPA file, or a damaged one, is refused in one sentence."""

from __future__ import annotations

import gzip
from pathlib import Path

import pytest

from tests.language.kit import build, tutorial_sentences
from thano_duckdb.errors import ModelError
from thano_duckdb.language.arpa import summarize
from thano_duckdb.language.ngram_scorer import NgramScorer

WHOLE = """\\data\\
ngram 1=4
ngram 2=2

\\1-grams:
-1.0\t<unk>
-99\t<s>\t-0.3
-1.0\t</s>
-0.5\ta\t-0.2

\\2-grams:
-0.25\t<s> a
-0.25\ta </s>

\\end\\
"""


def test_a_file_as_other_tools_write_it_is_read(tmp_path: Path) -> None:
    path = tmp_path / "whole.arpa"
    for text in (
        WHOLE,
        f"made by a tool\n\n{WHOLE}",
        WHOLE.replace("\t", " ").replace("=", " = "),
        WHOLE.replace("\n", "\r\n"),
    ):
        path.write_text(text, newline="")
        assert summarize(path).n_ngrams == (4, 2)
        assert summarize(path).words == ("a",)
        assert NgramScorer.read(path).score(["a"])[0].log10_p == pytest.approx(-0.5)
    path.write_bytes(gzip.compress(WHOLE.encode()))  # whatever its name ends with
    assert summarize(path).order == 2


DAMAGED = {
    "empty": ("", "is not a language model"),
    "text": ("hello\nworld\n" * 2000, "is not a language model"),
    "no counts": ("\\data\\\n\n\\1-grams:\n", "is not the number of 1-grams|does not say how many"),
    "a count missing": (WHOLE.replace("ngram 1=4\n", ""), "is not the number of 1-grams"),
    "too long": (WHOLE.replace("ngram 2=2", "\n".join(f"ngram {k}=2" for k in range(2, 9))), "highest that is supp"),
    "cut short": (WHOLE[: WHOLE.index("-0.25\ta </s>")], "fewer 2-grams than the 2"),
    "no end": (WHOLE[:-7], "ends without"),
    "a line missing": (WHOLE.replace("-0.25\t<s> a\n", ""), "fewer 2-grams than the 2"),
    "a line too many": (WHOLE.replace("-0.25\t<s> a\n", "-0.25\t<s> a\n-0.25\ta a\n"), "stands where '.end.' should"),
    "an order missing": (WHOLE.replace("\\2-grams:", "\\3-grams:"), "stands where '.2-grams:' should"),
}
DAMAGED_NUMBERS = {
    "no number": (WHOLE.replace("-0.5", "x0.5"), "a number that is none"),
    "not finite": (WHOLE.replace("-0.5", "nan"), "not finite"),
    "above 1": (WHOLE.replace("-0.5", "0.5"), "above 1"),
    "a word missing": (WHOLE.replace("<s> a", "a"), "is not a 2-gram"),
    "an unknown word": (WHOLE.replace("<s> a", "<s> b"), "'b', which is none of its single words"),
    "no end of sentence": (WHOLE.replace("</s>", "e"), "lack </s>"),
}


@pytest.mark.parametrize("name", DAMAGED)
def test_a_damaged_file_is_refused(name: str, tmp_path: Path) -> None:
    text, sentence = DAMAGED[name]
    path = tmp_path / "model.arpa"
    path.write_text(text)
    for read in (summarize, NgramScorer.read):
        with pytest.raises(ModelError, match=sentence) as refused:
            read(path)
        assert str(path) in str(refused.value)
        assert "\n" not in str(refused.value)


@pytest.mark.parametrize("name", DAMAGED_NUMBERS)
def test_damaged_numbers_and_words_are_found_when_all_of_it_is_read(name: str, tmp_path: Path) -> None:
    text, sentence = DAMAGED_NUMBERS[name]
    path = tmp_path / "model.arpa"
    path.write_text(text)
    with pytest.raises(ModelError, match=sentence):
        NgramScorer.read(path)


def test_compression_that_is_damaged_is_refused(tmp_path: Path) -> None:
    path, _ = build(tmp_path, tutorial_sentences())
    whole = path.read_bytes()
    for broken in (whole[: len(whole) // 2], whole[:2000] + bytes(100) + whole[2100:], whole[:3]):
        path.write_bytes(broken)
        with pytest.raises(ModelError, match=r"is damaged|is not a language model"):
            summarize(path)


def test_text_in_another_encoding_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "latin.arpa"
    path.write_bytes(
        WHOLE.replace("\ta\t", "\t\xe9\t").replace(" a", " \xe9").replace("\ta ", "\t\xe9 ").encode("latin-1")
    )
    for read in (summarize, NgramScorer.read):
        with pytest.raises(ModelError, match="UTF-8"):
            read(path)


def test_the_same_sentences_in_any_order_give_the_same_file(tmp_path: Path) -> None:
    sentences = tutorial_sentences()
    one, _ = build(tmp_path / "one", sentences, prune=1e-4)
    other, _ = build(tmp_path / "other", sentences[::-1], prune=1e-4)
    assert one.read_bytes() == other.read_bytes()
