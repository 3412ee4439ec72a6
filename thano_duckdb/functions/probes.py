"""Look at each clip of a column, several at a time: what `thano_audio_info` and `thano_channels` have in common."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

import pyarrow as pa

from thano_duckdb.audio.limits import ReadLimits
from thano_duckdb.audio.source import Clip
from thano_duckdb.monitoring.monitor import SilentMonitor
from thano_duckdb.option import StatementKind
from thano_duckdb.speech.threads import FETCH_THREADS, CallThreads, result_of

from .arrow import option_texts, parse_options, session_of
from .clips import RefusedClip, clips, selected

_N_THREADS = 8  # reading a header is waiting, not computing

Result = TypeVar("Result")
Probe = Callable[[Clip | RefusedClip | None, ReadLimits], Result]


def probe_each(
    probe: Probe[Result],
    audio: pa.ChunkedArray,
    options: pa.ChunkedArray,
    sessions: pa.ChunkedArray,
    *,
    function: str,
    kind: StatementKind,
) -> list[Result]:
    """What `probe` gives for each row; the same clip with the same options is looked at once.

    Args:
        probe: called on other threads.
        audio: as `audio_column.audio` gives it.
        options: JSON text, a STRUCT, or NULL per row; those that say what of a clip is read, and its limits, matter.
        sessions: the token of the connection that calls, see `session_of`.
        function: for messages.
        kind: the statement whose options these are.
    """
    session = session_of(sessions)
    ours = session.settings.read_limits
    texts = option_texts(options)
    chosen = {text: parse_options(text, function, kind) for text in set(texts)}
    with session.access() as access:
        values = [
            selected(clip, chosen[text]) if isinstance(clip, Clip) else clip
            for clip, text in zip(clips(audio, access), texts, strict=True)
        ]
        limits = {text: access.limited(ours.changed(each)) for text, each in chosen.items()}
    is_remote = any(isinstance(clip, Clip) and clip.is_url for clip in values)
    keys = list(zip(values, texts, strict=True))
    with CallThreads(FETCH_THREADS if is_remote else _N_THREADS, "thano-probe") as threads:
        found = {(clip, text): threads.submit(probe, clip, limits[text]) for clip, text in dict.fromkeys(keys)}
        monitor = session.statement or SilentMonitor()  # Ctrl-C must not wait for a server
        return [result_of(found[key], monitor) for key in keys]
