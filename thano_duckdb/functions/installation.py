"""Puts our functions and macros on a DuckDB connection.

Functions belong to the database instance and are registered once; macros and the session belong to a connection.
Nothing is written into the database file.
"""

from __future__ import annotations

import importlib.resources
import threading
from importlib.resources.abc import Traversable

import duckdb

from thano_duckdb.connection.session import Session, Settings, open_session

from . import audio_files, audio_info, error_rates, evaluate, model_registry, replaced_columns, train, transcribe
from .arrow import Function

FUNCTIONS: tuple[Function, ...] = (
    *transcribe.FUNCTIONS,
    *audio_info.FUNCTIONS,
    *audio_files.FUNCTIONS,
    *error_rates.FUNCTIONS,
    *evaluate.FUNCTIONS,
    *train.FUNCTIONS,
    *model_registry.FUNCTIONS,
    *replaced_columns.FUNCTIONS,
)

_registering = threading.Lock()


def install(connection: duckdb.DuckDBPyConnection, settings: Settings) -> Session:
    """Register the functions unless the database already has them, create the macros, and open the session."""
    with _registering:
        known = {
            name
            for (name,) in connection.execute(
                "SELECT DISTINCT function_name FROM duckdb_functions() WHERE database_name = 'system'"
                " AND (starts_with(function_name, 'thano_') OR starts_with(function_name, '_thano_'))"
            ).fetchall()
        }
        for function in FUNCTIONS:
            if function.name not in known:
                function.register(connection)
    connection.execute(_macros())
    return open_session(connection, settings)


def _macros() -> str:
    """The text of `macros.sql`."""
    return sql_folder().joinpath("macros.sql").read_text(encoding="utf-8")


def sql_folder() -> Traversable:
    """The folder of our SQL files: inside the package in a wheel, beside it in an editable install."""
    package = importlib.resources.files("thano_duckdb")
    inside = package.joinpath("sql")
    return inside if inside.is_dir() else package.joinpath("..", "sql")
