"""The audio column as DuckDB passes it to a function."""

from __future__ import annotations

from collections.abc import Iterable

import pyarrow as pa

from thano_duckdb.audio.source import Clip
from thano_duckdb.connection.access import Access
from thano_duckdb.errors import AudioError, brief


def no_files_allowed(location: str) -> AudioError:
    """The error for a path or URL that the database may not read. It is the same whether the file exists or not."""
    return AudioError(
        f"this database may not read files or URLs such as {brief(location)} (enable_external_access=false, or it is "
        f"not within its allowed_directories, or its file system is disabled): give audio as a BLOB"
    )


def check_allowed(values: Iterable[object], access: Access) -> None:
    """Refuse paths and URLs that the database may not read.

    Raises:
        AudioError: one of them is not allowed.
    """
    for value in values:
        if isinstance(value, str) and not access.allows(value):
            raise no_files_allowed(value)


def clips(audio: pa.ChunkedArray, access: Access) -> list[Clip | None]:
    """The clips of paths, URLs and contents of files, see `arguments.audio`; None for NULL.

    Raises:
        AudioError: the column holds paths that the database may not read.
    """
    values = audio.to_pylist()
    if not access.is_unrestricted:
        check_allowed(values, access)
    return [None if value is None else Clip.of(value) for value in values]
