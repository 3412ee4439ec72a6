"""Word and character errors are those of jiwer."""

from __future__ import annotations

import re

import jiwer
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.conftest import Utterance
from thano_duckdb.speech.metrics import EditCounts, character_errors, error_rate, word_errors

WORDS = st.lists(st.sampled_from(["a", "b", "ab", "the", "cat's", "ünï", "한국"]), min_size=1, max_size=12).map(
    " ".join
)
HYPOTHESES = st.one_of(st.just(""), WORDS)


@settings(deadline=None)
@given(st.lists(st.tuples(WORDS, HYPOTHESES), min_size=1, max_size=6))
def test_words_are_counted_as_by_jiwer(pairs: list[tuple[str, str]]) -> None:
    references, hypotheses = [pair[0] for pair in pairs], [pair[1] for pair in pairs]
    counts = word_errors(references, hypotheses)
    for (reference, hypothesis), count in zip(pairs, counts, strict=True):
        expected = jiwer.process_words(reference, hypothesis)
        assert count == EditCounts(
            expected.substitutions, expected.deletions, expected.insertions, expected.hits, len(reference.split())
        )
    assert error_rate(counts) == jiwer.wer(references, hypotheses)


@settings(deadline=None)
@given(st.lists(st.tuples(WORDS, HYPOTHESES), min_size=1, max_size=6))
def test_characters_are_counted_as_by_jiwer(pairs: list[tuple[str, str]]) -> None:
    references, hypotheses = [pair[0] for pair in pairs], [pair[1] for pair in pairs]
    counts = character_errors(references, hypotheses)
    for (reference, hypothesis), count in zip(pairs, counts, strict=True):
        expected = jiwer.process_characters(reference, hypothesis)
        assert count == EditCounts(
            expected.substitutions, expected.deletions, expected.insertions, expected.hits, len(reference)
        )
    assert error_rate(counts) == jiwer.cer(references, hypotheses)


def test_rates_of_real_transcripts_are_those_of_jiwer(an4_test: list[Utterance]) -> None:
    """Each text is compared with the next one in the corpus: nearly all wrong, but realistic."""
    references = [utterance.text for utterance in an4_test]
    hypotheses = [*references[1:], references[0]]
    assert error_rate(word_errors(references, hypotheses)) == jiwer.wer(references, hypotheses)
    assert error_rate(character_errors(references, hypotheses)) == jiwer.cer(references, hypotheses)
    assert error_rate(word_errors(references, references)) == 0


def test_texts_are_normalised_by_default() -> None:
    assert word_errors(["Hello, WORLD!"], ["hello world"]) == [EditCounts(0, 0, 0, 2, 2)]
    assert word_errors(["Hello, WORLD!"], ["hello world"], normalized=False) == [EditCounts(2, 0, 0, 0, 2)]
    assert character_errors(["Ab."], ["ab"]) == [EditCounts(0, 0, 0, 2, 2)]
    assert character_errors(["Ab."], ["ab"], normalized=False) == [EditCounts(1, 1, 0, 1, 3)]


@settings(deadline=None)
@given(st.text(st.sampled_from("aB. '"), min_size=1).filter(str.strip), st.text(st.sampled_from("aB. '")))
def test_texts_that_are_not_normalised_are_compared_as_they_are(reference: str, hypothesis: str) -> None:
    (count,) = word_errors([reference], [hypothesis], normalized=False)
    assert error_rate([count]) == jiwer.wer(reference, hypothesis)
    (count,) = character_errors([reference], [hypothesis], normalized=False)
    assert error_rate([count]) == jiwer.cer(reference, hypothesis)


def test_missing_and_empty_texts() -> None:
    assert word_errors(["a", None, None, ""], [None, "a", None, "a b"]) == [None, None, None, EditCounts(0, 0, 2, 0, 0)]
    assert character_errors(["a b"], [""]) == [EditCounts(0, 3, 0, 0, 3)]
    assert word_errors([], []) == []


def test_the_error_rate_is_pooled_over_all_texts() -> None:
    counts = word_errors(["a b c d", "a", "", None], ["a b c d", "x y", "z", "a"])
    assert error_rate(counts) == 3 / 5
    assert error_rate([None]) is None
    assert error_rate(word_errors([""], ["a"])) is None
    assert error_rate([]) is None


def test_there_must_be_as_many_hypotheses_as_references() -> None:
    with pytest.raises(ValueError, match="zip"):
        word_errors(["a", "b"], ["a"])


def test_an_empty_reference_has_no_rate_by_itself_and_its_insertions_count_beside_others() -> None:
    assert error_rate(word_errors([""], ["a b"])) is None
    assert error_rate(word_errors(["", "a b c d"], ["a b", "a b c d"])) == 0.5


MIXED = st.lists(
    st.sampled_from(["\u4eca", "\u5929", "\u304b\u306a", "\u30ab\u30fc", "a", "bc", " ", "\ud55c\uad6d", "7"]),
    max_size=10,
).map("".join)


def apart(text: str) -> str:
    """The text with spaces around its Chinese and Japanese characters."""
    return " ".join(re.sub("([\u3041-\u30ff\u4e00-\u9fff])", r" \1 ", text).split())


@settings(deadline=None)
@given(MIXED.filter(str.strip), MIXED)
def test_a_character_of_a_script_without_spaces_counts_as_a_word(reference: str, hypothesis: str) -> None:
    (mixed,) = word_errors([reference], [hypothesis])
    assert error_rate([mixed]) == jiwer.wer(apart(reference), apart(hypothesis))
    (word,) = word_errors([reference], [hypothesis], unit="word")
    assert error_rate([word]) == jiwer.wer(reference, hypothesis)


@settings(deadline=None)
@given(MIXED.filter(str.strip), MIXED)
def test_character_errors_may_ignore_spaces(reference: str, hypothesis: str) -> None:
    (count,) = character_errors([reference], [hypothesis], ignore_spaces=True)
    assert error_rate([count]) == jiwer.cer(reference.replace(" ", ""), hypothesis.replace(" ", ""))


def test_spaces_in_chinese_are_no_word_errors_and_may_be_character_errors() -> None:
    reference, hypothesis = ["\u4eca \u5929"], ["\u4eca\u5929"]
    assert error_rate(word_errors(reference, hypothesis)) == 0
    assert error_rate(word_errors(reference, hypothesis, unit="word")) == 1
    assert error_rate(character_errors(reference, hypothesis)) == 1 / 3
    assert error_rate(character_errors(reference, hypothesis, ignore_spaces=True)) == 0


def test_a_letter_of_thai_is_counted_with_its_marks() -> None:
    assert word_errors(["\u0e17\u0e35\u0e48\u0e19\u0e35\u0e48"], ["\u0e17\u0e35\u0e19\u0e35\u0e48"]) == [
        EditCounts(1, 0, 0, 1, 2)
    ]


def test_the_locale_tells_the_turkish_letters_apart() -> None:
    assert error_rate(word_errors(["ISI"], ["\u0131s\u0131"], locale="tr")) == 0
    assert error_rate(word_errors(["ISI"], ["\u0131s\u0131"])) == 1
    assert error_rate(character_errors(["I"], ["i"], locale="az")) == 1
