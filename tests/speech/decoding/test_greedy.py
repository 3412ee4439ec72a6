"""Greedy decoding gives the same as a simple implementation, and as Hugging Face's tokenizer where that is correct."""

from __future__ import annotations

import contextlib
import math
from itertools import groupby
from pathlib import Path
from typing import Any

import jiwer
import numpy as np
import pytest
import transformers
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

import thano_duckdb
from tests.speech.oracles import LABELS, write_settings
from thano_duckdb.models import bundled
from thano_duckdb.speech.decoding.decoder import Hypothesis
from thano_duckdb.speech.decoding.greedy import greedy_decode
from thano_duckdb.speech.decoding.vocabulary import Vocabulary

VOCABULARY = Vocabulary((None, None, None, None, *LABELS[4:]), frozenset({4}))
STRIDE = 320
FRAME_S = 0.02


def decode(text: str, log_probs: list[float] | None = None, vocabulary: Vocabulary = VOCABULARY) -> Hypothesis:
    """Decode frames written as one character each, with `_` for the blank and `?` for `<unk>`."""
    ids = np.array([{"_": 0, "?": 3}[label] if label in "_?" else LABELS.index(label) for label in text])
    probabilities = np.zeros(len(ids)) if log_probs is None else np.array(log_probs)
    return decode_ids(ids.astype(np.uint16), probabilities.astype(np.float32), vocabulary)


def decode_ids(ids: list[int] | NDArray[Any], log_probs: NDArray[Any] | None, vocabulary: Vocabulary) -> Hypothesis:
    [found] = greedy_decode(
        [np.asarray(ids)],
        [np.zeros(len(ids), np.float32) if log_probs is None else log_probs],
        vocabulary,
        stride=STRIDE,
    )
    return found


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


def test_words_start_and_end_with_their_frames() -> None:
    first, second = decode("__HH_I__||_YOU__").words
    assert (first.word, first.start_s, first.end_s) == ("HI", 2 * FRAME_S, 6 * FRAME_S)
    assert second.word == "YOU"
    assert (second.start_s, second.end_s) == pytest.approx((11 * FRAME_S, 0.28))


def test_a_doubtful_letter_makes_its_word_less_likely_and_a_doubtful_clip_all_words() -> None:
    sure, doubtful = math.log(0.99), math.log(0.5)
    clear = [word.confidence for word in decode("_AB|CD_", [sure] * 7).words]
    one_letter = [word.confidence for word in decode("_AB|CD_", [sure] * 4 + [doubtful] + [sure] * 2).words]
    silence = [word.confidence for word in decode("_AB|CD_", [doubtful] + [sure] * 6).words]
    assert min(clear) > 0.9
    assert one_letter[1] < one_letter[0] < clear[0]
    assert silence[0] == pytest.approx(silence[1])
    assert silence[0] < clear[0]


def test_the_confidence_of_a_text_is_the_mean_of_its_words() -> None:
    found = decode("_AA|B_", [-0.1, -0.2, -0.3, -0.1, -1.0, -0.1])
    assert found.confidence == pytest.approx(sum(word.confidence for word in found.words) / 2)


def test_few_words_that_are_rated_as_likely_right_are_wrong(bundled_model: Path) -> None:
    """On the tutorial's test clips, which neither the model nor the calibration has heard."""
    folder = bundled.dataset_folder("librispeech_data")
    with thano_duckdb.connect(progress=False) as con, contextlib.chdir(folder):
        rows = con.sql(
            "PREDICT USING Wav2Vec2TinyEn OPTIONS (language_model=NULL, include='words') AS SELECT "
            "parse_filename(audio_path) AS audio_path, text FROM read_csv('librispeech_test.csv')"
        ).fetchall()
    likely_right = []
    for _path, text, predicted, words in rows:
        alignment = jiwer.process_words(text.lower(), predicted.lower()).alignments[0]
        right = {i for part in alignment if part.type == "equal" for i in range(part.hyp_start_idx, part.hyp_end_idx)}
        likely_right += [number in right for number, word in enumerate(words) if word["confidence"] >= 0.8]
    assert len(likely_right) >= 40
    assert sum(likely_right) / len(likely_right) > 0.9


def test_the_confidence_of_silence_is_that_of_its_blanks() -> None:
    assert decode("__", [math.log(0.8), math.log(0.2)]).confidence == pytest.approx(0.4)


def test_confidence_is_never_above_one() -> None:
    assert 0.9 < decode("AAA", [1e-7, 1e-7, 1e-7]).confidence <= 1.0
    assert decode("___", [1e-7, 1e-7, 1e-7]).confidence == 1.0


def test_a_long_text_without_spaces_is_as_likely_as_its_words() -> None:
    tokens = Vocabulary((None, *"abcdefghijklmnopqrstuvwxyz"), frozenset())
    text = list(range(1, 26)) * 8
    found = decode_ids(text, np.full(len(text), -0.05, np.float32), tokens)
    short = decode_ids(text[:5], np.full(5, -0.05, np.float32), tokens)
    assert found.confidence == pytest.approx(short.confidence)
    assert found.confidence > 0.9


def test_without_a_delimiter_the_text_is_one_word() -> None:
    vocabulary = Vocabulary((None, "你", "好"), frozenset())
    found = decode_ids([1, 0, 2, 2], None, vocabulary)
    assert (found.text, [word.word for word in found.words]) == ("你好", ["你好"])


def test_tokens_of_several_characters_are_joined_unchanged() -> None:
    vocabulary = Vocabulary((None, "ch", "a", "|"), frozenset({3}), delimiter="-")
    assert decode_ids([1, 2, 3, 2, 1], None, vocabulary).text == "cha-ach"


def test_no_clips_give_no_texts() -> None:
    assert greedy_decode([], [], VOCABULARY, stride=STRIDE) == []


Frames = list[tuple[int, float]]


def reference(path: Frames, vocabulary: Vocabulary) -> tuple[str, float, list[tuple[str, int, int, float]]]:
    """Text, confidence, and words as (text, first frame, end frame, confidence), computed run by run."""
    words: list[tuple[str, int, int, list[float], int]] = []
    is_inside, position = False, 0
    for index, run in groupby(path, key=lambda frame: frame[0]):
        logs = [log for _, log in run]
        start, position = position, position + len(logs)
        token = vocabulary.tokens[index]
        if index in vocabulary.delimiter_ids:
            is_inside = False
        elif token is not None:
            before = words.pop() if is_inside else ("", start, start, [], 0)
            words.append((before[0] + token, before[1], position, before[3] + logs, before[4] + 1))
            is_inside = True
    everything = [log for _, log in path]
    rated = [(*word[:3], confidence(word, everything, vocabulary)) for word in words]
    mean = sum(word[3] for word in rated) / len(rated) if rated else math.exp(sum(everything) / len(everything))
    return vocabulary.delimiter.join(word[0] for word in words), mean, rated


def confidence(word: tuple[str, int, int, list[float], int], clip: list[float], vocabulary: Vocabulary) -> float:
    _text, start, end, logs, n_labels = word
    frames = sum(clip[start:end])
    if not vocabulary.delimiter_ids and n_labels > 5:
        frames *= 5 / n_labels
    evidence = 3.71 + 4.68 * sum(logs) / len(logs) + 0.89 * frames + 12.14 * sum(clip) / len(clip)
    return 1 / (1 + math.exp(-max(evidence, -100.0)))


@st.composite
def vocabularies(draw: st.DrawFn) -> Vocabulary:
    tokens = draw(st.lists(st.none() | st.text(max_size=3), min_size=1, max_size=8))
    delimiters = st.frozensets(st.integers(0, len(tokens) - 1), max_size=2)
    return Vocabulary(tuple(tokens), draw(delimiters), draw(st.sampled_from([" ", "", "--", "、"])))


@st.composite
def batches(draw: st.DrawFn) -> tuple[Vocabulary, list[Frames]]:
    vocabulary = draw(st.just(VOCABULARY) | vocabularies())
    frame = st.tuples(st.integers(0, min(9, len(vocabulary.tokens) - 1)), st.floats(-20, 0, width=32))
    return vocabulary, draw(st.lists(st.lists(frame, min_size=1, max_size=40), min_size=1, max_size=6))


@given(batches())
def test_any_batch_is_decoded_like_the_simple_implementation(batch: tuple[Vocabulary, list[Frames]]) -> None:
    vocabulary, paths = batch
    found = greedy_decode(
        [np.array([index for index, _ in path], np.int16) for path in paths],
        [np.array([log for _, log in path], np.float32) for path in paths],
        vocabulary,
        stride=STRIDE,
    )
    for hypothesis, path in zip(found, paths, strict=True):
        text, confidence, words = reference(path, vocabulary)
        assert hypothesis.text == text
        assert hypothesis.confidence == pytest.approx(confidence, rel=1e-12)
        assert [word.word for word in hypothesis.words] == [word for word, *_ in words]
        for word, (_text, begin, end, word_confidence) in zip(hypothesis.words, words, strict=True):
            assert (word.start_s, word.end_s) == pytest.approx((begin * FRAME_S, end * FRAME_S))
            assert word.confidence == pytest.approx(word_confidence, rel=1e-12)


@pytest.fixture(scope="module")
def tokenizer(tmp_path_factory: pytest.TempPathFactory) -> transformers.Wav2Vec2CTCTokenizer:
    folder = tmp_path_factory.mktemp("tokenizer")
    write_settings(folder)
    found: transformers.Wav2Vec2CTCTokenizer = transformers.Wav2Vec2CTCTokenizer.from_pretrained(folder)
    return found


@given(ids=st.lists(st.sampled_from([0, *range(4, len(LABELS))]), min_size=1, max_size=80))
def test_texts_are_those_of_hugging_faces_tokenizer_except_for_double_spaces(
    tokenizer: transformers.Wav2Vec2CTCTokenizer, ids: list[int]
) -> None:
    assert decode_ids(ids, None, VOCABULARY).text == " ".join(tokenizer.decode(ids).split())


def times(frames: str, vocabulary: Vocabulary = VOCABULARY) -> list[tuple[str, float, float]]:
    return [
        (each.word, round(each.start_s, 6), round(each.end_s, 6)) for each in decode(frames, None, vocabulary).words
    ]


def test_the_times_of_a_word_span_no_long_gap() -> None:
    blank = "_" * 5000  # 100 s
    assert times(f"H{blank}EL_LO|YOU") == [("HELLO", 100.02, 100.12), ("YOU", 100.14, 100.2)]
    assert times(f"HEL_L{blank}O{blank}|YOU") == [("HELLO", 0.0, 0.1), ("YOU", 200.14, 200.2)]
    assert times(f"A{blank}B") == [("AB", 0.0, 0.02)]
    assert decode(f"H{blank}EL_LO|YOU").text == "HELLO YOU"


@pytest.mark.parametrize(("n_blanks", "end_s"), [(50, 1.04), (51, 0.02)])
def test_a_gap_of_a_second_belongs_to_the_word(n_blanks: int, end_s: float) -> None:
    assert times(f"A{'_' * n_blanks}B") == [("AB", 0.0, end_s)]


def test_without_delimiters_a_clip_is_one_word_as_long_as_its_text() -> None:
    vocabulary = Vocabulary(VOCABULARY.tokens, frozenset())
    assert times(f"A{'_' * 100}B", vocabulary) == [("AB", 0.0, 2.04)]


@given(st.text("AB_|", max_size=30), st.integers(51, 200))
def test_words_stay_in_order_and_apart(pattern: str, n_blanks: int) -> None:
    found = times(pattern.replace("_", "_" * n_blanks) or "_")
    bounds = [time for _, start_s, end_s in found for time in (start_s, end_s)]
    assert bounds == sorted(bounds)
    assert all(end_s - start_s <= len(pattern) * FRAME_S + 1e-6 for _, start_s, end_s in found)
