"""`thano_audio_info(audio)`: duration, rate, channels, frames, format and subtype of a clip, or its error."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pyarrow as pa

from thano_duckdb.audio.decode import AudioFailure
from thano_duckdb.audio.info import AudioInfo, probe
from thano_duckdb.audio.source import Clip

from . import arguments
from .arrow import Function
from .clips import clips

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
N_THREADS = 8  # reading a header is waiting, not computing


def audio_info(audio: pa.ChunkedArray, external_access: pa.ChunkedArray) -> pa.Array:
    """`AUDIO_INFO` structs of one DuckDB vector; NULL gives NULL, and of an unreadable clip only `error` is set."""
    values = clips(audio, allow_files=external_access[0].as_py())
    with ThreadPoolExecutor(N_THREADS, thread_name_prefix="thano-probe") as threads:
        return pa.array(list(threads.map(_row, values)), type=AUDIO_INFO)


def _row(clip: Clip | None) -> dict[str, object] | None:
    if clip is None:
        return None
    found = probe(clip)
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


FUNCTIONS = (Function("_thano_audio_info", audio_info, AUDIO_INFO, (arguments.audio,)),)
