"""The labels of any vocabulary fit the columns of the beam search, and come back as they were."""

from __future__ import annotations

import numpy as np
import pytest

from thano_duckdb.speech.decoding.beam_columns import BeamColumns
from thano_duckdb.speech.decoding.decoder import FrameScores
from thano_duckdb.speech.decoding.vocabulary import Vocabulary


def columns(*tokens: str | None, delimiters: tuple[int, ...] = (), upper: bool | None = None) -> BeamColumns:
    return BeamColumns(Vocabulary(tokens, frozenset(delimiters)), upper)


def test_blanks_and_special_labels_share_a_column_and_so_do_delimiters() -> None:
    found = columns(None, "|", None, "A", " ", "", delimiters=(1, 4))
    assert found.labels == ("", " ", "A")
    probabilities = np.array([[0.1, 0.2, 0.3, 0.25, 0.1, 0.05]])
    scores = FrameScores(np.arange(6, dtype=np.int16)[None], np.log(probabilities).astype(np.float32))
    assert np.exp(found.log_probs(scores)) == pytest.approx(np.array([[0.45, 0.3, 0.25]]), rel=1e-5)


def test_labels_without_a_score_are_nearly_impossible() -> None:
    scores = FrameScores(np.array([[2], [0]], np.int16), np.zeros((2, 1), np.float32))
    found = columns(None, "a", "b").log_probs(scores)
    assert found.dtype == np.float32
    assert found.tolist() == [pytest.approx([np.log(1e-15)] * 3 + [0.0]), pytest.approx([0.0] + [np.log(1e-15)] * 3)]


def test_labels_take_the_case_of_the_language_model_and_give_theirs_back() -> None:
    found = columns(None, "|", "A", "B", "'", delimiters=(1,), upper=False)
    assert found.labels == ("", " ", "a", "b", "'")
    assert found.for_library("B'A A") == "b'a a"
    assert found.of_library("b'a a") == "B'A A"
    assert columns(None, "ä", "ß", upper=True).labels == ("", " ", "Ä", "ß")  # a capital ß is two letters


def test_a_model_that_tells_capitals_apart_keeps_them() -> None:
    found = columns(None, "a", "A", upper=False)
    assert found.labels == ("", " ", "a", "A")
    assert found.of_library("aA") == "aA"


@pytest.mark.parametrize("token", ["_", "\u2581", "<x>", "[UNK]", "##s", "\u2047", "|", "a b"])
def test_labels_that_the_library_would_misread_get_a_private_character(token: str) -> None:
    found = columns(None, " ", token, "b", delimiters=(1,))
    assert len(found.labels[2]) == 1
    assert "\ue000" <= found.labels[2] <= "\uf8ff"
    assert found.of_library(f"b{found.labels[2]}") == f"b{token}"


def test_labels_of_several_letters_stay_whole() -> None:
    found = columns(None, " ", "SCH", "A", delimiters=(1,), upper=False)
    assert found.labels == ("", " ", "sch", "a")
    assert found.of_library("scha") == "SCHA"
    assert not found.is_plain
