"""A model that KenLM cannot load is refused, with the n-gram that it lacks."""

from __future__ import annotations

import random
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from thano_duckdb.errors import ModelError
from thano_duckdb.language.ngram_scorer import NgramScorer

WORDS = ("a", "b", "c", "d", "e")


def write(path: Path, *ngrams: list[str]) -> Path:
    """An ARPA file of `WORDS` and of these n-grams, from the order 2."""
    lists = [["<unk>", "<s>", "</s>", *WORDS], *ngrams]
    lines = ["\\data\\", *(f"ngram {order}={len(each)}" for order, each in enumerate(lists, 1))]
    for order, each in enumerate(lists, 1):
        backoff = "" if order == len(lists) else "\t-0.1"
        lines += ["", f"\\{order}-grams:", *(f"-0.5\t{ngram}{'' if ngram == '</s>' else backoff}" for ngram in each)]
    path.write_text("\n".join([*lines, "", "\\end\\", ""]))
    return path


@pytest.mark.parametrize(
    ("pairs", "sentence"),
    [
        (["b c", "c c"], "it has the 3-gram 'a b c' without the 2-gram 'a b', so that KenLM cannot load it"),
        (["a b", "c c"], r"'a b c' without the 2-gram 'b c' \(KenLM can add 0 such 2-grams\), so that KenLM cannot"),
    ],
)
def test_a_3_gram_without_its_2_grams_is_named(pairs: list[str], sentence: str, tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=sentence):
        NgramScorer.read(write(tmp_path / "m.arpa", pairs, ["a b c"]))


def test_a_pruned_model_may_lack_the_endings_that_kenlm_adds(tmp_path: Path) -> None:
    NgramScorer.read(write(tmp_path / "m.arpa", ["a b", "b a", "a a", "b b"], ["a b c"]))


@settings(max_examples=60, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), order=st.integers(3, 5))
def test_what_is_accepted_is_what_kenlm_loads(seed: int, order: int, tmp_path_factory: pytest.TempPathFactory) -> None:
    kenlm = pytest.importorskip("kenlm", reason="kenlm-ex is not installed")
    rng = random.Random(seed)
    ngrams = {
        k: {tuple(rng.choice(WORDS) for _ in range(k)) for _ in range(rng.randint(0, 12))} for k in range(2, order + 1)
    }
    for k in range(order, 2, -1):
        ngrams[k - 1] |= {ngram[:-1] for ngram in ngrams[k]} | {each[1:] for each in ngrams[k] if rng.random() < 0.9}
    path = write(
        tmp_path_factory.mktemp("model") / "m.arpa", *([" ".join(each) for each in sorted(ngrams[k])] for k in ngrams)
    )
    config = kenlm.Config()
    config.show_progress = False
    try:
        model = kenlm.Model(str(path), config)
    except OSError:
        with pytest.raises(ModelError, match=r"so that KenLM cannot load it"):
            NgramScorer.read(path)
    else:
        text = "a b c zebra e d a"
        assert NgramScorer.read(path).score([text])[0].log10_p == pytest.approx(model.score(text), abs=1e-4)
