"""`thano_audio_info(audio)`: duration, rate, channels, frames, format and subtype of a clip, or its error."""

from __future__ import annotations

import pyarrow as pa

from thano_duckdb.audio.decode import AudioFailure
from thano_duckdb.audio.info import AudioInfo, probe
from thano_duckdb.audio.limits import ReadLimits
from thano_duckdb.audio.source import Clip
from thano_duckdb.option import StatementKind

from . import arguments
from .arrow import Function
from .audio_column import audio as audio_argument
from .clips import RefusedClip
from .probes import probe_each

AUDIO_INFO = pa.struct(
    [
        pa.field("duration", pa.float64()),
        pa.field("sample_rate", pa.int32()),
        pa.field("channels", pa.int32()),
        pa.field("frames", pa.int64()),
        pa.field("format", pa.string()),
        pa.field("subtype", pa.string()),
        pa.field("error", pa.string()),
    ]
)


def audio_info(audio: pa.ChunkedArray, options: pa.ChunkedArray, sessions: pa.ChunkedArray) -> pa.Array:
    """`AUDIO_INFO` structs of one DuckDB vector; NULL gives NULL, and of an unreadable clip only `error` is set."""
    function, kind = "thano_audio_info", StatementKind.PRINT_AUDIO
    return pa.array(probe_each(_row, audio, options, sessions, function=function, kind=kind), type=AUDIO_INFO)


def _row(clip: Clip | RefusedClip | None, limits: ReadLimits) -> dict[str, object] | None:
    if clip is None:
        return None
    found = clip.failure if isinstance(clip, RefusedClip) else probe(clip, limits=limits)
    if isinstance(found, AudioFailure):
        return {"error": found.reason}
    return _fields(found)


def _fields(info: AudioInfo) -> dict[str, object]:
    return {
        "duration": info.duration_s,
        "sample_rate": info.sample_rate_hz,
        "channels": info.channels,
        "frames": info.frames,
        "format": info.format,
        "subtype": info.subtype,
    }


FUNCTIONS = (Function("_thano_audio_info", audio_info, AUDIO_INFO, (audio_argument, arguments.options)),)
