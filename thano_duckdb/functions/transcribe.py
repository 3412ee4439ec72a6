"""`thano_transcribe(model, audio [, options])`: a struct of text, confidence, duration, words and error per clip."""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Iterator, Sequence
from pathlib import PurePath
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
from numpy.typing import ArrayLike, NDArray

from thano_duckdb.audio.decode import decode
from thano_duckdb.audio.formats import AUDIO_SUFFIXES, UNREAD_AUDIO_SUFFIXES
from thano_duckdb.connection.access import Access
from thano_duckdb.connection.running_statement import FailFast, RunningStatement
from thano_duckdb.connection.session import Session
from thano_duckdb.errors import ModelError, brief
from thano_duckdb.monitoring.monitor import Monitor
from thano_duckdb.monitoring.statement_bar import Progress
from thano_duckdb.option import StatementKind
from thano_duckdb.speech import loading
from thano_duckdb.speech.cache import process_cache
from thano_duckdb.speech.threads import run_aside
from thano_duckdb.speech.transcript import WORD_RECORD, Transcript, Words

from . import arguments
from .arrow import Function, option_texts, parse_options, session_of
from .clips import RefusedClip, clips

if TYPE_CHECKING:
    from thano_duckdb.speech.engine import Engine

WORD = pa.struct(
    [
        pa.field("word", pa.string()),
        pa.field("start", pa.float64()),
        pa.field("end", pa.float64()),
        pa.field("confidence", pa.float64()),
    ]
)
TRANSCRIPT = pa.struct(
    [
        pa.field("text", pa.string()),
        pa.field("confidence", pa.float64()),
        pa.field("duration", pa.float64()),
        pa.field("words", pa.list_(WORD)),
        pa.field("error", pa.string()),
    ]
)


def transcribe(
    models: pa.ChunkedArray,
    audio: pa.ChunkedArray,
    options: pa.ChunkedArray,
    sessions: pa.ChunkedArray,
) -> pa.Array:
    """Transcripts of one DuckDB vector.

    Args:
        models: model name per row; the rows of one model run together.
        audio: path, URL (VARCHAR) or content (BLOB) per row; NULL gives NULL.
        options: JSON text, a STRUCT, or NULL per row.
        sessions: the token of the connection that calls, see `session_of`.

    Returns:
        `TRANSCRIPT` structs, as many and in the order of the rows.

    Raises:
        ThanoError: the model or the options are wrong, or `on_error='fail'` and a clip failed or may not be read.
    """
    session = session_of(sessions)
    with _running_statement(session) as statement, session.access() as access:
        values = clips(audio, access)
        transcripts: list[Transcript | None] = [None] * len(values)
        for (model, text), rows in _groups(models, options).items():
            if model is None:
                continue
            chosen = parse_options(text, "thano_transcribe", StatementKind.PREDICT)
            engine = _engine(session, statement, access, model, chosen)
            monitor = _monitor(statement, chosen)
            for row in rows:
                if isinstance(refused := values[row], RefusedClip):
                    transcripts[row] = _refused(refused, monitor)
            allowed = [(row, clip) for row in rows if not isinstance(clip := values[row], RefusedClip)]
            found = engine.transcribe(
                [clip for _, clip in allowed],
                decoder=engine.recognizer.default_decoder,
                cache=process_cache(),
                max_clips=chosen.get("batch_size"),
                monitor=monitor,
                read=functools.partial(decode, limits=access.limited(session.settings.read_limits.changed(chosen))),
            )
            for (row, _), transcript in zip(allowed, found, strict=True):
                transcripts[row] = transcript
        return to_arrow(transcripts)


def _refused(clip: RefusedClip, monitor: Monitor) -> Transcript:
    monitor.clips_received(1)
    monitor.clip_failed(clip.location, clip.failure.reason)
    monitor.clips_done(1, 0.0)
    return Transcript.failed(clip.failure.reason)


def _groups(models: pa.ChunkedArray, options: pa.ChunkedArray) -> dict[tuple[str | None, str | None], list[int]]:
    """The row numbers of each combination of model and options; almost always one group."""
    groups: dict[tuple[str | None, str | None], list[int]] = {}
    for row, key in enumerate(zip(models.to_pylist(), option_texts(options), strict=True)):
        groups.setdefault(key, []).append(row)
    return groups


def _engine(
    session: Session, statement: RunningStatement, access: Access, model: str, options: dict[str, Any]
) -> Engine:
    """The engine of a model: the same throughout a statement, whatever happens to the model's folder meanwhile."""
    if PurePath(model).suffix.lower() in AUDIO_SUFFIXES + UNREAD_AUDIO_SUFFIXES:
        raise _swapped(brief(model))
    device = options.get("device", session.settings.device)
    precision = options.get("precision", session.settings.precision)
    resolved = session.resolve(model, access, checks_folder=False)

    def load() -> Engine:
        if engine := loading.loaded_engine(resolved.folder, device, precision):
            return engine
        with statement.loading(model) as show:  # importing torch takes seconds, in which Ctrl-C would have to wait
            return run_aside(lambda: loading.load_engine(resolved.folder, device, precision), statement, show)

    return statement.pinned((resolved, device, precision), load)


def _monitor(statement: RunningStatement, options: dict[str, Any]) -> Monitor:
    return FailFast(statement) if options.get("on_error") == "fail" else statement


@contextlib.contextmanager
def _running_statement(session: Session) -> Iterator[RunningStatement]:
    """The statement that is running, or, where none is known (plain DuckDB), one that lasts as long as this call."""
    if session.statement is not None:
        yield session.statement
        return
    statement = RunningStatement("", Progress(shown=False))
    yield statement
    statement.issue_warnings()


def to_arrow(transcripts: Sequence[Transcript | None]) -> pa.Array:
    """`TRANSCRIPT` structs; None gives NULL."""
    present = [transcript for transcript in transcripts if transcript is not None]
    structs = pa.StructArray.from_arrays(
        [
            pa.array([transcript.text for transcript in present], pa.string()),
            pa.array([transcript.confidence for transcript in present], pa.float64()),
            pa.array([transcript.duration_s for transcript in present], pa.float64()),
            _word_lists([transcript.words for transcript in present]),
            pa.array([transcript.error for transcript in present], pa.string()),
        ],
        fields=list(TRANSCRIPT),
    )
    if len(present) == len(transcripts):
        return structs
    positions = iter(range(len(present)))
    return structs.take(pa.array([None if t is None else next(positions) for t in transcripts], pa.int64()))


def _word_lists(clips: Sequence[Words | None]) -> pa.ListArray:
    """A list of `WORD` structs for each clip."""
    present = [words for words in clips if words is not None]
    records = np.frombuffer(b"".join([words.records for words in present]), WORD_RECORD)
    words = pa.StringArray.from_buffers(
        len(records),
        pa.py_buffer(_offsets(records["n_bytes"])),
        pa.py_buffer(b"".join([words.utf8 for words in present])),
    )
    numbers = [pa.array(records[name]) for name in ("start_s", "end_s", "confidence")]
    return pa.ListArray.from_arrays(
        pa.array(_offsets([0 if words is None else len(words) for words in clips])),
        pa.StructArray.from_arrays([words, *numbers], fields=list(WORD)),
        mask=pa.array([words is None for words in clips], pa.bool_()),
    )


def _offsets(lengths: ArrayLike) -> NDArray[np.int32]:
    """Where each of several adjacent items starts, and where the last one ends."""
    return np.concatenate([[0], np.cumsum(lengths)]).astype(np.int32)


def _swapped(shown: str) -> ModelError:
    return ModelError(
        f"{shown} is not a model: thano_transcribe takes the model first and then the audio, "
        "thano_transcribe('Wav2Vec2En', audio_path)"
    )


def _model(column: pa.ChunkedArray) -> pa.ChunkedArray:
    if pa.types.is_binary(column.type) or pa.types.is_large_binary(column.type):
        raise _swapped("a BLOB")
    return arguments.text("the model")(column)


_TAKES = (_model, arguments.audio, arguments.options)

FUNCTIONS = (Function("_thano_transcribe", transcribe, TRANSCRIPT, _TAKES),)
