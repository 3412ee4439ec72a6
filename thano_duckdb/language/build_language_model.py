"""Builds an n-gram model from collected text into a folder."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from thano_duckdb.errors import ThanoError

from .arpa_writer import write_arpa
from .kneser_ney import estimate
from .ngram_counts import TextStore, count_ngrams, number_words
from .ngram_scorer import NgramScorer, perplexity
from .pruning import prune

FILE_NAME = "language_model.arpa.gz"
MAX_HELD_OUT = 20_000
"""Sentences to evaluate on at most: more would not change the figures."""
STAGES = ("numbering words", "counting n-grams", "estimating", "pruning", "writing", "evaluating")


@dataclass(frozen=True)
class LanguageModelOptions:
    """What OPTIONS of BUILD LANGUAGE MODEL says; ranges and defaults are in `thano_duckdb.options`."""

    order: int = 3
    prune: float = 1e-7
    validation_split: float = 0.01
    overwrite: bool = False


@dataclass(frozen=True)
class LanguageModelFigures:
    """What a build reports.

    Attributes:
        order: the longest n-gram.
        sentences: that it learned from.
        words: in them.
        vocabulary: distinct words among those.
        ngrams: kept, of all orders.
        perplexity: of the held-out sentences, with unknown words and ends of sentences; None where none are held out.
        oov_rate: share of the words of those that the model does not know.
    """

    order: int
    sentences: int
    words: int
    vocabulary: int
    ngrams: int
    perplexity: float | None
    oov_rate: float | None


def build_language_model(
    store: TextStore,
    folder: Path,
    options: LanguageModelOptions,
    *,
    on_stage: Callable[[str], None] = lambda _stage: None,
) -> LanguageModelFigures:
    """Learn from the sentences of `store`, which can be used only once, and write `FILE_NAME` into `folder`.

    The same sentences, in any order, and the same options give the same file.

    Args:
        store: with sentences.
        folder: that exists.
        options: what to build.
        on_stage: is called with each of `STAGES` as it begins.

    Raises:
        ThanoError: there are no sentences.
    """
    if not store.n_sentences:
        raise ThanoError("there is nothing to learn from: no row of the query has a text of which any word is left")
    held_out = store.hold_out(options.validation_split)
    on_stage(STAGES[0])
    number_words(store)
    on_stage(STAGES[1])
    count_ngrams(store, options.order)
    on_stage(STAGES[2])
    estimate(store, options.order)
    on_stage(STAGES[3])
    prune(store, options.order, options.prune)
    on_stage(STAGES[4])
    n_ngrams = write_arpa(store, options.order, folder / FILE_NAME)
    on_stage(STAGES[5])
    size = store.size()
    result, oov_rate = _evaluate(folder / FILE_NAME, held_out[:: 1 + len(held_out) // MAX_HELD_OUT])
    return LanguageModelFigures(
        options.order, size.sentences, size.words, size.vocabulary, sum(n_ngrams), result, oov_rate
    )


def _evaluate(path: Path, sentences: tuple[str, ...]) -> tuple[float | None, float | None]:
    """Perplexity, and the share of unknown words."""
    if not sentences:
        return None, None
    scores = NgramScorer.read(path).score(sentences)
    return perplexity(scores), sum(score.n_unknown for score in scores) / sum(score.n_words for score in scores)
