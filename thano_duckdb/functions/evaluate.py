"""`_thano_scores` and `_thano_group_scores`: the metrics of EVALUATE for a group of rows."""

from __future__ import annotations

from typing import Any

import pyarrow as pa

from thano_duckdb.connection.session import Session
from thano_duckdb.option import StatementKind
from thano_duckdb.speech.decoding.hotwords import alphabet_of
from thano_duckdb.speech.evaluation_metrics import ScoredUtterance, scores
from thano_duckdb.text_options import SCORING_OPTIONS

from . import arguments
from .arrow import Function, parse_options, per_row

SCORES = pa.list_(pa.struct([pa.field("metric", pa.string()), pa.field("score", pa.float64())]))
_RATES = ("wer", "wer_low", "wer_high", "cer", "ser")
_COUNTS = ("substitutions", "deletions", "insertions", "words", "clips", "failed")
GROUP_SCORES = pa.struct(
    [
        *(pa.field(name, pa.float64()) for name in _RATES),
        *(pa.field(name, pa.int64()) for name in _COUNTS),
        pa.field("audio_hours", pa.float64()),
    ]
)


def evaluate(session: Session, rows: list[dict[str, Any]] | None, options: object) -> list[dict[str, Any]]:
    """The metrics of all rows, one below the other.

    Args:
        session: of the connection that calls; its statement knows the speed over real time of what it computed itself,
            which is NULL where every transcript came from the cache.
        rows: STRUCT(reference, hypothesis, duration, error) of each row; NULL, as DuckDB's `list` gives it, for none.
        options: those of EVALUATE, as JSON text or a STRUCT, or NULL; only `SCORING_OPTIONS` matter here.
    """
    metrics = scores(_utterances(session, rows), interval=False, **_how(options))
    metrics["speed"] = session.statement.speed if session.statement is not None else None
    return [{"metric": metric, "score": score} for metric, score in metrics.items()]


def evaluate_group(session: Session, rows: list[dict[str, Any]] | None, options: object) -> dict[str, float | None]:
    """The metrics of one of several groups side by side, with an interval of its WER; counts are integers."""
    return scores(_utterances(session, rows), interval=True, **_how(options))


def _how(options: object) -> dict[str, Any]:
    given = parse_options(options, "thano_evaluate", StatementKind.EVALUATE)
    return {name: given[name] for name in SCORING_OPTIONS if name in given}


def _utterances(session: Session, rows: list[dict[str, Any]] | None) -> list[ScoredUtterance]:
    """The rows to score; the statement warns where there are none, and of those that hold nothing to score."""
    if not rows:
        session.notice("There are no rows to evaluate: all rates are NULL.")
        return []
    n_without_reference = sum(row["reference"] is None for row in rows)
    n_without_audio = sum(
        row["reference"] is not None and row["hypothesis"] is None and row["error"] is None for row in rows
    )
    session.rows_not_scored(n_without_reference, n_without_audio)
    if session.statement is not None and (vocabulary := session.statement.vocabulary) is not None:
        references = [row["reference"] for row in rows if row["reference"] is not None]
        session.statement.references_unwritable(*alphabet_of(vocabulary).cannot_write(references))
    return [ScoredUtterance(row["reference"], row["hypothesis"], row["duration"]) for row in rows]


_ROWS = arguments.rows(
    reference=arguments.text("the reference"),
    hypothesis=arguments.text("the hypothesis"),
    duration=arguments.number("the duration"),
    error=arguments.text("the error"),
)

FUNCTIONS = (
    Function("_thano_scores", per_row(evaluate, SCORES), SCORES, (_ROWS, arguments.options)),
    Function("_thano_group_scores", per_row(evaluate_group, GROUP_SCORES), GROUP_SCORES, (_ROWS, arguments.options)),
)
