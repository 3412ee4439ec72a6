"""Reading the query of a statement once more, on a cursor, while DuckDB runs the statement.

The second reading is only a forecast of the rows that DuckDB will ask for: nothing of it reaches the result. Still it
must change nothing (a sequence, say), and should give the same rows.
"""

from __future__ import annotations

import contextlib
import json
from dataclasses import dataclass

import duckdb

from thano_duckdb.dialect import WholeReading
from thano_duckdb.dialect.quoting import literal

from .access import in_transaction
from .row_count import builtin_functions, called_functions

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
    """

    clips_sql: str
    search_path: str

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
    DuckDB's own or give something else each time, takes a sample, or reads what DuckDB's catalog does not hold: files,
    and variables of Python. DuckDB's serialized plan, in which views and macros are expanded, says all of that; it also
    says whether the cursor finds the same tables. Nothing is run.
    """
    with contextlib.suppress(duckdb.Error):
        if in_transaction(connection) or (plan := _plan(connection, whole.query)) is None:
            return None
        ((search_path,),) = connection.sql(_SEARCH_PATH).fetchall()
        found = SecondReading(whole.clips_sql, search_path)
        with contextlib.closing(connection.cursor()) as cursor:
            found.prepare(cursor)
            if _plan(cursor, whole.query) == plan:
                return found
    return None


def _plan(connection: duckdb.DuckDBPyConnection, query: str) -> str | None:
    """The plan of a query as JSON, if it may be run twice."""
    # Not optimized: the optimizer calls functions of constants.
    serialize = f"SELECT system.main.json_serialize_plan({literal(query)}, optimize := false)"
    ((plan,),) = connection.sql(serialize).fetchall()
    parsed = json.loads(plan)
    if parsed["error"] or any(refused in plan for refused in _REFUSED):
        return None
    is_harmless = set(called_functions(parsed)) <= _SCANS | builtin_functions("CONSISTENT", "CONSISTENT_WITHIN_QUERY")
    return plan if is_harmless else None
