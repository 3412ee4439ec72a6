"""`_thano_replaced`: is asked for each column of a query that a new column of the same name replaces."""

from __future__ import annotations

import pyarrow as pa

from thano_duckdb.connection.session import Session

from .arrow import Function, per_row


def replaced(session: Session, column: str) -> bool:
    """Let the statement warn of the column; False: the column does not stay (see the macro `thano_keeps`)."""
    session.column_replaced(column)
    return False


FUNCTIONS = (Function("_thano_replaced", per_row(replaced, pa.bool_()), pa.bool_()),)
