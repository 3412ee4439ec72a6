"""Greedy decoding gives the same as a simple implementation, and as Hugging Face's tokenizer where that is correct."""

from __future__ import annotations

import contextlib
import math
import unicodedata
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
from thano_duckdb.speech.scripts import is_unspaced

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
    assert len(likely_right) >= 25
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


def timed_words(tokens: list[str], path: list[str], *, delimiter: bool) -> tuple[str, list[tuple[str, int, int]]]:
    """The text of a path of tokens, `_` being the blank, and its words with the frames where they start and end."""
    vocabulary = Vocabulary((None, "|", *tokens), frozenset({1} if delimiter else ()))
    found = decode_ids([0 if token == "_" else ["|", *tokens].index(token) + 1 for token in path], None, vocabulary)
    return found.text, [(word.word, round(word.start_s / FRAME_S), round(word.end_s / FRAME_S)) for word in found.words]


def test_without_a_delimiter_each_letter_is_a_word() -> None:
    assert timed_words(["你", "好"], ["你", "_", "好", "好"], delimiter=False) == ("你好", [("你", 0, 1), ("好", 2, 4)])
    assert timed_words(["a", "b"], ["a", "b", "b"], delimiter=False) == ("ab", [("a", 0, 1), ("b", 1, 3)])  # of IPA


def test_words_of_other_scripts_among_chinese_are_words() -> None:
    tokens = ["你", "好", "吗", "o", "k"]
    path = ["_", "你", "o", "k", "_", "吗", "k"]
    expected = [("你", 1, 2), ("ok", 2, 4), ("吗", 5, 6), ("k", 6, 7)]
    assert timed_words(tokens, path, delimiter=False) == ("你ok吗k", expected)
    assert timed_words(tokens, path, delimiter=True) == ("你ok吗k", expected)  # most letters are Chinese
    assert timed_words(tokens, ["o", "|", "k", "|", "你", "好"], delimiter=True) == (
        "o k 你好", [("o", 0, 1), ("k", 2, 3), ("你", 4, 5), ("好", 5, 6)]
    )  # fmt: skip
    assert timed_words(tokens, ["o", *["_"] * 60, "k"], delimiter=False) == ("ok", [("o", 0, 1), ("k", 61, 62)])


def test_marks_belong_to_the_letter_before_them() -> None:
    text = "ที่นี่"
    found, words = timed_words(sorted(set(text)), [*text], delimiter=False)
    assert (found, words) == (text, [("ที่", 0, 3), ("นี่", 3, 6)])
    jamo = unicodedata.normalize("NFD", "안녕")
    _, words = timed_words(sorted(set(jamo)), [*jamo], delimiter=False)
    assert [(unicodedata.normalize("NFC", word), *times) for word, *times in words] == [("안", 0, 3), ("녕", 3, 6)]


def test_where_letters_are_words_a_text_is_the_same_as_without() -> None:
    spaced = Vocabulary((None, "你", "|", *"abc"), frozenset({2}))
    unspaced = Vocabulary((None, "你", "|", *"好吗啊"), frozenset({2}))
    path = [1, 2, 0, 3, 4, 0, 2, 2, 5, 5, 0, 5]
    text = decode_ids(path, None, spaced).text
    assert decode_ids(path, None, unspaced).text == text.translate(str.maketrans("abc", "好吗啊"))


def test_tokens_of_several_characters_are_joined_unchanged() -> None:
    vocabulary = Vocabulary((None, "ch", "a", "|"), frozenset({3}), delimiter="-")
    assert decode_ids([1, 2, 3, 2, 1], None, vocabulary).text == "cha-ach"


def test_no_clips_give_no_texts() -> None:
    assert greedy_decode([], [], VOCABULARY, stride=STRIDE) == []


Frames = list[tuple[int, float]]


def reference(path: Frames, vocabulary: Vocabulary) -> tuple[str, float, list[tuple[str, int, int, float]]]:
    """Text, confidence, and words as (text, first frame, end frame, confidence), computed run by run."""
    words: list[tuple[str, int, int, list[float]]] = []
    texts: list[str] = []
    is_inside, was_alone, position = False, False, 0
    alone = labels_that_are_words(vocabulary)
    for index, run in groupby(path, key=lambda frame: frame[0]):
        logs = [log for _, log in run]
        start, position = position, position + len(logs)
        token = vocabulary.tokens[index]
        if index in vocabulary.delimiter_ids:
            is_inside = False
        elif token is not None:
            is_alone = index in alone
            continues = is_inside and (belongs_to_the_letter_before(token) or not (is_alone or was_alone))
            before = words.pop() if continues else ("", start, start, [])
            words.append((before[0] + token, before[1], position, before[3] + logs))
            texts.append((texts.pop() if is_inside else "") + token)
            is_inside, was_alone = True, is_alone
    everything = [log for _, log in path]
    rated = [(*word[:3], confidence(word, everything)) for word in words]
    mean = sum(word[3] for word in rated) / len(rated) if rated else math.exp(sum(everything) / len(everything))
    return vocabulary.delimiter.join(texts), mean, rated


def labels_that_are_words(vocabulary: Vocabulary) -> list[int]:
    written = {index: token for index, token in enumerate(vocabulary.tokens) if token is not None}
    written = {index: token for index, token in written.items() if index not in vocabulary.delimiter_ids}
    unspaced = [index for index, token in written.items() if token and is_unspaced(token[0])]
    if vocabulary.delimiter_ids and len(unspaced) <= len(written) / 2:
        return []
    return unspaced or [*written]


def belongs_to_the_letter_before(token: str) -> bool:
    return not token or unicodedata.category(token[0]).startswith("M") or "\u1160" <= token[0] <= "\u11ff"


def confidence(word: tuple[str, int, int, list[float]], clip: list[float]) -> float:
    _text, start, end, logs = word
    frames = sum(clip[start:end])
    evidence = 3.71 + 4.68 * sum(logs) / len(logs) + 0.89 * frames + 12.14 * sum(clip) / len(clip)
    return 1 / (1 + math.exp(-max(evidence, -100.0)))


@st.composite
def vocabularies(draw: st.DrawFn) -> Vocabulary:
    tokens = draw(st.lists(st.none() | st.text(max_size=3) | st.sampled_from("你好กa่"), min_size=1, max_size=8))
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


def test_without_delimiters_letters_have_times() -> None:
    vocabulary = Vocabulary(VOCABULARY.tokens, frozenset())
    assert times(f"A{'_' * 100}B", vocabulary) == [("A", 0.0, 0.02), ("B", 2.02, 2.04)]


@given(st.text("AB_|", max_size=30), st.integers(51, 200))
def test_words_stay_in_order_and_apart(pattern: str, n_blanks: int) -> None:
    found = times(pattern.replace("_", "_" * n_blanks) or "_")
    bounds = [time for _, start_s, end_s in found for time in (start_s, end_s)]
    assert bounds == sorted(bounds)
    assert all(end_s - start_s <= len(pattern) * FRAME_S + 1e-6 for _, start_s, end_s in found)
