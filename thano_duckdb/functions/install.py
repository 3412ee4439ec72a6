"""Puts our functions and macros on a DuckDB connection.

Functions belong to the database instance and are registered once; macros and the session belong to a connection.
Nothing is written into the database file.
"""

from __future__ import annotations

import importlib.resources
import threading
import weakref
from importlib.resources.abc import Traversable
from pathlib import Path

import duckdb

from thano_duckdb.session import Session, Settings, open_session

from . import audio_info, build, evaluate, models, text, transcribe
from .arrow import Function

FUNCTIONS: tuple[Function, ...] = (
    *transcribe.FUNCTIONS,
    *audio_info.FUNCTIONS,
    *text.FUNCTIONS,
    *evaluate.FUNCTIONS,
    *build.FUNCTIONS,
    *models.FUNCTIONS,
)

_registering = threading.Lock()


def load(
    connection: duckdb.DuckDBPyConnection,
    *,
    model_home: str | Path | None = None,
    device: str = "auto",
    precision: str = "auto",
    progress: bool | str = "auto",
) -> duckdb.DuckDBPyConnection:
    """Install the functions and table macros on a plain DuckDB connection, which stays what it is.

    The statements of the dialect need `thano_duckdb.connect`; `thano_transcribe`, `thano_wer`, `thano_predict` and
    the others work in ordinary SQL. A cursor of the connection is a connection of its own: load it too.

    Args:
        connection: where to install; loading it again changes the settings.
        model_home: folder of the models that UPLOAD and BUILD make.
        device: 'auto' (a GPU if there is one), 'cpu', 'cuda' or 'mps'.
        precision: 'auto', 'float32', 'bfloat16', 'float16' or 'int8'.
        progress: show a bar on long statements; 'auto' means on a terminal or in a notebook.

    Returns:
        The same connection.
    """
    settings = Settings(Path(model_home) if model_home is not None else None, device, precision, progress)
    _loaded[connection] = install(connection, settings)
    return connection


def install(connection: duckdb.DuckDBPyConnection, settings: Settings) -> Session:
    """Register the functions unless the database has them, create the macros, and open the session."""
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
    connection.execute(sql_folder().joinpath("macros.sql").read_text(encoding="utf-8"))
    return open_session(connection, settings)


def sql_folder() -> Traversable:
    """The folder of our SQL files: inside the package in a wheel, beside it in an editable install."""
    package = importlib.resources.files("thano_duckdb")
    inside = package.joinpath("sql")
    return inside if inside.is_dir() else package.joinpath("..", "sql")


# A plain connection takes no attributes, and its session must live as long as it does.
_loaded: weakref.WeakKeyDictionary[duckdb.DuckDBPyConnection, Session] = weakref.WeakKeyDictionary()
