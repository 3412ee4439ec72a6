"""How many rows a query has, counted only where that changes nothing."""

from __future__ import annotations

import contextlib
import functools
import json
from collections.abc import Iterator
from typing import Any

import duckdb

_TABLE_SCAN = "seq_scan"


def count_rows(connection: duckdb.DuckDBPyConnection, query: str) -> int | None:
    """The number of rows of a query that only reads tables; None of any other, which is not run.

    To run a query once more may change something: it may advance a sequence, or call a function of somebody's, also
    within a view. It is counted on a cursor, which has none of our functions.
    """
    counting = f"SELECT system.main.count_star() FROM ({query})"
    with contextlib.closing(connection.cursor()) as cursor, contextlib.suppress(duckdb.Error):
        plan_query = "SELECT system.main.json_serialize_plan(?, optimize := false)"  # runs nothing
        ((plan,),) = cursor.execute(plan_query, [counting]).fetchall()
        called = set(called_functions(json.loads(plan)))
        if _TABLE_SCAN not in called:  # also where DuckDB cannot serialize the plan
            return None
        if called - {_TABLE_SCAN} <= builtin_functions("CONSISTENT"):
            ((n_rows,),) = cursor.execute(counting).fetchall()
            return int(n_rows)
    return None


@functools.cache
def builtin_functions(*stabilities: str) -> frozenset[str]:
    """DuckDB's scalar and aggregate functions that are as stable as one of `stabilities` says.

    CONSISTENT: they give the same for the same arguments; CONSISTENT_WITHIN_QUERY: within a query, such as `now()`.

    A database of its own is asked, since those of a connection include the user's.
    """
    consistent = """
        SELECT function_name FROM duckdb_functions()
        WHERE function_type IN ('scalar', 'aggregate') GROUP BY ALL HAVING bool_and(list_contains(?, stability))
    """
    with duckdb.connect() as private:
        return frozenset(name for (name,) in private.execute(consistent, [stabilities]).fetchall())


def called_functions(plan: Any) -> Iterator[str]:
    """The names of the functions in a plan, scans of tables being functions too."""
    if isinstance(plan, dict):
        if "qname" in plan:
            yield plan["qname"]["path"][-1]
        plan = list(plan.values())
    if isinstance(plan, list):
        for part in plan:
            yield from called_functions(part)
