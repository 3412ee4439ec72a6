"""Speech recognition inside DuckDB, by SQL: `PREDICT USING model AS SELECT ...` on a DuckDB connection.

Importing this package loads neither torch nor IPython: the engine is loaded when audio is first transcribed.
"""

from __future__ import annotations

from .connection import Connection, connect
from .dialect import rewrite
from .errors import AudioError, DialectError, ModelError, RegistryError, ThanoError, ThanoWarning
from .functions import load
from .plots import plot_training

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
]
