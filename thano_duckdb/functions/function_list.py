"""`thano_functions()`: our functions, as `macros.sql` defines them and `function_comments.sql` describes them.

DuckDB's own list, `duckdb_functions()`, is not asked: a macro cannot call it where a database file has macros of the
names of DuckDB's functions.
"""

from __future__ import annotations

import functools
import re
from typing import Any

import pyarrow as pa

from thano_duckdb.connection.session import Session

from .arrow import Function, per_row
from .sql_files import read_comments, read_macros

FUNCTION = pa.struct(
    [
        pa.field("function_name", pa.string()),
        pa.field("function_type", pa.string()),
        pa.field("parameters", pa.list_(pa.string())),
        pa.field("description", pa.string()),
        pa.field("example", pa.string()),
    ]
)
_MACRO = re.compile(r"TEMP MACRO (?P<name>thano_\w+)\((?P<parameters>[^)]*)\) AS(?P<is_table> TABLE)?\b")
_COMMENT = re.compile(
    r"COMMENT ON MACRO (?:TABLE )?temp\.main\.(?P<name>\w+) IS\s+"
    r"'(?P<description>(?:[^'\n]|'')*)\nExample: (?P<example>(?:[^']|'')*)';"
)


def list_functions(_session: Session) -> list[dict[str, Any]]:
    """A `FUNCTION` for each macro that has a comment, by name; parameters are as `CREATE MACRO` has them."""
    return _functions()


@functools.cache
def _functions() -> list[dict[str, Any]]:
    macros = {found["name"]: found for found in _MACRO.finditer(read_macros())}
    functions = []
    for comment in _COMMENT.finditer(read_comments()):
        macro = macros[comment["name"]]
        functions.append(
            {
                "function_name": comment["name"],
                "function_type": "table_macro" if macro["is_table"] else "macro",
                "parameters": [each.strip() for each in macro["parameters"].split(",") if each.strip()],
                "description": comment["description"].replace("''", "'"),
                "example": comment["example"].replace("''", "'"),
            }
        )
    return sorted(functions, key=lambda function: str(function["function_name"]))


FUNCTIONS = (
    Function(
        "_thano_functions", per_row(list_functions, pa.list_(FUNCTION)), pa.list_(FUNCTION), changes_something=True
    ),
)
