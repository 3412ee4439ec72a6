"""Greedy decoding, against runs taken one by one and against the tokenizer where it is right."""

from __future__ import annotations

import math
from itertools import groupby

import numpy as np
import pytest
import transformers
from hypothesis import given
from hypothesis import strategies as st

from thano_duckdb.speech.ctc import Hypothesis, Vocabulary, greedy_decode

from .oracles import LABELS, write_settings

VOCABULARY = Vocabulary((None, None, None, None, *LABELS[4:]), frozenset({4}))
STRIDE = 320
FRAME_S = 0.02


def decode(text: str, log_probs: list[float] | None = None, vocabulary: Vocabulary = VOCABULARY) -> Hypothesis:
    """Decode frames written one character each, `_` for the blank, `?` for `<unk>`."""
    ids = np.array([{"_": 0, "?": 3}[label] if label in "_?" else LABELS.index(label) for label in text])
    probabilities = np.zeros(len(ids)) if log_probs is None else np.array(log_probs)
    return greedy_decode(ids.astype(np.uint16), probabilities.astype(np.float32), vocabulary, stride=STRIDE)


@pytest.mark.parametrize(
    ("frames", "text"),
    [
        ("HEL_LLO", "HELLO"),
        ("HHEELLLLOO", "HELO"),
        ("H_E_L_L_O", "HELLO"),
        ("__A__|__B_", "A B"),
        ("A|_|B", "A B"),
        ("||A||", "A"),
        ("A?A", "AA"),
        ("?", ""),
        ("____", ""),
        ("|", ""),
        ("A", "A"),
        ("DON'T", "DON'T"),
    ],
)
def test_repeats_collapse_before_blanks_are_dropped(frames: str, text: str) -> None:
    assert decode(frames).text == text


def test_words_have_the_times_of_their_frames() -> None:
    first, second = decode("__HH_I__||_YOU__").words
    assert (first.word, first.start_s, first.end_s) == ("HI", 2 * FRAME_S, 6 * FRAME_S)
    assert (second.word, second.start_s, second.end_s) == ("YOU", pytest.approx(11 * FRAME_S), pytest.approx(0.28))


def test_confidence_is_the_geometric_mean_over_written_frames() -> None:
    sure, half, unsure = math.log(0.9), math.log(0.5), math.log(0.1)
    found = decode("_AA|B_", [unsure, sure, half, unsure, half, unsure])
    assert found.words[0].confidence == pytest.approx(math.sqrt(0.9 * 0.5))
    assert found.words[1].confidence == pytest.approx(0.5)
    assert found.confidence == pytest.approx((0.9 * 0.5 * 0.5) ** (1 / 3))


def test_confidence_in_silence_is_that_of_the_blanks() -> None:
    assert decode("__", [math.log(0.8), math.log(0.2)]).confidence == pytest.approx(0.4)


def test_confidence_is_never_above_one() -> None:
    assert decode("AAA", [1e-7, 1e-7, 1e-7]).confidence == 1.0


def test_without_a_delimiter_the_text_is_one_word() -> None:
    vocabulary = Vocabulary((None, "你", "好"), frozenset())
    found = greedy_decode(np.array([1, 0, 2, 2]), np.zeros(4, np.float32), vocabulary, stride=STRIDE)
    assert (found.text, [word.word for word in found.words]) == ("你好", ["你好"])


def test_tokens_of_several_characters_are_joined_as_they_are() -> None:
    vocabulary = Vocabulary((None, "ch", "a", "|"), frozenset({3}), delimiter="-")
    found = greedy_decode(np.array([1, 2, 3, 2, 1]), np.zeros(5, np.float32), vocabulary, stride=STRIDE)
    assert found.text == "cha-ach"


frames = st.lists(st.tuples(st.integers(0, 9), st.floats(-20, 0, width=32)), min_size=1, max_size=80)


def reference(path: list[tuple[int, float]]) -> list[tuple[str, int, int, float]]:
    """Words as (text, first frame, end frame, confidence), run by run."""
    words: list[tuple[str, int, int, float]] = []
    word, begin, end, logs, position = "", 0, 0, [], 0
    for index, run in groupby(path, key=lambda frame: frame[0]):
        run_logs = [log for _, log in run]
        start, position = position, position + len(run_logs)
        if index == 4 and word:
            words.append((word, begin, end, math.exp(sum(logs) / len(logs))))
            word, logs = "", []
        elif index > 4:
            begin = begin if word else start
            word, end = word + LABELS[index], position
            logs += run_logs
    return [*words, (word, begin, end, math.exp(sum(logs) / len(logs)))] if word else words


@given(frames)
def test_any_path_decodes_as_run_by_run(path: list[tuple[int, float]]) -> None:
    ids, logs = np.array([index for index, _ in path], np.uint16), np.array([log for _, log in path], np.float32)
    found = greedy_decode(ids, logs, VOCABULARY, stride=STRIDE)
    expected = reference(path)
    assert found.text == " ".join(word for word, *_ in expected)
    assert [word.word for word in found.words] == [word for word, *_ in expected]
    for word, (_text, begin, end, confidence) in zip(found.words, expected, strict=True):
        assert (word.start_s, word.end_s) == (pytest.approx(begin * FRAME_S), pytest.approx(end * FRAME_S))
        assert word.confidence == pytest.approx(confidence, rel=1e-5)
        assert 0 <= word.start_s < word.end_s <= len(path) * FRAME_S + 1e-9
    assert 0 <= found.confidence <= 1


@pytest.fixture(scope="module")
def tokenizer(tmp_path_factory: pytest.TempPathFactory) -> transformers.Wav2Vec2CTCTokenizer:
    folder = tmp_path_factory.mktemp("tokenizer")
    write_settings(folder)
    return transformers.Wav2Vec2CTCTokenizer.from_pretrained(folder)


@given(ids=st.lists(st.sampled_from([0, *range(4, len(LABELS))]), min_size=1, max_size=80))
def test_texts_are_those_of_hugging_faces_tokenizer_but_for_double_spaces(
    tokenizer: transformers.Wav2Vec2CTCTokenizer, ids: list[int]
) -> None:
    found = greedy_decode(np.array(ids), np.zeros(len(ids), np.float32), VOCABULARY, stride=STRIDE)
    assert found.text == " ".join(tokenizer.decode(ids).split())
