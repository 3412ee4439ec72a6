"""What a vector of rows asks of the engine: the rows of one model, one set of options and one language go together."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import PurePath
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from thano_duckdb.audio.formats import AUDIO_SUFFIXES
from thano_duckdb.audio.limits import ReadLimits
from thano_duckdb.audio.source import Clip
from thano_duckdb.connection.access import Access
from thano_duckdb.connection.running_statement import RunningStatement
from thano_duckdb.connection.session import Session
from thano_duckdb.errors import ModelError, ThanoError, brief
from thano_duckdb.models.resolve import ResolvedModel
from thano_duckdb.option import StatementKind
from thano_duckdb.speech.cache import TranscriptCache, process_cache
from thano_duckdb.speech.transcript import Transcript

from .arrow import option_texts, parse_options
from .cache_choice import CacheChoice
from .channels import row_channels
from .clips import RefusedClip, clips, selection
from .decoder_choice import DecoderChoice, row_hotwords
from .engine_choice import choose_engine
from .known_rows import KnownTranscripts
from .row_languages import RowLanguages, problem_of, row_languages

if TYPE_CHECKING:
    from thano_duckdb.speech.engine import Engine
    from thano_duckdb.speech.job_runner import CallOptions


@dataclass(frozen=True)
class Vector:
    """The arguments of `thano_transcribe` for some rows; see `transcribe.transcribe`."""

    models: pa.ChunkedArray
    audio: pa.ChunkedArray
    options: pa.ChunkedArray
    hotwords: pa.ChunkedArray
    channels: pa.ChunkedArray
    languages: pa.ChunkedArray
    function: str


@dataclass(frozen=True)
class RefusedRow:
    """A row whose clip gives no audio, or has no language: `reason` says why."""

    row: int
    location: str
    reason: str
    chosen: dict[str, Any]


@dataclass(frozen=True)
class EngineCall:
    """The rows of a vector that go through one engine.

    Attributes:
        group: the model, the options and the language that these rows have in common, as the statement has them.
        chosen: the options.
        engine: of the model.
        options: of the call of the engine.
        cache: holds the transcripts that are known, and receives the new ones.
        rows: the numbers of the rows.
        clips: the clip of each of them, or None.
        decoders: of each clip, where they differ.
    """

    group: tuple[str | None, str | None, str | None]
    chosen: dict[str, Any]
    engine: Engine
    options: CallOptions
    cache: TranscriptCache
    rows: Sequence[int]
    clips: Sequence[Clip | None]
    decoders: Sequence[Any] | None


@dataclass(frozen=True)
class KnownRows:
    """Rows whose transcripts are known, so that no engine is needed; the fields are those of `EngineCall`."""

    chosen: dict[str, Any]
    rows: Sequence[int]
    clips: Sequence[Clip | None]
    transcripts: Sequence[Transcript | None]


def engine_calls(
    vector: Vector, session: Session, statement: RunningStatement, access: Access
) -> Iterator[EngineCall | KnownRows | RefusedRow]:
    """What `vector` asks of the engine, and the rows about which it is not asked; none of those whose model is NULL.

    Raises:
        ThanoError: the model or the options are wrong.
    """
    values = clips(vector.audio, access)
    words = row_hotwords(vector.hotwords)
    own_channels = row_channels(vector.channels)
    own_languages = row_languages(vector.languages)
    choice = DecoderChoice(session, statement, access)
    caches = CacheChoice(session, statement, access)
    known = KnownTranscripts(session, statement, access)
    for group, rows in _groups(vector.models, vector.options, own_languages).items():
        model, text, language = group
        if model is None:
            continue
        chosen = _options(text, vector.function)
        resolved = _resolved(session, access, model, vector.function)
        if own_languages and (problem := problem_of(language, resolved, chosen, statement)):
            for row in rows:
                if (clip := values[row]) is not None:
                    yield RefusedRow(row, clip.location, problem, chosen)
            continue
        own_language = language or chosen.get("language")
        caches.see(resolved.folder, chosen)
        select = selection(chosen)
        allowed: list[int] = []
        selected: list[Clip | None] = []
        for row in rows:
            if isinstance(clip := values[row], RefusedClip):
                yield RefusedRow(row, clip.location, clip.failure.reason, chosen)
                continue
            allowed.append(row)
            selected.append(clip and select(clip).with_channel(own_channels[row]))
        own_words = words and [words[row] for row in allowed]
        limits = access.limited(session.settings.read_limits.changed(chosen))
        call = _call_options(None, chosen, limits)
        found = known.find(resolved, own_language, chosen, call, selected, own_words)
        if found is not None:
            yield KnownRows(chosen, allowed, selected, found)
            continue
        engine = choose_engine(session, statement, access, model, resolved, chosen, language)
        recognizer = engine.recognizer
        statement.used(recognizer.vocabulary)
        decoder = choice.decoder(
            recognizer.vocabulary,
            resolved,
            chosen,
            default=recognizer.default_decoder,
            for_row_hotwords=own_words is not None,
        )
        yield EngineCall(
            group,
            chosen,
            engine,
            _call_options(decoder, chosen, limits),
            caches.choose(process_cache(), recognizer.precision, resolved, own_language, chosen, limits),
            allowed,
            selected,
            own_words and choice.with_row_hotwords(decoder, recognizer.vocabulary, own_words),
        )


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
        raise swapped(brief(model), function)
    return session.resolve(model, access, checks_folder=False)


def swapped(shown: str, function: str = "thano_transcribe") -> ModelError:
    """The error where audio stands in place of the model; `shown` says which."""
    second, example = ("audio", "audio_path") if function == "thano_transcribe" else ("table", "'calls'")
    return ModelError(
        f"{shown} is not a model: {function} takes the model first and then the {second}, "
        f"{function}('Wav2Vec2En', {example})"
    )
