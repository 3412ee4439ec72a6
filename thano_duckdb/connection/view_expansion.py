"""Views in a parse tree, replaced by their queries, so that what they read can be found."""

from __future__ import annotations

import re

import duckdb

from .query_plan import Tree, nodes, parse

_NAME = r'(?:"(?:[^"]|"")*"|[^\W\d]\w*)'
_VIEW = re.compile(rf"CREATE VIEW {_NAME}(?:\.{_NAME})* AS (?P<query>.*);", re.DOTALL)
"""As DuckDB writes it; without names of columns."""
_MAX_VIEWS = 100
_VIEWS = """
    SELECT view_name, sql FROM system.main.duckdb_views()
    WHERE NOT internal AND NOT temporary
        AND database_name = system.main.current_database() AND schema_name = system.main.current_schema()
"""
_TEMPORARY = """
    SELECT table_name FROM system.main.duckdb_tables() WHERE temporary
    UNION ALL SELECT view_name FROM system.main.duckdb_views() WHERE temporary
"""


def expand_views(connection: duckdb.DuckDBPyConnection, tree: Tree) -> None:
    """Replace the views in a parse tree by subqueries, within which the names mean what they mean in the views.

    That is so for views of the schema in use, unless the query has a CTE of a name that the view reads. Other views
    stay, and DuckDB's plan has to say what they are.

    Raises:
        duckdb.Error: DuckDB does not list its views.
    """
    if not _tables(tree):
        return
    views = {name.lower(): sql for name, sql in connection.sql(_VIEWS).fetchall()}
    for (name,) in connection.sql(_TEMPORARY).fetchall() if views else ():
        views.pop(name.lower(), None)
    for _ in range(_MAX_VIEWS):
        ctes = cte_names(tree)
        found = (node for node in _tables(tree) if node["table_name"].lower() in views.keys() - ctes)
        if (node := next(found, None)) is None:
            return
        name = node["table_name"].lower()
        if (subquery := _subquery(connection, views[name], ctes)) is None:
            del views[name]
            continue
        kept = {key: node[key] for key in ("column_name_alias", "sample")}
        alias = node["alias"] or node["table_name"]
        node.clear()
        node.update(subquery | kept | {"alias": alias})


def cte_names(tree: Tree) -> set[str]:
    """The names of the CTEs in a parse tree, in lower case."""
    return {entry["key"].lower() for node in nodes(tree) for entry in node.get("cte_map", {}).get("map", ())}


def _tables(tree: Tree) -> list[Tree]:
    """What a query reads by a name without a schema."""
    tables = (node for node in nodes(tree) if node.get("type") == "BASE_TABLE" and not node["at_clause"])
    return [node for node in tables if len(node["qualified_name"]["path"]) == 1]


def _subquery(connection: duckdb.DuckDBPyConnection, view: str, ctes: set[str]) -> Tree | None:
    if (found := _VIEW.fullmatch(view)) is None:
        return None
    tree = parse(connection, f"FROM ({found['query']})")
    if tree is None or not ctes.isdisjoint(node["table_name"].lower() for node in _tables(tree)):
        return None
    subquery: Tree = tree["statements"][0]["node"]["from_table"]
    return subquery
