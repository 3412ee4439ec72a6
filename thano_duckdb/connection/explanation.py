"""EXPLAIN of a PREDICT or an EVALUATE: the rows of DuckDB's own EXPLAIN, and what the statement will take."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import duckdb

from thano_duckdb.caller import call_in_user_frame
from thano_duckdb.dialect import PlannedStatement
from thano_duckdb.dialect.quoting import literal

from .request import Request
from .session import Session
from .sql_run import Run, run_leading_statements

COLUMNS = ("explain_key", "explain_value")
"""Of DuckDB's EXPLAIN."""
KEY = "thano_plan"
"""The `explain_key` of our rows, one for each statement."""
_LABELS = {
    "audio_hours": "audio",
    "seconds": "time",
    "memory_bytes": "memory",
    "device_memory_bytes": "GPU memory",
    "batch_s": "batches",
}
_SAID_ELSEWHERE = {"new_audio_hours"}


def explained(
    raw: duckdb.DuckDBPyConnection, session: Session, request: Request, parameters: object
) -> tuple[Request, object]:
    """What to run, and its parameters, instead of an EXPLAIN of our statements; any other request comes back.

    DuckDB and our functions are asked at once, and what is then run gives the rows that they gave. No model is run, not
    even one in the query of the statement: where only that could tell the rows, the plan says so.

    Args:
        raw: the connection.
        session: its session.
        request: of a text; statements in front of an EXPLAIN run first.
        parameters: of the statement.
    """
    if not request.planned:
        return request, parameters
    if len(request.statements) > 1:
        request = run_leading_statements(raw, session, request)
    run = Run(raw, session, request, is_plan=True)
    with run.whole():
        rows = call_in_user_frame(raw.sql, request.sql, params=parameters).fetchall()
        for planned in request.planned:
            rows.append((KEY, _plan(raw, run, planned, parameters)))
    values = ", ".join(f"({', '.join(map(literal, row))})" for row in rows)
    sql = f"SELECT * FROM (VALUES {values}) AS explained({', '.join(COLUMNS)})"
    return Request(request.source, sql, None, shown=text_of(rows), warned_of=request.warned_of), None


def is_explanation(rows: Iterable[Sequence[str]]) -> bool:
    """Whether the rows of an EXPLAIN say something of our statements."""
    return any(key == KEY for key, _ in rows)


def text_of(rows: Iterable[Sequence[str]]) -> str:
    """What to read of the rows of an EXPLAIN."""
    return "\n".join(value.rstrip("\n") for _, value in rows)


def _plan(raw: duckdb.DuckDBPyConnection, run: Run, planned: PlannedStatement, parameters: object) -> str:
    """The plan of a statement as lines, or the reason why there is none."""
    try:
        items = call_in_user_frame(raw.sql, planned.sql, params=parameters).fetchall()
    except duckdb.Error as error:
        if run.is_cancelled:
            raise
        items = [("not planned", None, None, None, _reason(run.translated(error)))]
    shown = [(_LABELS.get(item, item), text) for item, _, _, _, text in items if item not in _SAID_ELSEWHERE]
    width = max(len(label) for label, _ in shown)
    return "\n".join([planned.title, *(f"  {label:<{width}}  {text}" for label, text in shown)])


def _reason(error: Exception) -> str:
    return str(error).strip().splitlines()[0]
