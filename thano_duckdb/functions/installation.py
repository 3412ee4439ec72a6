"""Puts our functions and macros on a DuckDB connection.

Functions belong to the database instance and are registered once; macros belong to a connection. Nothing is written
into the database file.
"""

from __future__ import annotations

import contextlib
import functools
import importlib.resources
import threading
from importlib.resources.abc import Traversable

import duckdb

from thano_duckdb.connection.access import in_transaction
from thano_duckdb.connection.session import Session
from thano_duckdb.errors import ThanoError

from . import (
    audio_files,
    audio_info,
    channels,
    dialogue,
    error_rates,
    evaluate,
    language_models,
    model_check,
    model_registry,
    replaced_columns,
    train,
    training_rows,
    transcribe,
)
from .arrow import Function

FUNCTIONS: tuple[Function, ...] = (
    *transcribe.FUNCTIONS,
    *audio_info.FUNCTIONS,
    *channels.FUNCTIONS,
    *audio_files.FUNCTIONS,
    *error_rates.FUNCTIONS,
    *evaluate.FUNCTIONS,
    *train.FUNCTIONS,
    *training_rows.FUNCTIONS,
    *model_check.FUNCTIONS,
    *model_registry.FUNCTIONS,
    *language_models.FUNCTIONS,
    *replaced_columns.FUNCTIONS,
    *dialogue.FUNCTIONS,
)

_registering = threading.Lock()


def install(connection: duckdb.DuckDBPyConnection, session: Session) -> None:
    """Register the functions unless the database already has them, and create the macros of `session`.

    Raises:
        ThanoError: a transaction is open on the connection, whose end could take the macros with it.
        duckdb.ResourceInUseException: rows of the connection's last `execute` are left to fetch; they are not touched.
    """
    if in_transaction(connection):
        raise ThanoError(
            "thano_duckdb cannot be loaded inside a transaction, whose ROLLBACK would remove it: COMMIT or ROLLBACK "
            "first"
        )
    # On a cursor, so that no transaction of the connection is involved.
    with _registering, contextlib.closing(connection.cursor()) as cursor:
        if not _is_registered(cursor):
            # Where the database has a macro of that name on the search path, DuckDB would not register the function.
            with contextlib.suppress(duckdb.InvalidInputException):  # lock_configuration
                cursor.execute("SET search_path = 'system.main'")
            for function in FUNCTIONS:
                with contextlib.suppress(duckdb.CatalogException):  # it exists: an earlier attempt did not get further
                    function.register(cursor)
    macros = _macros().replace("{session}", f"'{session.token}'")
    try:  # in one transaction, which takes a quarter of the time of one for each macro
        connection.sql(f"BEGIN; {macros} COMMIT")
    except BaseException:
        with contextlib.suppress(duckdb.Error):
            connection.rollback()
        raise


def _is_registered(connection: duckdb.DuckDBPyConnection) -> bool:
    """Whether the database has all our functions: a query that calls them can be bound; it never runs.

    The table function `duckdb_functions` would say so too, but lists thousands of others, which takes 60 times as long.
    """
    calls = ", ".join(f"system.main.{function.name}(value)" for function in FUNCTIONS)
    try:
        connection.sql(f"SELECT {calls} FROM (SELECT NULL::VARCHAR AS value WHERE false)")
    except (duckdb.CatalogException, duckdb.BinderException):  # binder: the database has a macro of that name
        return False
    return True


@functools.cache
def _macros() -> str:
    """The text of `macros.sql`."""
    return sql_folder().joinpath("macros.sql").read_text(encoding="utf-8")


def sql_folder() -> Traversable:
    """The folder of our SQL files: inside the package in a wheel, beside it in an editable install."""
    package = importlib.resources.files("thano_duckdb")
    inside = package.joinpath("sql")
    return inside if inside.is_dir() else package.joinpath("..", "sql")
