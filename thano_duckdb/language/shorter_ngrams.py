"""Whether KenLM can load a model that lacks shorter n-grams of its longer ones.

`foo bar baz` needs its context `foo bar`. A model that was pruned may lack the ending `bar baz`: KenLM adds it, without
a probability, to a hash table that has room for half as many entries again (`lm/search_hashed.cc` and
`util/probing_hash_table.hh` of KenLM), and cannot load the model where they are more.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from thano_duckdb.errors import ModelError, brief

from .arpa import damaged

_ROOM = 1.5
"""Entries of a table for each n-gram: the default of `probing_multiplier`."""


class ShorterNgrams:
    """Checks the shorter n-grams of a model as it is read, and remembers the endings that KenLM must add."""

    def __init__(self, n_ngrams: Sequence[int], path: Path) -> None:
        """Take the number of n-grams of each order, from 1, and the file for messages."""
        self._n_ngrams = n_ngrams
        self._path = path
        self._added: dict[int, NDArray[np.uint64]] = {}

    def check(
        self,
        order: int,
        part: Callable[[slice], NDArray[np.uint64]],
        known: Sequence[NDArray[np.uint64]],
        words_of: Callable[[int], Sequence[str]],
    ) -> None:
        """Look at some n-grams of an order.

        Args:
            order: at least 3.
            part: gives the hashes of some of the words of each, shape (n-grams,).
            known: the hashes of the n-grams of each lower order from 1, sorted.
            words_of: gives the words of one.

        Raises:
            ModelError: KenLM cannot load the model.
        """
        rows: NDArray[np.intp] | None = None  # those that lack the endings so far
        for length in range(order - 1, 1, -1):
            ending = slice(-length, None)
            hashes = part(ending) if rows is None else part(ending)[rows]
            is_missing = ~np.isin(hashes, known[length - 1])
            rows = np.flatnonzero(is_missing) if rows is None else rows[is_missing]
            if not len(rows):
                break
            n = self._n_ngrams[length - 1]
            added = np.union1d(self._added.get(length, np.zeros(0, np.uint64)), hashes[is_missing])
            self._added[length] = added
            if len(added) > (room := max(n + 1, int(_ROOM * n)) - n - 1):
                raise self._missing(words_of(int(rows[0])), ending, f" (KenLM can add {room:,} such {length}-grams)")
        contexts = part(slice(order - 1))
        added = self._added.get(order - 1, np.zeros(0, np.uint64))
        if len(rows := np.flatnonzero(~np.isin(contexts, known[order - 2]) & ~np.isin(contexts, added))):
            raise self._missing(words_of(int(rows[0])), slice(order - 1), "")

    def _missing(self, words: Sequence[str], part: slice, more: str) -> ModelError:
        whole, lacking = brief(" ".join(words)), brief(" ".join(words[part]))
        return damaged(
            self._path,
            f"it has the {len(words)}-gram {whole} without the {len(words[part])}-gram {lacking}{more}, so that KenLM "
            f"cannot load it",
        )
