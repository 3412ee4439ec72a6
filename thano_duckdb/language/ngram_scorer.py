"""The probability of sentences by an ARPA model, many at once.

Every n-gram has a hash, mixed from that of its first words and its last word, so that those which end at each word of a
text are found by one binary search per order, in numpy. (Two of ten million n-grams share a hash of 64 bits with a
probability of one in 400,000.)
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from cachetools import LRUCache, cached
from numpy.typing import NDArray

from thano_duckdb.errors import ModelError, brief

from .arpa import damaged, open_arpa, read_end, read_header, read_lines, read_section_title
from .language_model import LanguageModel
from .shorter_ngrams import ShorterNgrams

MAX_SCORERS = 2
MAX_LOG10_BACKOFF = 10.0
"""Real models have weights below 1, and pruned ones a little above."""
UNKNOWN_LOG10_P = -100.0
"""KenLM's, where a model has no <unk>."""

Hashes = NDArray[np.uint64]
Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


@dataclass(frozen=True)
class NgramTable:
    """The n-grams of one order, sorted by their hash.

    Attributes:
        hashes: (n,).
        log10_p: (n,) probability of the last word after the others.
        log10_backoff: (n,) weight where the n-gram is a context; 0 where it has none.
    """

    hashes: Hashes
    log10_p: Floats
    log10_backoff: Floats


@dataclass(frozen=True)
class SentenceScore:
    """How a model rates a sentence.

    Attributes:
        log10_p: of all its words and of its end.
        n_words: without its end.
        n_unknown: words that the model does not know.
    """

    log10_p: float
    n_words: int
    n_unknown: int

    @property
    def perplexity(self) -> float:
        """Ten to the power of the negative mean of log10 p over the words and the end of the sentence."""
        return perplexity([self])


def perplexity(scores: Sequence[SentenceScore]) -> float:
    """The perplexity of several sentences together: every word, and every end of a sentence, weighs the same."""
    n_predicted = sum(score.n_words + 1 for score in scores)
    exponent = -sum(score.log10_p for score in scores) / n_predicted
    return float(10**exponent) if exponent < 308 else float("inf")


class NgramScorer:
    """An n-gram model in memory."""

    def __init__(self, ids: dict[bytes, int], tables: Sequence[NgramTable]) -> None:
        """Take the words with their numbers, and the n-grams of each order from 1."""
        self._ids = ids
        self._unknown = ids.get(b"<unk>", -1)
        self._tables = tables

    @classmethod
    def read(cls, path: Path) -> NgramScorer:
        """Read an ARPA file.

        Raises:
            ModelError: it is no ARPA file, or it is damaged.
        """
        ids: dict[bytes, int] = {}
        with open_arpa(path) as file:
            n_ngrams = read_header(file, path)
            tables: list[NgramTable] = []
            shorter = ShorterNgrams(n_ngrams, path)
            for order, n in enumerate(n_ngrams, 1):
                read_section_title(file, order, path)
                batches = [
                    _parse(lines, order, ids, tables, shorter, path) for lines in read_lines(file, order, n, path)
                ]
                tables.append(_table(batches))
            read_end(file, path)
        for marker in (b"<s>", b"</s>"):
            if marker not in ids:
                raise damaged(path, f"its unigrams lack {marker.decode()}")
        return cls(ids, tables)

    def score(self, sentences: Sequence[str]) -> list[SentenceScore]:
        """Rate sentences.

        Args:
            sentences: words in the spelling of the model, separated by spaces.
        """
        split = [sentence.encode().split() for sentence in sentences]
        start, end, unknown, find = self._ids[b"<s>"], self._ids[b"</s>"], self._unknown, self._ids.get
        tokens = np.array(
            [token for words in split for token in (start, *(find(word, unknown) for word in words), end)], np.int64
        )
        lengths = np.array([len(words) + 2 for words in split], np.int64)
        starts = np.cumsum(lengths) - lengths
        positions = np.arange(len(tokens)) - np.repeat(starts, lengths)  # in the sentence, <s> being 0
        log10_p = np.where(positions > 0, self._log10_p(tokens, positions), 0.0)
        totals = np.add.reduceat(log10_p, starts) if len(starts) else np.zeros(0)
        n_unknown = np.add.reduceat(tokens == unknown, starts) if len(starts) else np.zeros(0, np.int64)
        return [
            SentenceScore(float(total), len(words), int(n))
            for total, words, n in zip(totals, split, n_unknown, strict=True)
        ]

    def _log10_p(self, tokens: Ints, positions: Ints) -> Floats:
        """The probability of each token after those before it in its sentence, by the longest n-gram that is known."""
        found: list[tuple[NDArray[np.bool_], Ints]] = []  # for each order: whether that n-gram ends here, and its row
        hashes: Hashes | np.uint64 = _FIRST
        for order, table in enumerate(self._tables, 1):
            hashes = _extend(np.roll(hashes, 1), tokens)
            rows = np.minimum(np.searchsorted(table.hashes, hashes), max(len(table.hashes) - 1, 0))
            is_known = (positions >= order - 1) & (table.hashes[rows] == hashes if len(table.hashes) else False)
            found.append((is_known, rows))
        result = np.full(len(tokens), UNKNOWN_LOG10_P)
        weight = np.zeros(len(tokens))
        pending = np.ones(len(tokens), np.bool_)
        for order in range(len(self._tables), 0, -1):
            is_known, rows = found[order - 1]
            now = pending & is_known
            result[now] = self._tables[order - 1].log10_p[rows[now]] + weight[now]
            pending &= ~is_known
            if order > 1:
                is_context, contexts = (np.roll(array, 1) for array in found[order - 2])
                table = self._tables[order - 2]
                weight += np.where(is_context & pending, table.log10_backoff[contexts], 0.0) if len(table.hashes) else 0
        result[pending] += weight[pending]
        return result


_FIRST = np.uint64(0)


def _extend(hashes: Hashes | np.uint64, tokens: Ints) -> Hashes:
    """The hashes of n-grams with one more word at their end (the finalizer of splitmix64 as the mixer)."""
    with np.errstate(over="ignore"):
        mixed = (hashes + np.uint64(0x9E3779B97F4A7C15)) * np.uint64(0xD1342543DE82EF95) + tokens.astype(np.uint64)
        mixed = (mixed ^ (mixed >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        mixed = (mixed ^ (mixed >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    result: Hashes = mixed ^ (mixed >> np.uint64(31))
    return result


def _parse(
    lines: list[bytes],
    order: int,
    ids: dict[bytes, int],
    lower: Sequence[NgramTable],
    shorter: ShorterNgrams,
    path: Path,
) -> NgramTable:
    """The n-grams of some lines; those of order 1 give their words the next numbers."""
    try:
        split = pc.ascii_split_whitespace(pc.ascii_trim_whitespace(pa.array(lines, pa.string())))
    except pa.ArrowInvalid:
        raise damaged(path, f"among its {order}-grams is text that is not UTF-8") from None
    parts, offsets = split.flatten(), split.offsets.to_numpy()
    starts, lengths = offsets[:-1], np.diff(offsets)
    is_long = lengths == order + 2
    wrong = np.flatnonzero(~is_long & (lengths != order + 1))
    if len(wrong):
        raise damaged(path, f"{brief(lines[wrong[0]].decode())} is not a {order}-gram")
    log10_p = _numbers(parts.take(pa.array(starts)), order, path)
    log10_backoff = np.zeros(len(lines))
    log10_backoff[is_long] = _numbers(parts.take(pa.array(starts[is_long] + order + 1)), order, path)
    if not (log10_p <= 0).all():
        raise damaged(path, f"a probability among its {order}-grams is above 1")
    if not (log10_backoff <= MAX_LOG10_BACKOFF).all():
        wrong = np.flatnonzero(log10_backoff > MAX_LOG10_BACKOFF)
        raise damaged(path, f"{brief(lines[wrong[0]].decode())} has a backoff weight that no model has")
    words = [_one_unknown(parts.take(pa.array(starts + 1 + column))) for column in range(order)]
    if order == 1:
        for word in words[0].to_pylist():
            if ids.setdefault(word.encode(), n_known := len(ids)) != n_known:
                raise damaged(path, f"the word {brief(word)} stands twice among its single words")
    known = pa.array(list(ids), pa.string())
    tokens: list[Ints] = []
    for column in words:
        found = pc.index_in(column, known)
        if found.null_count:
            unknown = column.filter(pc.is_null(found))[0].as_py()
            raise damaged(path, f"a {order}-gram holds {brief(unknown)}, which is none of its single words")
        tokens.append(found.to_numpy().astype(np.int64))
    if order > 2:
        shorter.check(
            order,
            lambda part: _hashes(tokens[part]),
            [table.hashes for table in lower],
            lambda row: [column[row].as_py() for column in words],
        )
    return NgramTable(_hashes(tokens), log10_p, log10_backoff)


def _hashes(tokens: Sequence[Ints]) -> Hashes:
    """The hash of each n-gram, from the numbers of its first words, its second words and so on."""
    hashes: Hashes | np.uint64 = _FIRST
    for column in tokens:
        hashes = _extend(hashes, column)
    assert isinstance(hashes, np.ndarray)
    return hashes


def _one_unknown(words: pa.StringArray) -> pa.StringArray:
    """Words with <unk> in one spelling: KenLM takes two for it."""
    is_other = pc.equal(words, "<UNK>")
    return pc.if_else(is_other, "<unk>", words) if pc.any(is_other).as_py() else words


def _numbers(texts: pa.StringArray, order: int, path: Path) -> Floats:
    try:
        numbers: Floats = texts.cast(pa.float64()).to_numpy()
    except pa.ArrowInvalid as error:
        raise damaged(path, f"among its {order}-grams is a number that is none ({error})") from None
    if not np.isfinite(numbers).all():
        raise damaged(path, f"among its {order}-grams is a number that is not finite")
    return numbers


def _table(batches: list[NgramTable]) -> NgramTable:
    if not batches:
        return NgramTable(np.zeros(0, np.uint64), np.zeros(0), np.zeros(0))
    hashes = np.concatenate([batch.hashes for batch in batches])
    order = np.argsort(hashes, kind="stable")  # of an n-gram that stands twice the first counts, as in KenLM
    return NgramTable(
        hashes[order],
        np.concatenate([batch.log10_p for batch in batches])[order],
        np.concatenate([batch.log10_backoff for batch in batches])[order],
    )


def load_scorer(model: LanguageModel) -> NgramScorer:
    """The scorer of a model; the last few stay loaded, and a file that changed is read again.

    Raises:
        ModelError: it is a KenLM binary, whose n-grams cannot be read, or it is damaged.
    """
    if model.is_binary:
        raise ModelError(
            f"'{model.name}' is a KenLM binary, which only serves to decode; for perplexities give the ARPA file that "
            f"it was made from"
        )
    return _load(model)


@cached(LRUCache(MAX_SCORERS), key=lambda model: model.fingerprint, condition=threading.Condition())
def _load(model: LanguageModel) -> NgramScorer:
    return NgramScorer.read(model.path)
