"""Reading the query of a statement once more, on a cursor, while DuckDB runs the statement.

The second reading is only a forecast of the rows that DuckDB will ask for: nothing of it reaches the result. Still it
must change nothing (a sequence, say), and should give the same rows.
"""

from __future__ import annotations

import contextlib
from dataclasses import dataclass

import duckdb

from thano_duckdb.dialect import WholeReading
from thano_duckdb.dialect.quoting import literal

from .access import in_transaction
from .file_reads import stand_ins
from .query_plan import QueryPlan, builtin_functions, plan_of, planning

_SCANS = frozenset({"seq_scan", "range", "generate_series", "glob", "unnest"})
_REFUSED = ("LOGICAL_SAMPLE", "VALUE_PARAMETER")
"""In the text of a plan: a sample, and a parameter."""
_SEARCH_PATH = "SELECT system.main.current_setting('search_path')"


@dataclass(frozen=True)
class SecondReading:
    """A query of the clips of a statement, and what a cursor needs to read what the statement reads.

    Attributes:
        clips_sql: see `WholeReading`.
        search_path: where the connection looks for tables.
        calls_macros: whether the query calls our own macros, which a cursor does not have.
    """

    clips_sql: str
    search_path: str
    calls_macros: bool = False

    def prepare(self, cursor: duckdb.DuckDBPyConnection) -> None:
        """Let a cursor find the same tables as the connection, and no variables of Python.

        Raises:
            duckdb.Error: it cannot.
        """
        cursor.execute("SET python_enable_replacements = false")
        if self.search_path:
            cursor.execute(f"SET search_path = {literal(self.search_path)}")


def find_second_reading(connection: duckdb.DuckDBPyConnection, whole: WholeReading) -> SecondReading | None:
    """How a cursor of `connection` reads the clips of a statement, or None where it must not, or cannot.

    It must not within a transaction, whose changes it does not see; nor where the query calls functions that are not
    DuckDB's own or give something else each time, takes a sample, or reads anything but tables of DuckDB's catalog and
    files of this machine (see `file_reads`): variables of Python, URLs, pipes. DuckDB's serialized plan, in which views
    and macros are expanded, says all of that; it also says whether the cursor finds the same tables. Nothing is run.
    """
    with contextlib.suppress(duckdb.Error, RecursionError):
        if in_transaction(connection):
            return None
        ((search_path,),) = connection.sql(_SEARCH_PATH).fetchall()
        with planning(connection):
            if (files := stand_ins(connection, whole.query)) is None:
                return None
            if (plan := plan_of(connection, files.sql)) is None or not _is_harmless(plan):
                return None
        found = SecondReading(whole.clips_sql, search_path, files.calls_macros)
        with contextlib.closing(connection.cursor()) as cursor:
            found.prepare(cursor)
            with planning(cursor):
                if plan_of(cursor, files.sql) == plan:
                    return found
    return None


def _is_harmless(plan: QueryPlan) -> bool:
    """Whether a query of this plan may be run twice."""
    if any(refused in plan.text for refused in _REFUSED) or ("glob" in plan.functions and "://" in plan.text):
        return False
    return plan.functions <= _SCANS | builtin_functions("CONSISTENT", "CONSISTENT_WITHIN_QUERY")
