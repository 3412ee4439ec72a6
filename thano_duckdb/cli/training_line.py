"""The line under the table of BUILD and FIT, whose columns rarely all fit into a terminal."""

from __future__ import annotations

from duckdb import DuckDBPyRelation

from thano_duckdb.connection import Connection
from thano_duckdb.dialect import plan
from thano_duckdb.dialect.statements.build_and_fit import TrainingNode


def training_line(connection: Connection, statement: str, relation: DuckDBPyRelation) -> str | None:
    """What the statement has trained, and how good it is beside its base; None for a statement of another kind."""
    statements = plan(statement).statements
    if not statements or not isinstance(statements[0], TrainingNode) or relation.columns[:2] != ["model", "version"]:
        return None
    name, version = relation.fetchall()[0][:2]
    rows = connection.execute(
        "SELECT description FROM thano_models() WHERE name = ? AND version = ?", [name, version]
    ).fetchall()  # all of it, so that the next statement can run
    return f"{name}@{version}: {rows[0][0]}" if rows else None
