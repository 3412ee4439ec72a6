"""Speech recognition inside DuckDB, by SQL: `PREDICT USING model AS SELECT ...` on a DuckDB connection.

Importing this package loads neither torch nor IPython: the engine is loaded when audio is first transcribed.
"""

from __future__ import annotations

from .startup import end_shell_on_ctrl_c

end_shell_on_ctrl_c()  # before the imports that take time

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import duckdb

from .audio.limits import ReadLimits
from .cache_options import DEFAULT_CACHE_BYTES
from .connection import Connection, Settings, delayed_interrupts
from .dialect import rewrite
from .errors import AudioError, DialectError, ModelError, RegistryError, ThanoError, ThanoWarning
from .functions import install, load
from .pages.plot import plot_training
from .version import __version__

if TYPE_CHECKING:
    from .pages.page import Page

__all__ = [
    "AudioError",
    "Connection",
    "DialectError",
    "ModelError",
    "RegistryError",
    "ThanoError",
    "ThanoWarning",
    "__version__",
    "connect",
    "current_connection",
    "load",
    "plot_training",
    "rewrite",
    "show",
]


def connect(
    database: str | os.PathLike[str] = ":memory:",
    read_only: bool = False,
    config: dict[str, Any] | None = None,
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
) -> Connection:
    """Open a DuckDB database on which `PREDICT USING ...` and our other statements work.

    Args:
        database: a file, or ':memory:'.
        read_only: whether the database, and its models, stay as they are.
        config: DuckDB's settings.
        model_home: folder of the models that UPLOAD and BUILD make. Default: the environment variable THANO_HOME, else
            a folder beside the database file, else the user's data folder.
        device: 'auto' (all GPUs, if there are any), 'cpu', 'openvino', 'cuda' (all), 'cuda:0', 'cuda:1', .. or 'mps'.
        precision: 'auto', 'float32', 'bfloat16', 'float16' or 'int8'.
        progress: a bar on statements that take over two seconds; 'auto' means on a terminal or in a notebook.
        max_bytes: size of a clip at most; None for any.
        max_duration: seconds of audio of a clip at most; None for any.
        timeout: seconds that a clip at a URL may take to arrive; None for any.
        cache: True: transcripts are kept in the model home, for later statements in any process; the name of a schema:
            in a table of the database.
        cache_max_bytes: size of that cache in the model home at most; None for any.
        workers: how many processes transcribe; None for one for each GPU, on a CPU this one.
        cluster: 'off', 'auto' (the Ray cluster that runs, else this machine), 'ray' (or a new one), or its address.

    Returns:
        A connection to use and close like DuckDB's own, or as a context manager.

    Raises:
        ThanoError: `device` or `precision` is unknown, or a limit is not above 0.

    Example:
        >>> import thano_duckdb
        >>> con = thano_duckdb.connect()
        >>> _ = con.execute("GET THANOSQL DATASET librispeech_data")  # clips, into ./tutorial_data
        >>> clips = "SELECT 'tutorial_data/librispeech_data/093.flac' AS audio_path"
        >>> con.sql(f"SELECT predicted FROM (PREDICT USING Wav2Vec2TinyEn AS {clips})").fetchall()
        [('IT TOOK AN HOUR TO CROSS THE CITY',)]
        >>> con.close()
    """
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
    location = os.fspath(database) if isinstance(database, os.PathLike) else database  # DuckDB says what it refuses
    with delayed_interrupts():
        raw = duckdb.connect(location, read_only=read_only, config=config or {})
        return Connection(raw, settings, install=install)


def current_connection() -> Connection:
    """The connection that the next `%sql` cell of a notebook runs on, to use it from Python.

    `%sql my.duckdb` in one cell, `con = thano_duckdb.current_connection()` in the next: both see the same tables.

    Raises:
        ThanoError: this is no notebook, or its current connection is to another database.

    Example:
        >>> import thano_duckdb
        >>> con = thano_duckdb.current_connection()  # after `%sql my.duckdb` it is that database; here is none
        Traceback (most recent call last):
        thano_duckdb.errors.ThanoError: no connection to DuckDB in this notebook: use %load_ext thano_duckdb, then %sql
    """
    from .notebook.connections import current_connection as current

    return current()


def load_ipython_extension(shell: Any) -> None:
    """`%load_ext thano_duckdb`: `%%sql` and `%%thanosql` cells, over JupySQL."""
    from .notebook.extension import load as load_magics

    load_magics(shell)


def unload_ipython_extension(shell: Any) -> None:
    """`%unload_ext thano_duckdb`: give `%%sql` back to JupySQL."""
    from .notebook.extension import unload

    unload(shell)


def show(
    result: Any,
    *,
    reference: str | None = None,
    hypothesis: str | None = None,
    audio: str | None = None,
    max_rows: int = 50,
) -> Page:
    """Transcripts next to audio players, the worst first: to look at in a notebook, or to save as a web page.

    Words are coloured by confidence where the result has `words` (`OPTIONS (include=['words', 'confidence'])`). Where
    it has references, each is shown above its hypothesis, and the highest word error rate comes first.

    Args:
        result: a relation, a pandas or polars data frame, an Arrow table, a JupySQL result, or a list of dicts.
        reference: the column of references. Default: `text`, `reference` or `transcript`, if there is one.
        hypothesis: the column of hypotheses. Default: `predicted`, `predict_result`, or the struct of
            `thano_transcribe`.
        audio: the column of paths, URLs or contents of files. Default: `audio_path`, `audio`, or the first BLOB.
        max_rows: how many clips are shown at most; the summary above them covers all.

    A column `channel` of whole numbers, as `PREDICT` with `channel='each'` gives it, says which channel a player plays.
    Players are read within the `max_bytes`, `max_duration` and `timeout` of the connection that a relation is from.

    Returns:
        A page that a notebook shows and that `page.save('page.html')` writes: one file, no script, no network.

    Raises:
        ThanoError: a column is missing; the message lists the columns.

    Example:
        >>> import thano_duckdb
        >>> from thano_duckdb.models.bundled import dataset_folder
        >>> rows = [{
        ...     "audio_path": str(dataset_folder("librispeech_data") / "080.flac"),
        ...     "text": "The lamp fell over but did not break",
        ...     "predicted": "THE LAMP FELL OVER BUT DID NOT BAKE",
        ... }]
        >>> thano_duckdb.show(rows).save("clips.html")
    """
    from .pages.transcripts import transcripts_page

    return transcripts_page(result, reference=reference, hypothesis=hypothesis, audio=audio, max_rows=max_rows)
