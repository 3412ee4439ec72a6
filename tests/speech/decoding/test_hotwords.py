"""Hotwords are spelt as the model writes them, and none that the search could write is lost."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from thano_duckdb.speech.decoding import beam_library
from thano_duckdb.speech.decoding.beam_columns import BeamColumns
from thano_duckdb.speech.decoding.hotwords import HotwordList, hotword_list
from thano_duckdb.speech.decoding.vocabulary import Vocabulary

from .beam_oracle import LETTERS, frame_scores, random_log_probs, written

FRAME_S = 0.02


def hotwords(*given: str, vocabulary: Vocabulary = LETTERS, upper: bool | None = None) -> HotwordList:
    return hotword_list(given, BeamColumns(vocabulary, upper))


def possible(words: HotwordList, frames: str) -> list[str]:
    return words.possible(words.columns.log_probs(frame_scores(written(frames))), -6.0, FRAME_S)


def test_they_are_spelt_in_the_alphabet_of_the_model() -> None:
    words = hotwords("Zoë", "New-York", "o\u2019clock", "日", "Zoë", "  ", upper=False)
    assert [word.spelled for word in words.hotwords] == ["ZOE", "NEW YORK", "O'CLOCK", ""]
    assert [word.given for word in words.unspelled] == ["日"]


def test_only_those_whose_letters_follow_each_other_are_possible() -> None:
    words = hotwords("cat", "act", "dog", "do", "cat dog", "o", "book")
    assert possible(words, "_CC_AATT__||D_OO_G_") == ["CAT", "DOG", "DO", "CAT DOG", "O"]
    assert possible(words, "BO_OK") == ["O", "BOOK"]


def test_a_word_later_in_a_long_clip_is_possible() -> None:
    words = hotwords("cat", "dog")
    assert possible(words, "_" * 333 + "CCAATT" + "_" * 500) == ["CAT"]


@given(st.integers(0, 2**32 - 1), st.integers(2, 30))
@settings(max_examples=50, deadline=None)
@pytest.mark.skipif(bool(beam_library.problem()), reason=str(beam_library.problem()))
def test_every_text_that_the_search_finds_is_possible(seed: int, n_frames: int) -> None:
    vocabulary = Vocabulary((None, " ", *"abc"), frozenset({1}))
    columns = BeamColumns(vocabulary)
    log_probs = columns.log_probs(frame_scores(random_log_probs(np.random.default_rng(seed), n_frames, 5, 12.0)))
    native = beam_library.native_decoder(columns.labels, None, 0.7, 0.0)
    texts = {beam.text for beam in native.beams(log_probs, beam_width=50)} - {""}
    words = hotword_list(tuple(sorted(texts)), columns)
    assert set(words.possible(log_probs, beam_library.MIN_LABEL_LOG_PROB, FRAME_S)) == texts


def test_a_thousand_words_are_found_in_a_text() -> None:
    words = hotwords(*(f"{letter}{other}a" for letter in "bcdfg" for other in "aeiou"), "bea cae")
    found = [(word.given, first, stop) for word, first, stop in words.in_text(["THE", "BEA", "CAE", "BEA"])]
    assert found == [("bea", 1, 2), ("bea cae", 1, 3), ("bea", 3, 4)]
