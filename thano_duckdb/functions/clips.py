"""The clips that the values of an audio column stand for, as far as the database may read them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import pyarrow as pa

from thano_duckdb.audio.failure import AudioFailure
from thano_duckdb.audio.source import Clip, beside
from thano_duckdb.connection.access import Access
from thano_duckdb.errors import AudioError, ThanoError, brief

AudioValue = str | bytes | Mapping[str, Any] | None
"""A value of the columns that `audio_column.audio` gives, as Python's: the last but one is an `AUDIO`."""


@dataclass(frozen=True)
class RefusedClip:
    """A clip that the database may not read, or a value that stands for none.

    Nothing about a file is looked at, not even whether it exists.

    Attributes:
        location: the path or URL as the user wrote it; empty where there is none.
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


def check_allowed(clips: Iterable[Clip], access: Access) -> None:
    """Refuse paths and URLs that the database may not read.

    Raises:
        AudioError: one of them is not allowed.
    """
    for clip in clips:
        if clip.data is None and not access.allows(clip.location):
            raise no_files_allowed(clip.location)


def clips(audio: pa.ChunkedArray, access: Access) -> list[Clip | RefusedClip | None]:
    """The clips of a column that `audio_column.audio` gave; None for NULL."""
    values = audio.to_pylist()
    if pa.types.is_string(audio.type) and access.is_unrestricted:
        return [None if location is None else Clip(location) for location in values]
    return [clip_of(value, access.allows) for value in values]


def clip_of(value: AudioValue, may_read: Callable[[str], bool]) -> Clip | RefusedClip | None:
    """The clip that a value of an audio column stands for; None for NULL.

    Args:
        value: of a column that `audio_column.audio` gave.
        may_read: tells whether a path or URL may be read.
    """
    found = _clip_of_struct(value) if isinstance(value, Mapping) else None if value is None else Clip.of(value)
    if isinstance(found, Clip) and found.data is None and not may_read(found.location):
        return RefusedClip(found.location, refusal(found.location))
    return found


def _clip_of_struct(struct: Mapping[str, Any]) -> Clip | RefusedClip:
    content, path = struct["bytes"], struct["path"]
    if path is not None and struct["relative_to"] is not None:
        path = beside(struct["relative_to"], path)
    if struct["problem"] is not None:
        return RefusedClip(path or "", AudioFailure(struct["problem"]))
    if content is None and path is None:
        return RefusedClip("", AudioFailure("The audio struct is empty: its content and its path are NULL."))
    clip = Clip.of(path if content is None else content)
    location = path or clip.location  # beside a content, the path is only its name
    return replace(clip, location=location, start_s=struct["start"], stop_s=struct["stop"])


def selected(clip: Clip, options: Mapping[str, Any]) -> Clip:
    """What of a clip the options of a statement select, see `selection`."""
    return selection(options)(clip)


def selection(options: Mapping[str, Any]) -> Callable[[Clip], Clip]:
    """What the options of a statement select of a clip: `channel`, `audio_track`, and the part by `start` and `stop`.

    A value that names a part keeps its own.

    Raises:
        ThanoError: the part stops before it starts.
    """
    start_s, stop_s = options.get("start"), options.get("stop")
    if start_s is not None and stop_s is not None and stop_s <= start_s:
        raise ThanoError(f"option 'stop' is {stop_s:g} s, which is not after option 'start' ({start_s:g} s)")

    if start_s is None and stop_s is None and "channel" not in options and "audio_track" not in options:
        return _whole

    def select(clip: Clip) -> Clip:
        clip = clip.with_channel(options.get("channel"))
        if "audio_track" in options:
            clip = replace(clip, audio_track=options["audio_track"])
        if clip.is_part or (start_s is None and stop_s is None):
            return clip
        return replace(clip, start_s=start_s, stop_s=stop_s, clamps_stop=True)

    return select


def _whole(clip: Clip) -> Clip:
    return clip
