"""What DuckDB says of a query without running it: its parse tree and its plan, both as JSON."""

from __future__ import annotations

import contextlib
import functools
import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import duckdb

from thano_duckdb.dialect.quoting import literal

Tree = dict[str, Any]


def parse(connection: duckdb.DuckDBPyConnection, query: str) -> Tree | None:
    """The parse tree of a query, views and macros not expanded; None where the text is no SELECT.

    Raises:
        RecursionError: its expressions are nested too deeply.
    """
    ((text,),) = connection.sql(f"SELECT system.main.json_serialize_sql({literal(query)})").fetchall()
    tree: Tree = json.loads(text)
    return None if tree["error"] else tree


def to_sql(connection: duckdb.DuckDBPyConnection, tree: Tree) -> str:
    """The query of a parse tree."""
    ((sql,),) = connection.sql(f"SELECT system.main.json_deserialize_sql({literal(json.dumps(tree))})").fetchall()
    return str(sql)


@dataclass(frozen=True)
class QueryPlan:
    """The plan of a query, views and macros expanded.

    Attributes:
        text: JSON.
        functions: the names of those that it calls, scans of tables being functions too.
    """

    text: str
    functions: frozenset[str]


def plan_of(connection: duckdb.DuckDBPyConnection, query: str) -> QueryPlan | None:
    """The plan of a query; None where DuckDB cannot plan it, or cannot serialize the plan. Call it within `planning`.

    Raises:
        RecursionError: its expressions are nested too deeply.
    """
    # Not optimized: the optimizer calls functions of constants.
    serialize = f"SELECT system.main.json_serialize_plan({literal(query)}, optimize := false)"
    ((text,),) = connection.sql(serialize).fetchall()
    plan = json.loads(text)
    if plan["error"]:
        return None
    return QueryPlan(text, frozenset(node["qname"]["path"][-1] for node in nodes(plan) if "qname" in node))


@contextlib.contextmanager
def planning(connection: duckdb.DuckDBPyConnection) -> Iterator[None]:
    """A transaction that is rolled back.

    DuckDB calls the functions in the arguments of a table function while it plans. Where one of them changes something
    (`FROM range(nextval('s'))`), the commit of a query that should only read would make the whole database unusable.
    """
    connection.begin()
    try:
        yield
    finally:
        connection.rollback()


def nodes(tree: Any) -> Iterator[Tree]:
    """All objects in a parse tree or a plan. Without recursion: expressions are nested up to a thousand deep."""
    left = [tree]
    while left:
        part = left.pop()
        if isinstance(part, dict):
            yield part
            left.extend(part.values())
        elif isinstance(part, list):
            left.extend(part)


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
