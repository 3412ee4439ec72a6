"""The words of several channels as a dialogue."""

from __future__ import annotations

import pytest

from thano_duckdb.speech.transcript import Word
from thano_duckdb.speech.turns import turns


def words(*timed: tuple[str, float, float]) -> list[Word]:
    return [Word(word, start_s, end_s, 1.0) for word, start_s, end_s in timed]


def dialogue(*channels: list[Word], pause_s: float = 0.5) -> list[tuple[int | None, float, float, str]]:
    numbered = list(enumerate(channels, start=1))
    found = [(turn.channel, turn.start_s, turn.end_s, turn.text) for turn in turns(numbered, pause_s=pause_s)]
    reversed_ = [(turn.channel, turn.start_s, turn.end_s, turn.text) for turn in turns(numbered[::-1], pause_s=pause_s)]
    assert found == reversed_
    return found


def test_speakers_take_turns() -> None:
    asks = words(("who", 0.0, 0.2), ("is", 0.3, 0.4), ("there", 0.5, 0.9), ("oh", 2.5, 2.7), ("hello", 2.8, 3.2))
    answers = words(("it", 1.2, 1.3), ("is", 1.4, 1.5), ("me", 1.6, 2.0))
    assert dialogue(asks, answers) == [
        (1, 0.0, 0.9, "who is there"),
        (2, 1.2, 2.0, "it is me"),
        (1, 2.5, 3.2, "oh hello"),
    ]


def test_a_speaker_who_pauses_without_an_answer_goes_on() -> None:
    assert dialogue(words(("well", 0.0, 0.5), ("then", 9.0, 9.5)), []) == [(1, 0.0, 9.5, "well then")]


def test_who_is_interrupted_keeps_the_sentence() -> None:
    talks = words(*((f"w{n}", 0.4 * n, 0.4 * n + 0.3) for n in range(10)))
    assert dialogue(talks, words(("yes", 1.0, 1.3))) == [
        (1, 0.0, pytest.approx(3.9), "w0 w1 w2 w3 w4 w5 w6 w7 w8 w9"),
        (2, 1.0, 1.3, "yes"),
    ]
    shorter_pause = dialogue(talks, words(("yes", 1.0, 1.3)), pause_s=0.05)
    assert [(channel, text) for channel, _, _, text in shorter_pause] == [
        (1, "w0 w1 w2"),
        (2, "yes"),
        (1, "w3 w4 w5 w6 w7 w8 w9"),
    ]


def test_three_channels_and_none() -> None:
    found = dialogue(words(("a", 0.0, 0.1)), words(("c", 2.0, 2.1)), words(("b", 1.0, 1.1)))
    assert [text for *_, text in found] == ["a", "b", "c"]
    assert dialogue() == dialogue([], []) == []


def test_words_of_scripts_without_spaces_are_joined_without_them() -> None:
    words = [Word(word, at, at + 0.1, 1.0) for at, word in enumerate(["\u4eca", "\u5929", "all", "right", "\u5417"])]
    (turn,) = turns([(1, words)], pause_s=5)
    assert turn.text == "\u4eca\u5929all right\u5417"
