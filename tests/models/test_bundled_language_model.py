"""The English language model that ships with the package."""

from __future__ import annotations

from pathlib import Path

import pytest

import thano_duckdb
from tests.conftest import Utterance
from thano_duckdb.language.language_model import LanguageModel, resolve_language_model
from thano_duckdb.language.ngram_scorer import load_scorer, perplexity
from thano_duckdb.models.bundled import LANGUAGE_MODEL_FOLDER
from thano_duckdb.models.checkpoint import ngram_file
from thano_duckdb.models.registry import Registry

MAX_BYTES = 5_000_000


@pytest.fixture
def english(tmp_path: Path) -> LanguageModel:
    if ngram_file(LANGUAGE_MODEL_FOLDER) is None:
        pytest.skip("the English language model is not in this checkout")
    model = resolve_language_model("en", Registry(tmp_path), alphabet="ABCDEFGHIJKLMNOPQRSTUVWXYZ' ")
    assert model is not None
    return model


def test_it_is_small_and_says_how_to_decode_with_it(english: LanguageModel) -> None:
    assert english.path.stat().st_size < MAX_BYTES
    assert (english.order, english.is_upper_case) == (3, False)
    assert english.lm_weight is not None
    assert english.word_score is not None
    words = english.unigrams()
    assert words is not None
    assert {"river", "don't", "b", "seventeen", "cancel"} <= set(words)


def test_it_finds_english_likely_and_nonsense_unlikely(english: LanguageModel) -> None:
    score = load_scorer(english).score
    right, wrong = score(["she would like a glass of water", "water a of like she glass would"])
    assert 5 * right.perplexity < wrong.perplexity
    (spelled,) = score(["m e f three nine"])
    assert spelled.perplexity < 200


def test_its_figures_are_those_of_its_card(english: LanguageModel, an4_test: list[Utterance]) -> None:
    scores = load_scorer(english).score([clip.text.lower() for clip in an4_test])
    assert perplexity(scores) == pytest.approx(113, rel=0.02)
    card = (LANGUAGE_MODEL_FOLDER / "README.md").read_text(encoding="utf-8")
    words = english.unigrams()
    assert words is not None
    assert f"{len(words):,} English words" in card


def test_it_works_in_sql_without_any_access_to_files() -> None:
    with thano_duckdb.connect(config={"enable_external_access": "false"}) as con:
        query = "SELECT thano_perplexity('She would like a glass of water.', 'en') < 100"
        assert con.sql(query).fetchall() == [(True,)]
