"""The audio column as DuckDB passes it to a function."""

from __future__ import annotations

import pyarrow as pa

from thano_duckdb.errors import AudioError


def no_files_allowed() -> AudioError:
    """The error for a path or URL where the database may not read any."""
    return AudioError("this database may not read files or URLs (enable_external_access=false): give audio as a BLOB")


def clips(audio: pa.ChunkedArray, *, allow_files: bool) -> list[str | bytes | None]:
    """Paths and URLs as str, contents as bytes, NULL as None.

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
    values: list[str | bytes | None] = audio.to_pylist()
    return values
