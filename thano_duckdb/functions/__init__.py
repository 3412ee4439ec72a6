"""The functions that DuckDB calls: thin Arrow adapters around the engine, and `load`, which installs them."""

from __future__ import annotations

import weakref
from pathlib import Path

import duckdb

from thano_duckdb.audio.limits import ReadLimits
from thano_duckdb.cache_options import DEFAULT_CACHE_BYTES
from thano_duckdb.connection import Connection
from thano_duckdb.connection.interrupts import delayed_interrupts
from thano_duckdb.connection.session import Session, Settings, open_session
from thano_duckdb.errors import ThanoError

__all__ = ["install", "load"]

# A plain connection takes no attributes, and its session must live as long as it does.
_loaded: weakref.WeakKeyDictionary[duckdb.DuckDBPyConnection, Session] = weakref.WeakKeyDictionary()


def install(connection: duckdb.DuckDBPyConnection, session: Session) -> None:
    """Put the functions and the macros of a session on a connection: see `installation.install`."""
    # Imported here: pyarrow and numpy take longer to import than all the rest.
    from .installation import install as install_now

    install_now(connection, session)


def load(
    connection: duckdb.DuckDBPyConnection,
    *,
    model_home: str | Path | None = None,
    device: str = "auto",
    precision: str = "auto",
    progress: bool | str = "auto",
    max_bytes: int | None = ReadLimits.max_bytes,
    max_duration: float | None = ReadLimits.max_duration_s,
    timeout: float | None = ReadLimits.timeout_s,
    cache: bool | str = False,
    cache_max_bytes: int | None = DEFAULT_CACHE_BYTES,
    workers: int | None = None,
    cluster: str = "off",
) -> duckdb.DuckDBPyConnection:
    """Install the functions and table macros on a plain DuckDB connection.

    The statements of the dialect need `thano_duckdb.connect`; `thano_transcribe`, `thano_wer`, `thano_predict` and
    the others work in ordinary SQL. A cursor of the connection is a connection of its own: load it too.

    Args:
        connection: where to install; loading it again changes the settings.
        model_home: folder of the models that UPLOAD and BUILD make.
        device: 'auto' (all GPUs, if there are any), 'cpu', 'openvino', 'cuda' (all), 'cuda:0', 'cuda:1', .. or 'mps'.
        precision: 'auto', 'float32', 'bfloat16', 'float16' or 'int8'.
        progress: show a bar on long statements; 'auto' means on a terminal or in a notebook.
        max_bytes, max_duration, timeout: limits on reading one clip (bytes; seconds of audio; seconds that a URL may
            take), None for none.
        cache: True: transcripts are kept in the model home, for later statements in any process; the name of a schema:
            in a table of the database.
        cache_max_bytes: size of that cache in the model home at most; None for any.
        workers: how many processes transcribe; None for one for each GPU, on a CPU this one.
        cluster: 'off', 'auto', 'ray' or the address of a Ray cluster, whose machines transcribe.

    Returns:
        The same connection.

    Raises:
        ThanoError: `device` or `precision` is unknown, or a limit is not above 0; a transaction is open on the
            connection; or rows of its last `execute` are left to fetch.
        TypeError: `connection` is no connection, such as the name of a file, or one of `thano_duckdb.connect`.

    Example:
        >>> import duckdb, thano_duckdb
        >>> con = thano_duckdb.load(duckdb.connect())
        >>> con.sql("SELECT thano_wer('she said yes twice', 'SHE SAID LESS TWICE') AS wer").fetchall()
        [(0.25,)]
        >>> con.close()
    """
    given: object = connection
    if isinstance(given, Connection):
        raise TypeError(
            "this connection of thano_duckdb.connect(..) has the functions already; load is for DuckDB's own"
        )
    if not hasattr(connection, "sql") or not hasattr(connection, "cursor"):  # duckdb itself, and wrappers, have both
        raise TypeError(f"load takes a DuckDB connection, duckdb.connect(..), not {type(connection).__name__}")
    home = Path(model_home) if model_home is not None else None
    settings = Settings(
        home,
        device,
        precision,
        progress,
        max_bytes,
        max_duration,
        timeout,
        cache,
        cache_max_bytes,
        workers,
        cluster,
    )
    try:
        with delayed_interrupts():
            session = open_session(connection, settings, knows_statements=False)
            install(connection, session)
    except duckdb.ResourceInUseException:
        raise ThanoError(
            "this connection has rows of its last execute() to fetch, which loading would discard: fetch them, or call "
            "connection.complete(), then load"
        ) from None
    _loaded[connection] = session
    return connection
