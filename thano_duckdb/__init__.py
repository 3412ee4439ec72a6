"""Speech recognition inside DuckDB, by SQL: `PREDICT USING model AS SELECT ...` on a DuckDB connection.

Importing this package loads neither torch nor IPython: the engine is loaded when audio is first transcribed.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .connection import Connection, connect
from .dialect import rewrite
from .errors import AudioError, DialectError, ModelError, RegistryError, ThanoError, ThanoWarning
from .functions import load
from .plots import plot_training

if TYPE_CHECKING:
    from .notebook.page import Page

__version__ = "0.1.0"

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
    "load",
    "plot_training",
    "rewrite",
    "show",
]


def load_ipython_extension(shell: Any) -> None:
    """`%load_ext thano_duckdb`: `%%sql` and `%%thanosql` cells, over JupySQL."""
    from .notebook.extension import load as load_magics

    load_magics(shell)


def unload_ipython_extension(shell: Any) -> None:
    """`%unload_ext thano_duckdb`: `%%sql` is JupySQL's own again."""
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
    """Transcripts beside players, the worst first: to look at in a notebook, or to save as a web page.

    Words are coloured by confidence where the result has `words` (`OPTIONS (include=['words', 'confidence'])`). Where
    it has references, what was said stands over what was heard, and the highest word error rate comes first.

    Args:
        result: a relation, a pandas or polars data frame, an Arrow table, a JupySQL result, or a list of dicts.
        reference: the column of what was said. Default: `text`, `reference` or `transcript`, where there is one.
        hypothesis: the column of what was heard. Default: `predicted`, `predict_result`, or the struct of
            `thano_transcribe`.
        audio: the column of paths, URLs or contents of files. Default: `audio_path`, `audio`, or the first BLOB.
        max_rows: so many clips are shown at most; the figures above them are of all.

    Returns:
        A page that a notebook shows and that `page.save('page.html')` writes: one file, no script, no network.

    Raises:
        ThanoError: a column is missing; the text says which there are.
    """
    from .notebook.transcripts import transcripts_page

    return transcripts_page(result, reference=reference, hypothesis=hypothesis, audio=audio, max_rows=max_rows)
