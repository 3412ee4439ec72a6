"""What entropy pruning drops says little; what it keeps can be read by everybody."""

from __future__ import annotations

import gzip
import math
import re
from itertools import pairwise
from pathlib import Path

import pytest

from tests.language.kit import build, tutorial_sentences
from thano_duckdb.language.arpa import summarize
from thano_duckdb.language.ngram_scorer import NgramScorer, perplexity

VOCABULARY = {word for sentence in tutorial_sentences() for word in sentence.split()}


def ngrams(path: Path) -> list[set[tuple[str, ...]]]:
    """The n-grams of each order."""
    sections = re.split(r"\\\d-grams:\n", gzip.decompress(path.read_bytes()).decode())[1:]
    return [{tuple(line.split("\t")[1].split()) for line in part.splitlines() if "\t" in line} for part in sections]


def test_a_higher_threshold_keeps_fewer_ngrams(tmp_path: Path) -> None:
    sizes = [build(tmp_path / str(t), tutorial_sentences(), prune=t)[1].ngrams for t in (0.0, 1e-4, 1e-3, 0.5)]
    assert sizes == sorted(sizes, reverse=True)
    assert len(set(sizes)) == len(sizes)
    assert sizes[-1] == len(VOCABULARY) + 3  # single words are never dropped, nor <s>, </s> and <unk>


@pytest.mark.parametrize("order", [3, 5])
def test_every_ngram_that_stays_has_its_beginning_and_its_end(order: int, tmp_path: Path) -> None:
    path, _ = build(tmp_path, tutorial_sentences(), order, prune=5e-4)
    kept = ngrams(path)
    assert sum(map(len, kept[1:])) > 100
    for shorter, longer in pairwise(kept):
        assert {ngram[:-1] for ngram in longer} | {ngram[1:] for ngram in longer} <= shorter


def test_the_perplexity_of_the_text_grows_with_the_threshold(tmp_path: Path) -> None:
    sentences = tutorial_sentences()
    paths = [build(tmp_path / str(t), sentences, prune=t)[0] for t in (0.0, 1e-4, 3e-4, 1e-3)]
    found = [perplexity(NgramScorer.read(path).score(sentences)) for path in paths]
    assert found == sorted(found)


def test_the_growth_of_the_perplexity_is_that_of_stolcke(tmp_path: Path) -> None:
    """Drop one bigram: the weighted divergence of the models, summed over all words, decides at the threshold."""
    sentences = ["a b", "a b", "a c", "b a", "c c"]
    whole, _ = build(tmp_path / "whole", sentences, order=2)
    known = [*summarize(whole).words, "</s>", "<unk>"]
    p_after_c = distribution(whole, "c", known)
    contexts_c = sum(sentence.split().count("c") for sentence in sentences)
    n_predicted = sum(len(sentence.split()) + 1 for sentence in sentences)
    single = {word: 10**log for word, log in unigrams(whole).items()}
    seen = {ngram[1] for ngram in ngrams(whole)[1] if ngram[0] == "c"}
    rest = seen - {"c"}
    weight = (1 - sum(p_after_c[w] for w in rest)) / (1 - sum(single[w] for w in rest))
    without = {w: p_after_c[w] if w in rest else weight * single[w] for w in known}
    divergence = sum(p_after_c[w] * math.log(p_after_c[w] / without[w]) for w in known)
    growth = math.exp(contexts_c / n_predicted * divergence) - 1
    below, _ = build(tmp_path / "below", sentences, order=2, prune=growth * 0.98)
    above, _ = build(tmp_path / "above", sentences, order=2, prune=growth * 1.02)
    assert ("c", "c") in ngrams(below)[1]
    assert ("c", "c") not in ngrams(above)[1]


def unigrams(path: Path) -> dict[str, float]:
    text = gzip.decompress(path.read_bytes()).decode().partition("\\1-grams:\n")[2].partition("\n\n")[0]
    return {line.split("\t")[1]: float(line.split("\t")[0]) for line in text.splitlines()}


def distribution(path: Path, context: str, known: list[str]) -> dict[str, float]:
    """The probabilities of the words after a context."""
    kenlm = pytest.importorskip("kenlm", reason="kenlm-ex is not installed")
    config = kenlm.Config()
    config.show_progress = False
    model = kenlm.Model(str(path), config)
    start, state, after = kenlm.State(), kenlm.State(), kenlm.State()
    model.NullContextWrite(start)
    model.BaseScore(start, context, state)
    return {word: 10 ** model.BaseScore(state, word, after) for word in known}
