"""`_thano_scores`: the metrics of EVALUATE for a group of rows; a list of metric and score."""

from __future__ import annotations

from typing import Any

import pyarrow as pa

from thano_duckdb.connection.session import Session
from thano_duckdb.speech.scores import ScoredUtterance, scores

from . import arguments
from .arrow import Function, per_row

SCORES = pa.list_(pa.struct([pa.field("metric", pa.string()), pa.field("score", pa.float64())]))


def evaluate(session: Session, rows: list[dict[str, Any]] | None, grouped: bool) -> list[dict[str, Any]]:
    """The metrics of one group of rows.

    Args:
        session: of the connection that calls; its statement knows how long it has been running.
        rows: STRUCT(reference, hypothesis, duration) of each row; NULL, as DuckDB's `list` gives it, for none.
        grouped: whether it is one of several groups: then with an interval of its WER, and without the speed, which is
            the whole statement's.
    """
    utterances = [ScoredUtterance(row["reference"], row["hypothesis"], row["duration"]) for row in rows or []]
    elapsed_s = session.statement.elapsed_s if session.statement is not None and not grouped else None
    found = scores(utterances, elapsed_s=elapsed_s, interval=grouped)
    return [{"metric": metric, "score": score} for metric, score in found.items()]


_ROWS = arguments.rows(reference=arguments.text("the reference"), hypothesis=arguments.text("the hypothesis"))

FUNCTIONS = (Function("_thano_scores", per_row(evaluate, SCORES), SCORES, (_ROWS,)),)
