"""Writes a model as an ARPA file compressed by gzip, straight from the tables of `pruning`."""

from __future__ import annotations

import gzip
from collections.abc import Callable
from pathlib import Path

from .ngram_counts import START_ID, TextStore, words

BATCH_ROWS = 100_000
COMPRESSION_LEVEL = 9
_START_LOG10_P = -99
"""<s> is never predicted."""


def write_arpa(
    store: TextStore, order: int, path: Path, *, on_rows: Callable[[int], None] = lambda _n_rows: None
) -> tuple[int, ...]:
    """Write the kept n-grams; the same model gives the same bytes.

    Args:
        store: with pruned n-grams.
        order: the highest.
        path: of the file; it ends with `.arpa.gz`.
        on_rows: is called with the number of n-grams written since the last call.

    Returns:
        The number of n-grams of each order, from 1.
    """
    n_ngrams = tuple(_count(store, k) for k in range(1, order + 1))
    with path.open("wb") as raw, gzip.GzipFile("", "wb", COMPRESSION_LEVEL, raw, mtime=0) as file:
        header = "".join(f"ngram {k}={n}\n" for k, n in enumerate(n_ngrams, 1))
        file.write(f"\\data\\\n{header}".encode())
        for k in range(1, order + 1):
            file.write(f"\n\\{k}-grams:\n".encode())
            rows = store.connection.execute(_lines(k, order))
            while batch := rows.fetchmany(BATCH_ROWS):
                file.write("".join(line for (line,) in batch).encode())
                on_rows(len(batch))
        file.write(b"\n\\end\\\n")
    return n_ngrams


def _count(store: TextStore, k: int) -> int:
    row = store.connection.execute(f"SELECT count(*) FROM kept{k}").fetchone()
    assert row is not None
    return int(row[0]) + (k == 1)


def _lines(k: int, order: int) -> str:
    """A query for the lines of one order, sorted by the ids of their words."""
    kept = f"kept{k}" if k > 1 else f"(FROM kept1 UNION ALL SELECT {START_ID} AS w1, 1e{_START_LOG10_P} AS p)"
    spelled = " || ' ' || ".join(f"word{j}.word" for j in range(1, k + 1))
    vocabularies = " ".join(f"JOIN vocabulary AS word{j} ON word{j}.id = kept.w{j}" for j in range(1, k + 1))
    weights = ""
    backoff = "''"
    if k < order:
        weights = f"LEFT JOIN backoff{k + 1} AS longer USING ({words(k)})"
        # Readers take a missing weight for 1; only contexts need one, and <s> and </s> are followed by none.
        backoff = "coalesce(chr(9) || printf('%.4f', log10(longer.backoff)), '')"
    return f"""
        SELECT printf('%.4f', log10(kept.p)) || chr(9) || {spelled} || {backoff} || chr(10)
        FROM {kept} AS kept {vocabularies} {weights}
        ORDER BY {words(k, table="kept")}
    """
