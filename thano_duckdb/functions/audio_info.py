"""`thano_audio_info(audio)`: duration, rate, channels, frames, format and subtype of a clip, or its error."""

from __future__ import annotations

import pyarrow as pa

from thano_duckdb.audio.decode import AudioFailure
from thano_duckdb.audio.info import AudioInfo, probe
from thano_duckdb.audio.limits import ReadLimits
from thano_duckdb.audio.source import Clip
from thano_duckdb.monitoring.monitor import SilentMonitor
from thano_duckdb.option import StatementKind
from thano_duckdb.speech.threads import FETCH_THREADS, CallThreads, result_of

from . import arguments
from .arrow import Function, option_texts, parse_options, session_of
from .audio_column import audio as audio_argument
from .clips import RefusedClip, clips, selected

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


def audio_info(audio: pa.ChunkedArray, options: pa.ChunkedArray, sessions: pa.ChunkedArray) -> pa.Array:
    """`AUDIO_INFO` structs of one DuckDB vector; NULL gives NULL, and of an unreadable clip only `error` is set."""
    session = session_of(sessions)
    ours = session.settings.read_limits
    texts = option_texts(options)
    options_of = {text: parse_options(text, "thano_audio_info", StatementKind.PRINT_AUDIO) for text in set(texts)}
    with session.access() as access:
        values = [
            selected(clip, options_of[text]) if isinstance(clip, Clip) else clip
            for clip, text in zip(clips(audio, access), texts, strict=True)
        ]
        limits = {text: access.limited(ours.changed(chosen)) for text, chosen in options_of.items()}
    is_remote = any(isinstance(clip, Clip) and clip.is_url for clip in values)
    with CallThreads(FETCH_THREADS if is_remote else N_THREADS, "thano-probe") as threads:
        rows = [threads.submit(_row, clip, limits[text]) for clip, text in zip(values, texts, strict=True)]
        monitor = session.statement or SilentMonitor()  # Ctrl-C must not wait for a server
        return pa.array([result_of(row, monitor) for row in rows], type=AUDIO_INFO)


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
