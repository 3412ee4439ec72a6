"""`thano_transcribe(model, audio [, options])`: a struct of text, confidence, duration, words and error per clip."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from typing import Any

import pyarrow as pa

from thano_duckdb.connection.access import Access
from thano_duckdb.connection.running_statement import FailFast, RunningStatement
from thano_duckdb.connection.session import Session
from thano_duckdb.monitoring.monitor import Monitor
from thano_duckdb.monitoring.statement_bar import Progress
from thano_duckdb.speech.collector_pause import collector_paused
from thano_duckdb.speech.speeds import process_speeds, speed_key
from thano_duckdb.speech.transcript import Transcript

from . import arguments
from .arrow import Function, session_of
from .audio_column import audio as audio_argument
from .engine_calls import EngineCall, KnownRows, RefusedRow, Vector, engine_calls, swapped
from .rows_ahead import RowsAhead, rows_ahead
from .transcript_structs import TRANSCRIPT, to_arrow


def transcribe(
    models: pa.ChunkedArray,
    audio: pa.ChunkedArray,
    options: pa.ChunkedArray,
    hotwords: pa.ChunkedArray,
    channels: pa.ChunkedArray,
    languages: pa.ChunkedArray,
    functions: pa.ChunkedArray,
    sessions: pa.ChunkedArray,
) -> pa.Array:
    """Transcripts of one DuckDB vector.

    Args:
        models: model name per row; the rows of one model run together.
        audio: path, URL (VARCHAR), content (BLOB) or STRUCT per row, see `audio_column`; NULL gives NULL.
        options: JSON text, a STRUCT, or NULL per row.
        hotwords: VARCHAR[] per row; a column of NULL without a type where no row has hotwords of its own.
        channels: per row, counted from 1; NULL: what the options say.
        languages: per row, of a model that has many; NULL: what the options say; a column of NULL without a type where
            no row has a language of its own.
        functions: the macro that the user called, for messages.
        sessions: the token of the connection that calls, see `session_of`.

    Returns:
        `TRANSCRIPT` structs, as many and in the order of the rows.

    Raises:
        ThanoError: the model or the options are wrong, or `on_error='fail'` and a clip failed or may not be read.
    """
    session = session_of(sessions)
    session.check_not_planning()
    vector = Vector(models, audio, options, hotwords, channels, languages, str(functions[0]))
    with running_statement(session) as statement, session.access() as access, collector_paused():
        return to_arrow(_found(vector, session, statement, access))


def _found(vector: Vector, session: Session, statement: RunningStatement, access: Access) -> list[Transcript | None]:
    """The transcript of each row of a vector; None where its audio or its model is NULL."""
    transcripts: list[Transcript | None] = [None] * len(vector.audio)
    failed: list[str] = []
    ahead = rows_ahead(session, statement, vector)
    for asked in engine_calls(vector, session, statement, access):
        monitor = _monitor(statement, asked.chosen)
        if isinstance(asked, RefusedRow):
            transcripts[asked.row] = _refused(asked, monitor)
            failed.append(asked.location)
            continue
        if isinstance(asked, KnownRows):
            found = _known(asked, monitor)
        else:
            with process_speeds().call(_speed_key(asked), monitor) as watched:
                found = _transcripts(asked, watched, ahead)
        for row, clip, transcript in zip(asked.rows, asked.clips, found, strict=True):
            transcripts[row] = transcript
            if clip is None or transcript is None:
                continue
            if transcript.error is not None:
                failed.append(clip.location)
            if transcript.mix_problem and "channel" not in asked.chosen:  # else the user chose it
                statement.mixed_clips.add(clip.location, transcript.mix_problem)
    _remember_speeds(session, access)
    statement.rows_failed(failed)
    return transcripts


def _transcripts(asked: EngineCall, monitor: Monitor, ahead: RowsAhead | None) -> Sequence[Transcript | None]:
    cache, compute = (asked.cache, None) if ahead is None else ahead.asked(asked)
    return asked.engine.transcribe(
        asked.clips, asked.options, decoders=asked.decoders, cache=cache, compute=compute, monitor=monitor
    )


def _known(asked: KnownRows, monitor: Monitor) -> Sequence[Transcript | None]:
    found = [transcript for transcript in asked.transcripts if transcript is not None]
    monitor.clips_received(len(found))
    monitor.clips_cached(len(found), sum(transcript.duration_s or 0.0 for transcript in found))
    return asked.transcripts


def _speed_key(asked: EngineCall) -> str:
    model = asked.engine.recognizer
    return speed_key(model.fingerprint(model.default_decoder), model.hardware, asked.options.decoder)


def _remember_speeds(session: Session, access: Access) -> None:
    """Keep in the model home how fast models are, for the plans of later processes; no home is created for it."""
    home = session.registry.home
    if process_speeds().is_worth_saving and home.is_dir() and not access.is_read_only and access.allows_folder(home):
        process_speeds().save(home)


def _refused(refused: RefusedRow, monitor: Monitor) -> Transcript:
    monitor.clips_received(1)
    monitor.clip_failed(refused.location, refused.reason)
    monitor.clips_done(1, 0.0)
    return Transcript.failed(refused.reason)


def _monitor(statement: RunningStatement, options: dict[str, Any]) -> Monitor:
    return FailFast(statement) if options.get("on_error") == "fail" else statement


@contextlib.contextmanager
def running_statement(session: Session) -> Iterator[RunningStatement]:
    """The statement that is running, or, where none is known (plain DuckDB), one that lasts as long as this call."""
    if session.statement is not None:
        yield session.statement
        return
    statement = RunningStatement("", Progress(shown=False))
    try:
        yield statement
    finally:
        statement.end_work()
        statement.finish()
    statement.issue_warnings()


def _model(column: pa.ChunkedArray) -> pa.ChunkedArray:
    if pa.types.is_binary(column.type) or pa.types.is_large_binary(column.type):
        raise swapped("a BLOB")
    return arguments.text("the model")(column)


_TAKES = (_model, audio_argument, arguments.options)

FUNCTIONS = (Function("_thano_transcribe", transcribe, TRANSCRIPT, _TAKES),)
