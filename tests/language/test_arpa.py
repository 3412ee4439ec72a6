"""A file that is no ARPA file, or a damaged one, is refused in one sentence."""

from __future__ import annotations

import gzip
import time
import tracemalloc
import zlib
from pathlib import Path

import pytest

from tests.language.kit import build, tutorial_sentences
from thano_duckdb.errors import ModelError
from thano_duckdb.language import arpa
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
DAMAGED |= {
    "a trillion n-grams": (WHOLE.replace("ngram 2=2", f"ngram 2={10**12}"), "fewer 2-grams than the 1000000000000"),
    "a count of 900 digits": (WHOLE.replace("ngram 2=2", f"ngram 2={'9' * 900}"), "fewer 2-grams than the 999"),
    "a line without an end": (WHOLE[: WHOLE.index("-0.5")] + "a" * 10**6, r"is not a (unigram|1-gram)"),
    "a word that stands twice": (WHOLE.replace("<unk>", "a"), "the word 'a' stands twice"),
}
DAMAGED |= {
    "<unk> in two spellings": (
        WHOLE.replace("1=4", "1=5").replace("<unk>\n", "<unk>\n-2.0\t<UNK>\n"),
        "the word '<unk>' stands twice",
    ),
    "a vertical tab in a word": (WHOLE.replace("\ta\t", "\ta\vb\t"), "'-0.5 a b -0.2' holds a control character"),
    "a form feed in a 2-gram": (WHOLE.replace("a </s>", "a\f</s>"), "holds a control character"),
}
DAMAGED_NUMBERS = {
    "a backoff beyond all measure": (WHOLE.replace("-0.2\n", "1e30\n"), "'-0.5 a 1e30' has a backoff weight that no"),
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


BOMBS = {
    "of one line": b"",
    "of blank lines": b"\n",
    "of one word": b"-1\ta\n",
    "of words": None,
}


@pytest.mark.parametrize("name", BOMBS)
def test_a_small_file_that_expands_to_gigabytes_is_refused_at_once(name: str, tmp_path: Path) -> None:
    repeated = BOMBS[name]
    block = (
        b"".join(b"-1\tw%d\n" % number for number in range(10**5)) if repeated is None else (repeated or b"a") * 10**6
    )
    compressor = zlib.compressobj(1 if repeated is None else 9, wbits=31)
    head = WHOLE[: WHOLE.index("-0.5")].replace("1=4", f"1={10**10}").encode()
    path = tmp_path / "bomb.arpa.gz"
    with path.open("wb") as file:
        file.write(compressor.compress(head))
        for _ in range(100 * 10**6 // len(block)):
            file.write(compressor.compress(block))
        file.write(compressor.flush())
    tracemalloc.start()
    started_s = time.process_time()
    for read in (summarize, NgramScorer.read):
        with pytest.raises(ModelError, match="is damaged"):
            read(path)
    assert time.process_time() - started_s < 20
    assert tracemalloc.get_traced_memory()[1] < 400 * 10**6
    tracemalloc.stop()


def test_text_that_expands_beyond_text_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(arpa, "_MIN_EXPANDED_BYTES", 1000)
    path = tmp_path / "bomb.arpa.gz"
    path.write_bytes(gzip.compress(WHOLE.replace("-0.25\ta </s>", "-0.25\ta </s>" + " " * 9_000).encode()))
    with pytest.raises(ModelError, match="it expands to more than 30 times its size"):
        summarize(path)
