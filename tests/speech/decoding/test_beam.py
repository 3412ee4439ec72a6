"""The beam search finds what a search through all texts finds; what it is told about words changes the rest."""

from __future__ import annotations

import dataclasses
import itertools
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from thano_duckdb.errors import ModelError
from thano_duckdb.speech.decoding import beam, beam_columns, beam_library
from thano_duckdb.speech.decoding.beam import BeamDecoder
from thano_duckdb.speech.decoding.decoder import Hypothesis
from thano_duckdb.speech.decoding.greedy import GreedyDecoder
from thano_duckdb.speech.decoding.vocabulary import Vocabulary

from .beam_oracle import LETTERS, SMALL, STRIDE, Bigrams, exhaustive, frame_scores, random_log_probs, written

pytestmark = pytest.mark.skipif(bool(beam_library.problem()), reason=str(beam_library.problem()))


def decode(log_probs: Any, vocabulary: Vocabulary = LETTERS, **options: Any) -> Hypothesis:
    [found] = BeamDecoder(**options).decode([frame_scores(log_probs)], vocabulary, stride=STRIDE)
    return found


def best(texts: dict[str, float], n: int) -> list[tuple[str, float]]:
    return sorted(texts.items(), key=lambda text: -text[1])[:n]


@pytest.mark.parametrize("seed", range(20))
def test_a_wide_beam_finds_what_exhaustive_search_finds(seed: int) -> None:
    rng = np.random.default_rng(seed)
    log_probs = random_log_probs(rng, int(rng.integers(1, 7)), 4, 1.5)
    found = decode(log_probs, SMALL, beam_width=10_000, n_best=5)
    expected = best(exhaustive(log_probs, SMALL), 5)
    assert found.alternatives is not None
    assert [each.text for each in found.alternatives] == [text for text, _score in expected]
    assert [each.score for each in found.alternatives] == pytest.approx([score for _text, score in expected], abs=1e-3)
    assert found.text == expected[0][0]


@pytest.mark.parametrize("seed", range(20))
def test_a_wide_beam_with_a_language_model_finds_what_exhaustive_search_finds(seed: int, tmp_path: Path) -> None:
    rng = np.random.default_rng(seed)
    bigrams = Bigrams(("a", "b", "ab", "ba", "aa"), rng, lm_weight=0.3, word_score=1.0)
    log_probs = random_log_probs(rng, 6, 4, 1.5)
    found = decode(
        log_probs,
        SMALL,
        language_model=bigrams.open(tmp_path / "small.arpa"),
        lm_weight=0.3,
        word_score=1.0,
        beam_width=10_000,
        n_best=5,
    )
    expected = best(exhaustive(log_probs, SMALL, bigrams), 5)
    assert found.alternatives is not None
    assert [each.text for each in found.alternatives] == [text for text, _score in expected]
    behind = [found.alternatives[0].score - each.score for each in found.alternatives]
    assert behind == pytest.approx([expected[0][1] - score for _text, score in expected], abs=1e-3)


@given(st.integers(0, 2**32 - 1), st.integers(1, 6))
@settings(max_examples=40, deadline=None)
def test_without_words_the_text_is_at_least_as_likely_as_the_greedy_one(seed: int, n_frames: int) -> None:
    log_probs = random_log_probs(np.random.default_rng(seed), n_frames, 4, 3.0)
    likelihood = exhaustive(log_probs, SMALL)
    [greedy] = GreedyDecoder().decode([frame_scores(log_probs, 1)], SMALL, stride=STRIDE)
    assert likelihood[decode(log_probs, SMALL).text] >= likelihood[greedy.text] - 1e-5


def test_a_language_model_chooses_among_texts_that_sound_alike(tmp_path: Path) -> None:
    log_probs = written("RRIIGGHHTT")
    log_probs[4:6, LETTERS.tokens.index("C")] = log_probs[4:6, LETTERS.tokens.index("G")] = np.log(0.49)
    log_probs[4:6, LETTERS.tokens.index("C")] += 0.01
    assert decode(log_probs).text == "RICHT"
    words = Bigrams(("right", "left"), np.random.default_rng(0), lm_weight=0.7, word_score=2.0)
    model = words.open(tmp_path / "directions.arpa")
    assert not model.is_upper_case
    assert decode(log_probs, language_model=model).text == "RIGHT"
    assert decode(log_probs, language_model=model, lm_weight=0.0).text in ("RICHT", "RIGHT")


@given(st.integers(0, 2**32 - 1), st.lists(st.sampled_from(["ab", "b", "aab", "ba a", ""]), max_size=4))
@settings(max_examples=30, deadline=None)
def test_hotwords_of_weight_0_change_nothing(seed: int, hotwords: list[str]) -> None:
    log_probs = random_log_probs(np.random.default_rng(seed), 12, 4, 3.0)
    weightless = decode(log_probs, SMALL, hotwords=tuple(hotwords), hotword_weight=0.0, n_best=3)
    assert dataclasses.replace(weightless, hotwords=None) == decode(log_probs, SMALL, n_best=3)


def test_a_hotword_is_written_where_it_was_nearly_said() -> None:
    log_probs = written("__PPIIEER_R___|SSAAIIDD")
    log_probs[12, [0, LETTERS.tokens.index("E")]] = np.log([0.9, 0.09])
    assert decode(log_probs).text == "PIERR SAID"
    found = decode(log_probs, hotwords=("Pierre", "Henri"))
    assert found.text == "PIERRE SAID"
    assert found.hotwords is not None
    [hotword] = found.hotwords
    assert (hotword.hotword, hotword.problem) == ("Pierre", None)
    assert hotword.start_s == pytest.approx(0.04)


def test_a_phrase_and_its_times_are_found() -> None:
    found = decode(written("IINN||NNEEWW|YYOORRKK||NNOOWW"), hotwords=("New York", "York", "Paris"))
    assert found.text == "IN NEW YORK NOW"
    assert [each.hotword for each in found.hotwords or ()] == ["New York", "York"]
    times_s = [time for each in found.hotwords or () for time in (each.start_s, each.end_s)]
    assert times_s == pytest.approx([0.12, 0.42, 0.26, 0.42])


def test_hotwords_that_cannot_be_spelt_say_why() -> None:
    found = decode(written("AA"), hotwords=("日本", "x" * 10_000, "...", "", "Zoë"))
    problems = {each.hotword[:3]: each.problem for each in found.hotwords or ()}
    assert problems == {
        "日本": "the model's alphabet has no '日', '本'",
        "xxx": "it has 10,000 characters, and at most 100 are supported",
        "...": "it has no letters",
    }


def test_words_have_times_and_confidences() -> None:
    found = decode(written("__HHEE_LLL_LOO__||__WWORLD__"))
    assert found.text == "HELLO WORLD"
    hello, world = found.words
    assert (hello.word, world.word) == ("HELLO", "WORLD")
    assert [hello.start_s, hello.end_s, world.start_s, world.end_s] == pytest.approx([0.04, 0.28, 0.40, 0.52])
    assert 0.8 < found.confidence < 1
    assert found.confidence == pytest.approx((hello.confidence + world.confidence) / 2)


@pytest.mark.parametrize(
    ("frames", "times_s"),
    [
        (f"HE{'_' * 51}LLO|YOU", [1.06, 1.12, 1.14, 1.20]),
        (f"HEL_L{'_' * 51}O|YOU", [0.0, 0.1, 1.16, 1.22]),
        (f"HE{'_' * 50}LLO|YOU", [0.0, 1.1, 1.12, 1.18]),
    ],
)
def test_the_times_of_a_word_span_no_long_gap(frames: str, times_s: list[float]) -> None:
    words = list(decode(written(frames)).words)
    assert [time for word in words for time in (word.start_s, word.end_s)] == pytest.approx(times_s)


def test_a_word_that_could_be_another_has_less_confidence() -> None:
    log_probs = written("__CCAATT__||DDOOGG__")
    sure = list(decode(log_probs).words)
    log_probs[2:4, LETTERS.tokens.index("C")] = np.log(0.52)
    log_probs[2:4, LETTERS.tokens.index("B")] = np.log(0.47)
    cat, dog = decode(log_probs).words
    assert cat.confidence < sure[0].confidence - 0.1
    assert cat.confidence < dog.confidence - 0.1


@pytest.mark.parametrize(
    "tokens",
    [
        ("GOOD BYE", "A", "B"),  # a label with a space in it
        ("\ue000", "#", "\ue001"),  # characters that stand in for others, and one that needs a stand-in
        ("\0", "A", "\t"),
    ],
)
def test_any_label_is_written_as_it_is(tokens: tuple[str, ...]) -> None:
    vocabulary = Vocabulary((None, " ", *tokens), frozenset({1}))
    log_probs = np.full((7, 5), np.log(1e-4), np.float32)
    log_probs[range(7), [2, 0, 3, 1, 4, 1, 2]] = np.log(0.999)
    first, second, third = tokens
    found = decode(log_probs, vocabulary, n_best=2)
    assert found.text == f"{first}{second} {third} {first}"
    assert [word.word for word in found.words] == [first + second, third, first]
    assert found.alternatives is not None
    assert found.alternatives[0].text == found.text


def test_silence_has_no_words() -> None:
    found = decode(written("______"), n_best=2, hotwords=("A",))
    assert (found.text, len(found.words), found.hotwords) == ("", 0, ())
    assert found.confidence == pytest.approx(0.999, abs=1e-3)


def test_a_single_frame_is_decoded() -> None:
    assert decode(written("A"), hotwords=("a", "ab"), n_best=1).text == "A"


def test_a_long_clip_is_cut_at_its_pauses_and_times_go_on(monkeypatch: pytest.MonkeyPatch) -> None:
    frames = "HHEELLO||____" * 20
    log_probs = written(frames, pause=0.2)
    whole = decode(log_probs, n_best=3)
    monkeypatch.setattr(beam, "MAX_PIECE_S", 30 * STRIDE / 16_000)
    pieces = decode(log_probs, n_best=3)
    assert pieces.text == whole.text == " ".join(["HELO"] * 20)
    for part, word in zip(pieces.words, whole.words, strict=True):
        assert [part.start_s, part.end_s] == pytest.approx([word.start_s, word.end_s], abs=0.03)
    assert pieces.alternatives is not None
    assert pieces.alternatives[0].text == pieces.text
    assert len({each.text for each in pieces.alternatives}) == 3
    scores = [each.score for each in pieces.alternatives]
    assert scores == sorted(scores, reverse=True)


@given(st.lists(st.integers(0, 2**32 - 1), min_size=1, max_size=6), st.randoms())
@settings(max_examples=20, deadline=None)
def test_neither_the_order_nor_threads_change_a_text(seeds: list[int], random: Any) -> None:
    clips = {seed: frame_scores(random_log_probs(np.random.default_rng(seed), 20, 4, 4.0)) for seed in seeds}
    decoder = BeamDecoder(hotwords=("ab", "baa"), n_best=2)
    together = dict(zip(clips, decoder.decode(list(clips.values()), SMALL, stride=STRIDE), strict=True))
    shuffled = random.sample(list(clips), len(clips))
    with ThreadPoolExecutor(4) as threads:
        alone = threads.map(lambda seed: decoder.decode([clips[seed]], SMALL, stride=STRIDE)[0], shuffled)
        assert dict(zip(shuffled, alone, strict=True)) == together


def test_the_fingerprint_tells_every_setting_apart(tmp_path: Path) -> None:
    model = Bigrams(("a",), np.random.default_rng(0), lm_weight=1, word_score=1).open(tmp_path / "a.arpa")
    other = Bigrams(("b",), np.random.default_rng(0), lm_weight=1, word_score=1).open(tmp_path / "b.arpa")
    decoders = [
        BeamDecoder(),
        BeamDecoder(model),
        BeamDecoder(other),
        BeamDecoder(model, lm_weight=0.1),
        BeamDecoder(model, word_score=0.1),
        BeamDecoder(beam_width=5),
        BeamDecoder(hotwords=("a",)),
        BeamDecoder(hotwords=("a", "b")),
        BeamDecoder(hotwords=("a,b",)),
        BeamDecoder(hotwords=("a",), hotword_weight=1.0),
        BeamDecoder(n_best=3),
    ]
    assert len({decoder.fingerprint for decoder in decoders} | {GreedyDecoder().fingerprint}) == len(decoders) + 1
    assert BeamDecoder(model, hotwords=("a",)).fingerprint == BeamDecoder(model, hotwords=("a",)).fingerprint


def test_a_model_without_spaces_has_no_words() -> None:
    without = Vocabulary((None, "a", "b"), frozenset(), "")
    with pytest.raises(ModelError, match="writes no spaces between words"):
        decode(random_log_probs(np.random.default_rng(0), 3, 3, 1.0), without, hotwords=("a",))
    assert decode(random_log_probs(np.random.default_rng(0), 3, 3, 1.0), without, n_best=2).alternatives


ODD_TOKENS = {
    "with a space inside": (*"HI", "GOOD BYE"),
    "of no character that is seen": (*"HI", "\0", "\u200b"),
    "private ones beside one that needs a stand-in": ("A", "#", "\ue000", "\ue001", "\ue002"),
    "marks of the library": ("#", "_", "|", "<", "[", "\u2581", "\u2047", "##S", "<x>"),
    "white space of other kinds": ("A", "\t", "\xa0", "\u2028"),
}


@pytest.mark.parametrize("name", ODD_TOKENS)
def test_odd_tokens_are_written_as_in_greedy_decoding(name: str) -> None:
    tokens = ODD_TOKENS[name]
    vocabulary = Vocabulary((None, " ", *tokens), frozenset({1}))
    ids = [each for label in range(2, len(tokens) + 2) for each in (label, 0, 1, 0, label, 0)]
    log_probs = np.full((len(ids), len(vocabulary.tokens)), np.log(1e-4))
    log_probs[np.arange(len(ids)), ids] = np.log(0.999)
    words = [tokens[0], *(before + after for before, after in itertools.pairwise(tokens)), tokens[-1]]
    found = decode(log_probs, vocabulary, n_best=2, hotwords=("hi",))
    assert [each.word for each in found.words] == words
    assert found.alternatives is not None
    assert found.text == found.alternatives[0].text == " ".join(words)


def test_labels_that_the_library_refuses_are_one_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(beam_columns.BeamColumns, "labels", ("", " ", "same", "same"))
    with pytest.raises(ModelError, match="cannot write the labels of this model: 'vocabulary contains duplicate label"):
        decode(written("A"))


def test_no_frames_give_no_text() -> None:
    [found] = BeamDecoder(n_best=2).decode([frame_scores(np.zeros((0, 4)))], SMALL, stride=STRIDE)
    assert (found.text, found.confidence, len(found.words)) == ("", 0.0, 0)


def test_scores_that_are_no_numbers_give_no_confidence() -> None:
    assert np.isnan(beam._confidence_of_silence(frame_scores(np.full((3, 4), np.nan))))


def test_a_language_model_deleted_while_it_is_loaded_still_serves(tmp_path: Path) -> None:
    model = Bigrams(("ab",), np.random.default_rng(1), lm_weight=1, word_score=1).open(tmp_path / "gone.arpa")
    decoder = BeamDecoder(model)
    decoder.load(SMALL)
    model.path.unlink()
    assert decoder.decode([frame_scores(random_log_probs(np.random.default_rng(1), 6, 4, 1.0))], SMALL, stride=STRIDE)


def test_without_the_library_the_refusal_says_what_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(beam_library, "problem", lambda: "the package ctc-beam-decoder is not installed")
    with pytest.raises(ModelError, match=r"beam search.*is missing: the package ctc-beam-decoder is not installed"):
        BeamDecoder().load(Vocabulary((None, "|", "never", "seen"), frozenset({1})))


def test_kenlm_writes_nothing_on_the_screen(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    model = Bigrams(("a", "quiet"), np.random.default_rng(2), lm_weight=1, word_score=1).open(tmp_path / "quiet.arpa")
    BeamDecoder(model).load(SMALL)
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("delimiter", [True, False])
def test_letters_of_scripts_without_spaces_are_words_as_in_greedy_decoding(delimiter: bool) -> None:
    tokens = (None, "|", *"你好吗ok")
    vocabulary = Vocabulary(tokens, frozenset({1} if delimiter else ()))
    path = [0, 2, 2, 3, 0, 3, 5, 6, 6, 0, *([1] if delimiter else []), 4, 0, 5, 6]
    log_probs = np.full((len(path), len(tokens)), np.log(1e-4))
    log_probs[np.arange(len(path)), path] = np.log(0.999)
    [greedy] = GreedyDecoder().decode([frame_scores(log_probs, 1)], vocabulary, stride=STRIDE)
    found = decode(log_probs, vocabulary, n_best=1)
    assert found.text == greedy.text == ("你好好ok 吗ok" if delimiter else "你好好ok吗ok")
    expected = [(word.word, word.start_s, word.end_s) for word in greedy.words]
    assert [word for word, *_ in expected] == ["你", "好", "好", "ok", "吗", "ok"]
    assert [(word.word, word.start_s, word.end_s) for word in found.words] == expected


def test_a_long_clip_without_spaces_gets_none_where_it_is_cut() -> None:
    tokens = (None, *"你好")
    path = ([1, 0, 2, 0] * 200 + [0] * 100) * 2  # 36 s
    log_probs = np.full((len(path), len(tokens)), np.log(1e-4))
    log_probs[np.arange(len(path)), path] = np.log(0.999)
    found = decode(log_probs, Vocabulary(tokens, frozenset()), n_best=2)
    assert found.text == "你好" * 400
    assert found.alternatives is not None
    assert found.alternatives[0].text == found.text
    assert [word.word for word in found.words] == [*found.text]
