"""How many rows a query has, counted only where that changes nothing."""

from __future__ import annotations

import contextlib

import duckdb

from .file_reads import stand_ins
from .query_plan import builtin_functions, plan_of, planning

_TABLE_SCAN = "seq_scan"


def count_rows(connection: duckdb.DuckDBPyConnection, query: str) -> int | None:
    """The number of rows of a query that only reads tables; None of any other, which is not run.

    To run a query once more may change something: it may advance a sequence, or call a function of somebody's, also
    within a view. It is counted on a cursor, which has none of our functions.
    """
    counting = f"SELECT system.main.count_star() FROM ({query})"
    with contextlib.closing(connection.cursor()) as cursor, contextlib.suppress(duckdb.Error, RecursionError):
        with planning(cursor):
            found = stand_ins(cursor, counting)
            plan = None if found is None or found.reads_files else plan_of(cursor, counting)
        called = plan.functions if plan is not None else frozenset()
        if _TABLE_SCAN in called and called - {_TABLE_SCAN} <= builtin_functions("CONSISTENT"):
            ((n_rows,),) = cursor.execute(counting).fetchall()
            return int(n_rows)
    return None
