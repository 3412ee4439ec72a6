"""The files that a query reads, and the same query with stand-ins in their place, which DuckDB can plan and serialize.

DuckDB cannot serialize a plan that reads a file. What else a query does, its plan says: so each read of a file is
replaced by columns of the same names and types, without rows. That is done only where reading the files once more
changes nothing and is cheap: they are regular files of this machine, not pipes or URLs, and DuckDB's own readers read
them.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import PurePath

import duckdb

from thano_duckdb.dialect.quoting import identifier, literal

from .query_plan import Tree, builtin_functions, nodes, parse, to_sql
from .view_expansion import cte_names, expand_views

_READERS = frozenset(
    {
        *("read_parquet", "parquet_scan", "read_csv", "read_csv_auto"),
        *("read_json", "read_json_auto", "read_ndjson", "read_ndjson_auto"),
    }
)
"""DuckDB's table functions that give the same rows as long as their files stay the same."""
_AUDIO_FILES = "thano_audio"
_FILE = re.compile(r".*\.(?:parquet|[ct]sv|json|jsonl|ndjson)(?:\.gz|\.zst)?", re.IGNORECASE | re.DOTALL)
"""What DuckDB takes for a file where a table is expected, and no table has that name."""
_MAX_FILES = 10_000
"""Files that are looked at before a statement starts."""


@dataclass(frozen=True)
class StandIns:
    """A query without its reads of files.

    Attributes:
        sql: the query, with a stand-in for each of them; the query itself where it reads none.
        reads_files: whether there are any.
        calls_macros: whether our own macros are among them.
    """

    sql: str
    reads_files: bool = False
    calls_macros: bool = False


def stand_ins(connection: duckdb.DuckDBPyConnection, query: str) -> StandIns | None:
    """The query without its reads of files, which are not begun; None where it must not be planned, or read again.

    It must not be planned where that alone would change something: DuckDB then opens the files, and calls the functions
    in the arguments of table functions. That covers the query and its views; what a macro reads is not replaced.

    Raises:
        duckdb.Error: a file cannot be read.
    """
    if (tree := parse(connection, query)) is None:
        return None
    expand_views(connection, tree)
    functions = [node for node in nodes(tree) if node.get("type") == "TABLE_FUNCTION"]
    if not all(map(_may_be_bound, functions)):
        return None
    readers = [node for node in functions if _function(node) in {*_READERS, _AUDIO_FILES}]
    called = {_function(node) for node in readers}
    reads = [*readers, *_replaced_names(connection, tree)]
    if not reads:
        return StandIns(query)
    if not (all(_is_cheap(connection, node) for node in reads) and _are_builtin(connection, called & _READERS)):
        return None
    for node in reads:
        stand_in = _stand_in(connection, node)
        node.clear()
        node.update(stand_in)
    return StandIns(to_sql(connection, tree), reads_files=True, calls_macros=_AUDIO_FILES in called)


def _may_be_bound(node: Tree) -> bool:
    """Whether calling the functions in the arguments of a table function changes nothing."""
    arguments = node["function"]["arguments"]
    if _function(node) == "glob" and "://" in json.dumps(arguments):
        return False
    called = {each["function_name"] for each in nodes(arguments) if "function_name" in each}
    return called <= builtin_functions("CONSISTENT", "CONSISTENT_WITHIN_QUERY")


def _replaced_names(connection: duckdb.DuckDBPyConnection, tree: Tree) -> list[Tree]:
    """The tables that are files: `FROM 'calls.parquet'`."""
    named = [node for node in nodes(tree) if node.get("type") == "BASE_TABLE" and _FILE.fullmatch(node["table_name"])]
    if not named:
        return []
    tables = """
        SELECT table_name FROM system.main.duckdb_tables() UNION ALL SELECT view_name FROM system.main.duckdb_views()
    """
    taken = cte_names(tree) | {name.lower() for (name,) in connection.sql(tables).fetchall()}
    return [
        node for node in named if len(node["qualified_name"]["path"]) == 1 and node["table_name"].lower() not in taken
    ]


def _are_builtin(connection: duckdb.DuckDBPyConnection, functions: set[str]) -> bool:
    """Whether nobody has made a macro or a function of one of these names."""
    if not functions:
        return True
    names = ", ".join(map(literal, sorted(functions)))
    others = f"""
        SELECT 1 FROM system.main.duckdb_functions()
        WHERE NOT internal AND system.main.lower(function_name) IN ({names}) LIMIT 1
    """
    return not connection.sql(others).fetchall()


def _is_cheap(connection: duckdb.DuckDBPyConnection, node: Tree) -> bool:
    """Whether what a read names are files of this machine, which can be read once more."""
    if node.get("with_ordinality", "WITHOUT_ORDINALITY") != "WITHOUT_ORDINALITY" or node.get("at_clause"):
        return False  # there is no stand-in for these
    paths = [node["table_name"]] if node["type"] == "BASE_TABLE" else _paths(node)
    if not paths or any("://" in path for path in paths):
        return False
    return _function(node) == _AUDIO_FILES or _are_regular_files(connection, paths)


def _paths(node: Tree) -> list[str]:
    """The constant paths that a reader is given; none where it is given others, or stores the rows that it rejects."""
    first, *options = node["function"]["arguments"] or [{"name": "?"}]
    if first["name"] or any("rejects" in json.dumps(option) for option in options):
        return []
    path = first["expression"]
    given = [each["expression"] for each in path["arguments"]] if path.get("function_name") == "list_value" else [path]
    literals = [each.get("literal", {}) for each in given]
    return [each["text"] for each in literals] if all(each.get("kind") == "STRING" for each in literals) else []


def _are_regular_files(connection: duckdb.DuckDBPyConnection, patterns: Iterable[str]) -> bool:
    """Whether there are files of these names and patterns, not too many, and no pipe, whose bytes come only once."""
    n_files = 0
    for pattern in patterns:
        found = f"SELECT file FROM system.main.glob({literal(pattern)}) LIMIT {_MAX_FILES + 1}"
        files = [file for (file,) in connection.sql(found).fetchall()]
        n_files += len(files)
        if not files or n_files > _MAX_FILES or not all(map(os.path.isfile, files)):
            return False
    return True


def _stand_in(connection: duckdb.DuckDBPyConnection, node: Tree) -> Tree:
    """What stands in a parse tree in place of a read: NULLs of its types, under its names."""
    read = _select_from(connection, node | {"alias": "", "column_name_alias": [], "sample": None})
    columns = ", ".join(
        f"NULL::{row[1]} AS {identifier(row[0])}" for row in connection.sql(f"DESCRIBE {read}").fetchall()
    )
    alias = PurePath(node["table_name"]).stem if node["type"] == "BASE_TABLE" else _function(node)
    tree = parse(connection, f"FROM (SELECT {columns})")
    assert tree is not None
    stand_in: Tree = tree["statements"][0]["node"]["from_table"]
    kept = {name: node[name] for name in ("column_name_alias", "sample")}
    return stand_in | kept | {"alias": node["alias"] or alias}


def _select_from(connection: duckdb.DuckDBPyConnection, table: Tree) -> str:
    tree = parse(connection, "FROM t")
    assert tree is not None
    tree["statements"][0]["node"]["from_table"] = table
    return to_sql(connection, tree)


def _function(node: Tree) -> str:
    """The table function of a node, if it calls one."""
    return str(node.get("function", {}).get("function_name", "")).lower()
