"""A long clip is cut in its pauses, and the best texts of its pieces give those of the whole."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from thano_duckdb.speech.decoding.beam_columns import BeamColumns
from thano_duckdb.speech.decoding.pieces import best_texts, cut_at_pauses

from .beam_oracle import LETTERS, frame_scores, written


def pieces(frames: str, max_frames: int) -> list[str]:
    log_probs = BeamColumns(LETTERS).log_probs(frame_scores(written(frames)))
    return [frames[piece] for piece in cut_at_pauses(log_probs, max_frames)]


@pytest.mark.parametrize(
    ("frames", "expected"),
    [
        ("ABCDEF", ["ABCDEF"]),
        ("ABCDEF|G____HIJ", ["ABCDEF", "|G____HIJ"]),  # a pause between words goes before a longer one within one
        ("ABCDE||||F___GHIJ", ["ABCDE||", "||F___GHIJ"]),
        ("ABCDEFG____HIJ", ["ABCDEFG_", "___HIJ"]),
        ("ABCDEFGHIJKLMN", ["ABCDEFGHIJ", "KLMN"]),
    ],
)
def test_the_cut_is_in_the_longest_pause_of_the_second_half(frames: str, expected: list[str]) -> None:
    assert pieces(frames, 10) == expected


@given(st.text("AB|_", min_size=1, max_size=100), st.integers(2, 12))
def test_the_pieces_are_short_and_make_up_the_clip(frames: str, max_frames: int) -> None:
    found = pieces(frames, max_frames)
    assert "".join(found) == frames
    assert all(0 < len(piece) <= max_frames for piece in found)


@given(st.lists(st.lists(st.integers(-50, 0), max_size=4), max_size=4), st.integers(1, 6))
def test_the_best_texts_are_those_of_all_combinations(scores: list[list[int]], n: int) -> None:
    texts = [
        [(f"{number}.{rank}", float(score)) for rank, score in enumerate(each)] for number, each in enumerate(scores)
    ]
    combinations = itertools.product(*(each or [("", 0.0)] for each in texts))
    expected = sorted((sum(score for _text, score in each) for each in combinations), reverse=True)[:n]
    found = best_texts(texts, n)
    assert [score for _text, score in found] == pytest.approx(expected)
    for text, score in found:
        parts = dict(part for each in texts for part in each)
        assert score == pytest.approx(sum(parts[part] for part in text.split()))


def test_equal_texts_are_given_once() -> None:
    found = best_texts([[("a", -1.0), ("", -2.0)], [("", -1.0), ("a", -1.2)]], 3)
    assert found == [("a", -2.0), ("a a", pytest.approx(-2.2)), ("", -3.0)]
