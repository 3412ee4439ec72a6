"""Sentences get the score that KenLM gives them."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.language.kit import build, tutorial_sentences
from thano_duckdb.errors import ModelError
from thano_duckdb.language.language_model import LanguageModel
from thano_duckdb.language.ngram_scorer import NgramScorer, load_scorer, perplexity


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build(tmp_path_factory.mktemp("model"), tutorial_sentences(), order=4, prune=1e-4)[0]


@pytest.fixture(scope="module")
def scorer(path: Path) -> NgramScorer:
    return NgramScorer.read(path)


VOCABULARY = sorted({word for sentence in tutorial_sentences() for word in sentence.split()})
sentences = st.lists(st.sampled_from([*VOCABULARY, "zebra"]), max_size=12).map(" ".join)


@settings(max_examples=50)
@given(lines=st.lists(st.one_of(sentences, st.sampled_from(tutorial_sentences())), min_size=1, max_size=30))
def test_scores_are_those_of_kenlm(lines: list[str], path: Path, scorer: NgramScorer) -> None:
    kenlm = pytest.importorskip("kenlm", reason="kenlm-ex is not installed")
    config = kenlm.Config()
    config.show_progress = False
    model = kenlm.Model(str(path), config)
    for line, score in zip(lines, scorer.score(lines), strict=True):
        assert score.log10_p == pytest.approx(model.score(line), abs=1e-4)
        assert score.perplexity == pytest.approx(model.perplexity(line), rel=1e-4)
        assert score.n_unknown == line.split().count("zebra")


def test_the_perplexity_of_several_sentences_weighs_every_word_the_same(scorer: NgramScorer) -> None:
    scores = scorer.score(tutorial_sentences()[:3])
    exponent = -sum(score.log10_p for score in scores) / sum(score.n_words + 1 for score in scores)
    assert perplexity(scores) == pytest.approx(10**exponent)


def test_no_sentences_have_no_scores(scorer: NgramScorer) -> None:
    assert scorer.score([]) == []


def test_without_a_probability_for_unknown_words_they_get_that_of_kenlm(tmp_path: Path) -> None:
    path = tmp_path / "closed.arpa"
    path.write_text(
        "\\data\\\nngram 1=3\nngram 2=1\n\n\\1-grams:\n-99 <s> -0.3\n-1 </s>\n-0.5 a -0.2\n\n"
        "\\2-grams:\n-0.25 a </s>\n\n\\end\\\n"
    )
    scorer = NgramScorer.read(path)
    assert scorer.score(["a"])[0].log10_p == pytest.approx(-0.3 - 0.5 - 0.25)
    assert scorer.score(["z"])[0].log10_p == pytest.approx(-0.3 - 100 - 1)


def test_a_model_is_read_once_as_long_as_its_file_stays_the_same(tmp_path: Path) -> None:
    path, _ = build(tmp_path, ["a b", "b a"])
    first = load_scorer(LanguageModel.open("m", path))
    assert load_scorer(LanguageModel.open("m", path)) is first
    build(tmp_path, ["a b", "b a", "c"])
    assert load_scorer(LanguageModel.open("m", path)) is not first


def test_a_kenlm_binary_gives_no_perplexity() -> None:
    binary = LanguageModel.open("b", Path(__file__).with_name("tiny.kenlm"))
    with pytest.raises(ModelError, match="'b' is a KenLM binary, which only serves to decode"):
        load_scorer(binary)
