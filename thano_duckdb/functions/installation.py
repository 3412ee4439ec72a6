"""Puts our functions and macros on a DuckDB connection.

Functions belong to the database instance and are registered once; macros belong to a connection. Nothing is written
into the database file.
"""

from __future__ import annotations

import contextlib
import threading

import duckdb

from thano_duckdb.connection.access import in_transaction
from thano_duckdb.connection.session import Session
from thano_duckdb.errors import ThanoError

from . import (
    audio_files,
    audio_info,
    cache_table,
    channels,
    dialogue,
    error_rates,
    evaluate,
    function_list,
    language_models,
    model_check,
    model_description,
    model_registry,
    plan,
    replaced_columns,
    session_settings,
    train,
    training_rows,
    transcribe,
    workers,
)
from .arrow import Function
from .macros import create_macros

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
    *model_description.FUNCTIONS,
    *model_registry.FUNCTIONS,
    *plan.FUNCTIONS,
    *language_models.FUNCTIONS,
    *function_list.FUNCTIONS,
    *replaced_columns.FUNCTIONS,
    *dialogue.FUNCTIONS,
    *session_settings.FUNCTIONS,
    *cache_table.FUNCTIONS,
    *workers.FUNCTIONS,
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
    create_macros(connection, session.token)


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
