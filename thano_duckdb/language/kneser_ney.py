"""Estimates the probabilities of counted n-grams: interpolated modified Kneser-Ney, in SQL.

Chen and Goodman 1998, `An empirical study of smoothing techniques for language modeling`, equations 21 to 26, as in
KenLM's lmplz (Heafield et al. 2013): unigrams are interpolated with the uniform distribution over all words, </s> and
<unk>.

From the tables of `ngram_counts`, for each order k:

    context{k}(w1, .., w{k-1}, total, gamma)    gamma: the weight of the shorter context
    ngram{k}(w1, .., wk, n, p, q)               p: probability of wk after w1 .. w{k-1}; q: after w2 .. w{k-1} only
"""

from __future__ import annotations

from dataclasses import dataclass

from .ngram_counts import START_ID, TextStore, words


@dataclass(frozen=True)
class Discounts:
    """What is taken from n-grams that were counted once, twice, and more often."""

    once: float
    twice: float
    more: float

    def sql(self, count: str) -> str:
        """The discount of a count, as SQL."""
        return f"CASE {count} WHEN 1 THEN {self.once} WHEN 2 THEN {self.twice} ELSE {self.more} END"


FALLBACK = Discounts(0.5, 1.0, 1.5)
"""Where the text is too small, or too repetitive, to estimate them: those of KenLM's `--discount_fallback`."""


def discounts(counts_of_counts: dict[int, int]) -> Discounts:
    """The discounts of an order (equation 26), or `FALLBACK` where they come out of range.

    Args:
        counts_of_counts: how many n-grams were counted once, twice, three and four times.
    """
    n1, n2, n3, n4 = (counts_of_counts.get(count, 0) for count in (1, 2, 3, 4))
    if not (n1 and n2 and n3):
        return FALLBACK
    y = n1 / (n1 + 2 * n2)
    found = Discounts(1 - 2 * y * n2 / n1, 2 - 3 * y * n3 / n2, 3 - 4 * y * n4 / n3)
    in_range = 0 < found.once <= 1 and 0 < found.twice <= 2 and 0 < found.more <= 3
    return found if in_range else FALLBACK


def estimate(store: TextStore, order: int) -> None:
    """Make the tables `context` and `ngram` of every order."""
    for k in range(1, order + 1):
        _estimate_contexts(store, k)
        _estimate_ngrams(store, k)
        store.connection.execute(f"DROP TABLE count{k}")


def _estimate_contexts(store: TextStore, k: int) -> None:
    run = store.connection.execute
    counts = dict(run(f"SELECT n, count(*) FROM count{k} WHERE n <= 4 GROUP BY n").fetchall())
    chosen = discounts(counts)
    run(f"""
        CREATE TABLE context{k} AS
        SELECT {words(k - 1) + "," if k > 1 else ""}
            sum(n)::BIGINT AS total,
            (
                {chosen.once} * count(*) FILTER (n = 1)
                + {chosen.twice} * count(*) FILTER (n = 2)
                + {chosen.more} * count(*) FILTER (n > 2)
            ) / sum(n) AS gamma
        FROM count{k} {"GROUP BY ALL" if k > 1 else ""}
    """)
    run(f"CREATE MACRO discount{k}(n) AS {chosen.sql('n')}")


def _estimate_ngrams(store: TextStore, k: int) -> None:
    run = store.connection.execute
    if k == 1:
        run(f"""
            CREATE TABLE ngram1 AS
            SELECT id AS w1, coalesce(n, 0) AS n, coalesce((n - discount1(n)) / total, 0) + gamma * q AS p, q
            FROM vocabulary LEFT JOIN count1 ON w1 = id, context1,
                (SELECT 1 / (count(*) - 1) AS q FROM vocabulary)
            WHERE id <> {START_ID}
        """)
        return
    shorter = " AND ".join(f"shorter.w{j} = longer.w{j + 1}" for j in range(1, k))
    run(f"""
        CREATE TABLE ngram{k} AS
        SELECT {words(k, table="longer")}, longer.n, shorter.p AS q,
            (longer.n - discount{k}(longer.n)) / total + gamma * shorter.p AS p
        FROM count{k} AS longer
        JOIN context{k} USING ({words(k - 1)})
        JOIN ngram{k - 1} AS shorter ON {shorter}
    """)
