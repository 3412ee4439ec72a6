"""The audio column as DuckDB passes it to a function."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import pyarrow as pa

from thano_duckdb.audio.failure import AudioFailure
from thano_duckdb.audio.source import Clip
from thano_duckdb.connection.access import Access
from thano_duckdb.errors import AudioError, brief


@dataclass(frozen=True)
class RefusedClip:
    """A clip that the database may not read. Nothing about its file is looked at, not even whether it exists.

    Attributes:
        location: the path or URL as the user wrote it.
        failure: why it gives no audio.
    """

    location: str
    failure: AudioFailure


def no_files_allowed(location: str) -> AudioError:
    """The error for a path or URL that the database may not read. It is the same whether the file exists or not."""
    return AudioError(
        f"this database may not read files or URLs such as {brief(location)} (enable_external_access=false, or it is "
        f"not within its allowed_directories, or its file system is disabled): give audio as a BLOB"
    )


def refusal(location: str) -> AudioFailure:
    """The same as the reason of one clip among others."""
    sentence = str(no_files_allowed(location))
    return AudioFailure(f"{sentence[0].upper()}{sentence[1:]}.")


def check_allowed(values: Iterable[object], access: Access) -> None:
    """Refuse paths and URLs that the database may not read.

    Raises:
        AudioError: one of them is not allowed.
    """
    for value in values:
        if isinstance(value, str) and not access.allows(value):
            raise no_files_allowed(value)


def clips(audio: pa.ChunkedArray, access: Access) -> list[Clip | RefusedClip | None]:
    """The clips of paths, URLs and contents of files, see `arguments.audio`; None for NULL."""
    return [None if value is None else _clip(value, access) for value in audio.to_pylist()]


def _clip(value: str | bytes, access: Access) -> Clip | RefusedClip:
    if isinstance(value, bytes) or access.is_unrestricted or access.allows(value):
        return Clip.of(value)
    return RefusedClip(value, refusal(value))


def with_channel(clip: Clip | RefusedClip | None, channel: int | str | None) -> Clip | RefusedClip | None:
    """The same clip with the channel that the option `channel` means, if it is one that may be read."""
    return clip.with_channel(channel) if isinstance(clip, Clip) else clip
