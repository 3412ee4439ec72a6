"""`thano_channels(audio)`: the channels of a clip that hold a signal of their own, for a row per channel."""

from __future__ import annotations

import pyarrow as pa

from thano_duckdb.audio.distinct_channels import distinct_channels
from thano_duckdb.audio.failure import AudioFailure
from thano_duckdb.audio.limits import ReadLimits
from thano_duckdb.audio.source import Clip
from thano_duckdb.errors import ThanoError
from thano_duckdb.option import StatementKind

from . import arguments
from .arrow import Function, session_of
from .audio_column import audio as audio_argument
from .clips import RefusedClip
from .probes import probe_each

CHANNELS = pa.list_(pa.int32())


def channels(audio: pa.ChunkedArray, options: pa.ChunkedArray, sessions: pa.ChunkedArray) -> pa.Array:
    """The channels of each clip of one DuckDB vector, counted from 1: `CHANNELS`.

    Never empty, so that `unnest` keeps the row: for NULL, and a clip that cannot be read, it is a NULL. Of the options,
    which are those of PREDICT, only those that say how the clip is read matter.
    """
    session_of(sessions).check_not_planning()
    function, kind = "thano_channels", StatementKind.PREDICT
    return pa.array(probe_each(_row, audio, options, sessions, function=function, kind=kind), type=CHANNELS)


def _row(clip: Clip | RefusedClip | None, limits: ReadLimits) -> list[int | None]:
    found = distinct_channels(clip, limits=limits) if isinstance(clip, Clip) else None
    return [None] if found is None or isinstance(found, AudioFailure) else [channel + 1 for channel in found]


def row_channels(column: pa.ChunkedArray) -> list[int | None]:
    """The channel of each row, counted from 1; NULL: what the option says.

    Raises:
        ThanoError: they are not whole numbers.
    """
    kind = column.type
    if not (pa.types.is_integer(kind) or pa.types.is_null(kind)):
        raise ThanoError(
            f"the channel of a row must be a whole number (INTEGER), counted from 1, not {arguments.sql_name(kind)}"
        )
    channels: list[int | None] = column.to_pylist()
    return channels


FUNCTIONS = (Function("_thano_channels", channels, CHANNELS, (audio_argument, arguments.options)),)
