"""Probabilities are those of modified Kneser-Ney: KenLM's own estimates, and sums by hand."""

from __future__ import annotations

import itertools
import math
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.language.kit import build, tutorial_sentences
from thano_duckdb.language.arpa import summarize
from thano_duckdb.language.kneser_ney import FALLBACK, discounts
from thano_duckdb.language.ngram_scorer import NgramScorer

WORDS = ("a", "b", "c", "d")
texts = st.lists(st.lists(st.sampled_from(WORDS), min_size=1, max_size=6).map(" ".join), min_size=1, max_size=12)


def test_the_probabilities_are_those_of_kenlm(tmp_path: Path) -> None:
    sentences = tutorial_sentences()
    ours, _ = build(tmp_path, sentences)
    # lmplz -o 3 --discount_fallback, at commit 4cb443e of KenLM
    theirs = Path(__file__).with_name("lmplz_tutorial.arpa.gz")
    assert summarize(ours).n_ngrams == summarize(theirs).n_ngrams
    words = [word for sentence in sentences for word in sentence.split()]
    probes = [*sentences, *(" ".join(words[i::97]) for i in range(97)), "", "unheard of nonsense"]
    for one, other in zip(NgramScorer.read(ours).score(probes), NgramScorer.read(theirs).score(probes), strict=True):
        assert one.log10_p == pytest.approx(other.log10_p, abs=1e-4 * (one.n_words + 1))


def test_discounts_are_those_of_the_formula() -> None:
    found = discounts({1: 100, 2: 30, 3: 10, 4: 5})
    y = 100 / 160
    assert (found.once, found.twice, found.more) == pytest.approx((1 - 2 * y * 0.3, 2 - 3 * y / 3, 3 - 4 * y / 2))


@pytest.mark.parametrize("counts", [{}, {1: 5}, {1: 5, 2: 1}, {1: 9, 2: 1, 3: 9, 4: 1}])
def test_text_that_is_too_small_for_discounts_gets_fixed_ones(counts: dict[int, int]) -> None:
    assert discounts(counts) == FALLBACK


def test_two_sentences_by_hand(tmp_path: Path) -> None:
    """Order 2, fallback discounts .5, 1, 1.5: `a b` and `a c`."""
    path, _ = build(tmp_path, ["a b", "a c"], order=2)
    # Words count once for each word before them: a 1 (<s>), b 1, c 1, </s> 2 (b, c): 5. What the discounts take,
    # 3 x .5 + 1 = 2.5 of 5, is spread over a, b, c, </s> and <unk>.
    uniform = 0.5 / 5
    b = 0.5 / 5 + uniform
    end = 1 / 5 + uniform
    # after a: b and c once each; after b: </s> once
    log10_p = NgramScorer.read(path).score(["a b"])[0].log10_p
    a_after_start = (2 - 1) / 2 + 1 / 2 * (0.5 / 5 + uniform)
    expected = a_after_start * ((1 - 0.5) / 2 + 1 / 2 * b) * ((1 - 0.5) / 1 + 0.5 * end)
    assert log10_p == pytest.approx(math.log10(expected), abs=3e-4)


@settings(max_examples=15)
@given(sentences=texts, order=st.integers(2, 5), prune=st.sampled_from([0.0, 1e-7, 0.01, 0.1, 0.9]))
def test_the_probabilities_after_every_history_sum_to_one(
    sentences: list[str], order: int, prune: float, tmp_path_factory: pytest.TempPathFactory
) -> None:
    kenlm = pytest.importorskip("kenlm", reason="kenlm-ex is not installed")
    path, _ = build(tmp_path_factory.mktemp("model"), sentences, order, prune)
    model = _loaded(kenlm, path)
    known = [*summarize(path).words, "</s>", "<unk>"]
    for history in itertools.chain.from_iterable(itertools.product((*WORDS, "z"), repeat=n) for n in range(3)):
        state, after = kenlm.State(), kenlm.State()
        model.BeginSentenceWrite(state)
        for word in history:
            model.BaseScore(state, word, after)
            state, after = after, kenlm.State()
        assert sum(10 ** model.BaseScore(state, word, after) for word in known) == pytest.approx(1, abs=1e-3)


def _loaded(kenlm, path: Path):  # type: ignore[no-untyped-def]
    config = kenlm.Config()
    config.show_progress = False
    return kenlm.Model(str(path), config)
