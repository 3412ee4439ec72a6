"""`thano_transcribe(model, audio [, options])`: a struct of text, confidence, duration, words and error per clip."""

from __future__ import annotations

import contextlib
import itertools
from collections.abc import Iterator
from pathlib import PurePath
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from thano_duckdb.audio.formats import AUDIO_SUFFIXES
from thano_duckdb.audio.limits import ReadLimits
from thano_duckdb.connection.access import Access
from thano_duckdb.connection.running_statement import FailFast, RunningStatement
from thano_duckdb.connection.session import Session
from thano_duckdb.errors import ModelError, ThanoError, brief
from thano_duckdb.models.hub import fetch_language
from thano_duckdb.models.resolve import ResolvedModel
from thano_duckdb.monitoring.monitor import Monitor
from thano_duckdb.monitoring.statement_bar import Progress
from thano_duckdb.option import StatementKind
from thano_duckdb.speech import loading
from thano_duckdb.speech.cache import process_cache
from thano_duckdb.speech.speeds import process_speeds
from thano_duckdb.speech.threads import run_aside
from thano_duckdb.speech.transcript import Transcript

from . import arguments
from .arrow import Function, option_texts, parse_options, session_of
from .audio_column import audio as audio_argument
from .channels import row_channels
from .clips import RefusedClip, clips, selected
from .decoder_choice import DecoderChoice, row_hotwords
from .row_languages import RowLanguages, problem_of, row_languages
from .transcript_structs import TRANSCRIPT, to_arrow

if TYPE_CHECKING:
    from thano_duckdb.speech.engine import Engine
    from thano_duckdb.speech.job_runner import CallOptions


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
    function = str(functions[0])
    with running_statement(session) as statement, session.access() as access:
        values = clips(audio, access)
        words = row_hotwords(hotwords)
        own_channels = row_channels(channels)
        own_languages = row_languages(languages)
        choice = DecoderChoice(session, statement, access)
        transcripts: list[Transcript | None] = [None] * len(values)
        for (model, text, language), rows in _groups(models, options, own_languages).items():
            if model is None:
                continue
            chosen = _options(text, function)
            resolved = _resolved(session, access, model, function)
            monitor = _monitor(statement, chosen)
            if own_languages and (problem := problem_of(language, resolved, chosen, statement)):
                for row in rows:
                    if (clip := values[row]) is not None:
                        transcripts[row] = _refused(clip.location, problem, monitor)
                continue
            engine = _engine(session, statement, model, resolved, chosen, language or chosen.get("language"))
            statement.used(engine.recognizer.vocabulary)
            for row in rows:
                if isinstance(refused := values[row], RefusedClip):
                    transcripts[row] = _refused(refused.location, refused.failure.reason, monitor)
            allowed = [
                (row, clip and selected(clip, chosen).with_channel(own_channels[row]))
                for row in rows
                if not isinstance(clip := values[row], RefusedClip)
            ]
            decoder = choice.decoder(engine, resolved, chosen, for_row_hotwords=words is not None)
            decoders = words and choice.with_row_hotwords(decoder, engine, [words[row] for row, _ in allowed])
            with process_speeds().call(_speed_key(engine, decoder), monitor) as watched:
                found = engine.transcribe(
                    [clip for _, clip in allowed],
                    _call_options(decoder, chosen, access.limited(session.settings.read_limits.changed(chosen))),
                    decoders=decoders,
                    cache=process_cache(),
                    monitor=watched,
                )
            for (row, clip), transcript in zip(allowed, found, strict=True):
                transcripts[row] = transcript
                if clip and transcript and transcript.mix_problem and "channel" not in chosen:  # else the user chose it
                    statement.mixed_clips.add(clip.location, transcript.mix_problem)
        pairs = zip(values, transcripts, strict=True)
        _remember_speeds(session, access)
        statement.rows_failed([clip.location for clip, found in pairs if clip and found and found.error is not None])
        return to_arrow(transcripts)


def _options(text: str | None, function: str) -> dict[str, Any]:
    """The options of a call, which gives one transcript per row.

    Raises:
        ThanoError: they are not those of the statement that the function is behind, or ask for more than one.
    """
    behind = StatementKind.EVALUATE if function == "thano_evaluate" else StatementKind.PREDICT
    options = parse_options(text, function, behind)
    if options.get("channel") == "each":
        raise ThanoError(
            f"{function} gives one transcript per row: for channel='each' use the statement PREDICT, or "
            "thano_transcribe(.., channel := channel) over SELECT *, unnest(thano_channels(audio_path)) AS channel"
        )
    return options


def _call_options(decoder: Any, options: dict[str, Any], read_limits: ReadLimits) -> CallOptions:
    from thano_duckdb.speech.job_runner import CallOptions

    return CallOptions(
        decoder,
        max_clips=options.get("batch_size"),
        skip_silence=options.get("skip_silence", True),
        level=options.get("level", "robust"),
        read_limits=read_limits,
    )


def _speed_key(engine: Engine, decoder: Any) -> str:
    from thano_duckdb.speech.forecast import speed_key_of

    recognizer = engine.recognizer
    return speed_key_of(recognizer.fingerprint(recognizer.default_decoder), recognizer.device, decoder)


def _remember_speeds(session: Session, access: Access) -> None:
    """Keep in the model home how fast models are, for the plans of later processes; no home is created for it."""
    home = session.registry.home
    if process_speeds().is_worth_saving and home.is_dir() and not access.is_read_only and access.allows_folder(home):
        process_speeds().save(home)


def _refused(location: str, reason: str, monitor: Monitor) -> Transcript:
    monitor.clips_received(1)
    monitor.clip_failed(location, reason)
    monitor.clips_done(1, 0.0)
    return Transcript.failed(reason)


def _groups(
    models: pa.ChunkedArray, options: pa.ChunkedArray, languages: RowLanguages | None
) -> dict[tuple[str | None, str | None, str | None], list[int]]:
    """The row numbers of each combination of model, options and language; almost always one group."""
    groups: dict[tuple[str | None, str | None, str | None], list[int]] = {}
    each_language = itertools.repeat(None, len(models)) if languages is None else languages
    for row, key in enumerate(zip(models.to_pylist(), option_texts(options), each_language, strict=True)):
        groups.setdefault(key, []).append(row)
    return groups


def _resolved(session: Session, access: Access, model: str, function: str) -> ResolvedModel:
    """What the name of a model means."""
    if PurePath(model).suffix.lower() in AUDIO_SUFFIXES:
        raise _swapped(brief(model), function)
    return session.resolve(model, access, checks_folder=False)


def _engine(
    session: Session,
    statement: RunningStatement,
    model: str,
    resolved: ResolvedModel,
    options: dict[str, Any],
    language: str | None,
) -> Engine:
    """The engine of a model: the same throughout a statement, whatever happens to the model's folder meanwhile."""
    device = options.get("device", session.settings.device)
    precision = options.get("precision", session.settings.precision)
    of_engine = (resolved.folder, device, precision, language)

    def obtain() -> Engine:
        fetch_language(model, resolved.folder, language)
        return loading.load_engine(*of_engine)

    def load() -> Engine:
        if engine := loading.loaded_engine(*of_engine):
            return engine
        with statement.loading(model) as show:  # importing torch takes seconds, in which Ctrl-C would have to wait
            return run_aside(obtain, statement, show)

    return statement.pinned((resolved, device, precision, language), load)


def _monitor(statement: RunningStatement, options: dict[str, Any]) -> Monitor:
    return FailFast(statement) if options.get("on_error") == "fail" else statement


@contextlib.contextmanager
def running_statement(session: Session) -> Iterator[RunningStatement]:
    """The statement that is running, or, where none is known (plain DuckDB), one that lasts as long as this call."""
    if session.statement is not None:
        yield session.statement
        return
    statement = RunningStatement("", Progress(shown=False))
    yield statement
    statement.issue_warnings()


def _swapped(shown: str, function: str = "thano_transcribe") -> ModelError:
    second, example = ("audio", "audio_path") if function == "thano_transcribe" else ("table", "'calls'")
    return ModelError(
        f"{shown} is not a model: {function} takes the model first and then the {second}, "
        f"{function}('Wav2Vec2En', {example})"
    )


def _model(column: pa.ChunkedArray) -> pa.ChunkedArray:
    if pa.types.is_binary(column.type) or pa.types.is_large_binary(column.type):
        raise _swapped("a BLOB")
    return arguments.text("the model")(column)


_TAKES = (_model, audio_argument, arguments.options)

FUNCTIONS = (Function("_thano_transcribe", transcribe, TRANSCRIPT, _TAKES),)
