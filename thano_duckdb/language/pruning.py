"""Drops the n-grams that say little beyond what the shorter ones say: entropy pruning, in SQL.

Stolcke 1998, `Entropy-based pruning of backoff language models`. The probability of a context is its relative frequency
in the text, since the lower orders of Kneser-Ney are not made to give it (Chelba et al. 2010). An n-gram also stays if
a longer one that stays begins or ends with it, which every reader of ARPA files can rely on.

From the tables of `kneser_ney`:

    kept{k}(w1, .., wk, p)                 the n-grams that stay
    backoff{k}(w1, .., w{k-1}, backoff)    what the probability after the shorter context is multiplied by
"""

from __future__ import annotations

from .ngram_counts import TextStore, windows, words


def prune(store: TextStore, order: int, threshold: float) -> None:
    """Make the tables `kept` and `backoff` of every order.

    Args:
        store: with estimated n-grams.
        order: the highest.
        threshold: an n-gram goes if the perplexity of the text grows by less than this share without it; 0 keeps all.
    """
    store.connection.execute("CREATE TABLE kept1 AS SELECT w1, p FROM ngram1")
    for k in range(order, 1, -1):
        _score(store, k, order)
        _keep(store, k, order, threshold)
        _back_off(store, k)


def _score(store: TextStore, k: int, order: int) -> None:
    """Make `scored{k}`: each n-gram with `growth`, the relative growth of the perplexity without it."""
    run = store.connection.execute
    context = words(k - 1)
    if k == order:
        run(f"CREATE TABLE frequency{k} AS SELECT {context}, total AS n FROM context{k}")
    else:
        run(f"CREATE TABLE frequency{k} AS SELECT {context}, count(*) AS n FROM {windows(k - 1)} GROUP BY ALL")
    # `unseen`: the probability of all words that were not seen after the context, by the shorter context.
    run(f"""
        CREATE TABLE scored{k} AS
        WITH mass AS (
            SELECT {context}, greatest(1 - fsum(q), 1e-12) AS unseen FROM ngram{k} GROUP BY ALL
        ), joined AS (
            SELECT {words(k, table=f"ngram{k}")}, p, q, gamma, unseen, (gamma * unseen + p) / (unseen + q) AS new_gamma,
                frequency.n / (SELECT sum(len(ids) - 1) FROM ids) AS context_p
            FROM ngram{k}
            JOIN context{k} USING ({context})
            JOIN mass USING ({context})
            JOIN frequency{k} AS frequency USING ({context})
        )
        SELECT {words(k)}, p, q, gamma, unseen,
            exp(-context_p * (p * (ln(q) + ln(new_gamma) - ln(p)) + gamma * unseen * (ln(new_gamma) - ln(gamma)))) - 1
                AS growth
        FROM joined
    """)
    run(f"DROP TABLE frequency{k}")


def _keep(store: TextStore, k: int, order: int, threshold: float) -> None:
    needed = ""
    if k < order:
        ends = ", ".join(f"w{j + 1} AS w{j}" for j in range(1, k + 1))
        needed = f"""
            OR EXISTS (FROM (SELECT {words(k)} FROM kept{k + 1} UNION SELECT {ends} FROM kept{k + 1}) AS longer
                       WHERE {" AND ".join(f"longer.w{j} = scored.w{j}" for j in range(1, k + 1))})
        """
    store.connection.execute(f"""
        CREATE TABLE marked{k} AS
        SELECT {words(k)}, p, q, gamma, unseen, growth >= {threshold} {needed} AS stays FROM scored{k} AS scored
    """)
    store.connection.execute(f"CREATE TABLE kept{k} AS SELECT {words(k)}, p FROM marked{k} WHERE stays")


def _back_off(store: TextStore, k: int) -> None:
    """The weights with which the probabilities of all words sum to 1 again."""
    store.connection.execute(f"""
        CREATE TABLE backoff{k} AS
        SELECT {words(k - 1)},
            (any_value(gamma * unseen) + coalesce(fsum(p) FILTER (NOT stays), 0))
            / (any_value(unseen) + coalesce(fsum(q) FILTER (NOT stays), 0)) AS backoff
        FROM marked{k}
        GROUP BY ALL
        HAVING bool_or(stays)
    """)
    store.connection.execute(f"DROP TABLE scored{k}; DROP TABLE marked{k}")
