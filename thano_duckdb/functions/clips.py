"""The audio column as DuckDB passes it to a function."""

from __future__ import annotations

import pyarrow as pa

from thano_duckdb.audio.source import Clip
from thano_duckdb.errors import AudioError


def no_files_allowed() -> AudioError:
    """The error for a path or URL where the database may not read any."""
    return AudioError("this database may not read files or URLs (enable_external_access=false): give audio as a BLOB")


def clips(audio: pa.ChunkedArray, *, allow_files: bool) -> list[Clip | None]:
    """The clips of paths, URLs and contents of files; None for NULL.

    Raises:
        AudioError: the column is of another type, or holds paths where the database may not read files.
    """
    kind = audio.type
    if pa.types.is_null(kind):
        return [None] * len(audio)
    if pa.types.is_string(kind) or pa.types.is_large_string(kind):
        if not allow_files and audio.null_count < len(audio):
            raise no_files_allowed()
    elif not (pa.types.is_binary(kind) or pa.types.is_large_binary(kind)):
        raise AudioError(f"audio is a path or URL (VARCHAR) or the content of a file (BLOB), not {kind}")
    return [None if value is None else Clip.of(value) for value in audio.to_pylist()]
