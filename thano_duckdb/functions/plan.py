"""`_thano_plan`: what a PREDICT or an EVALUATE will take, as rows. No model is loaded, and nothing is downloaded."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pyarrow as pa

from thano_duckdb.audio.limits import ReadLimits
from thano_duckdb.audio.source import Clip
from thano_duckdb.cluster.engines import devices_of, threads_of_each
from thano_duckdb.connection.access import Access
from thano_duckdb.connection.running_statement import RunningStatement
from thano_duckdb.connection.session import Session
from thano_duckdb.errors import HubUnavailableError
from thano_duckdb.models.adapters import read_languages, usable_languages
from thano_duckdb.models.resolve import ResolvedModel
from thano_duckdb.option import StatementKind
from thano_duckdb.speech.cache import TranscriptCache, process_cache
from thano_duckdb.speech.threads import run_aside

from . import arguments
from .arrow import Function, parse_options, session_of
from .audio_column import audio as audio_argument
from .cache_choice import CacheChoice
from .clips import RefusedClip, clips, selected
from .decoder_choice import DecoderChoice
from .engine_choice import where_to_run
from .plan_rows import PlanRow, clip_rows
from .planned_model import PlannedModel
from .survey import survey
from .transcribe import running_statement

PLAN = pa.list_(
    pa.struct(
        [
            pa.field("item", pa.string()),
            pa.field("value", pa.float64()),
            pa.field("low", pa.float64()),
            pa.field("high", pa.float64()),
            pa.field("text", pa.string()),
        ]
    )
)


def plan(
    models: pa.ChunkedArray,
    options: pa.ChunkedArray,
    kinds: pa.ChunkedArray,
    own_columns: pa.ChunkedArray,
    counts: pa.ChunkedArray,
    samples: pa.ChunkedArray,
    sessions: pa.ChunkedArray,
) -> pa.Array:
    """The plan of each group of rows: almost always one.

    Args:
        models: name of the model.
        options: of the statement, as JSON text, a STRUCT, or NULL.
        kinds: `PREDICT` or `EVALUATE`.
        own_columns: words for what each row may have of its own: `hotwords`, `language`.
        counts: STRUCT(rows, audio, clips): of the query, those with audio, and the distinct clips among them.
        samples: a list of clips, drawn at random, with repetitions or without.
        sessions: the token of the connection that calls, see `session_of`.

    Returns:
        `PLAN`.

    Raises:
        ThanoError: the statement itself would be refused, because of its model, its options or its column of audio.
    """
    session = session_of(sessions)
    given = zip(models, options, kinds, own_columns, counts, samples, strict=True)
    with running_statement(session) as statement, session.access() as access:
        plans = []
        for model, text, kind, own, count, sample in given:
            planner = _Planner(session, statement, access, StatementKind(kind.as_py()), frozenset(own.as_py().split()))
            rows = planner.rows(model.as_py(), text.as_py(), count.as_py(), sample)
            plans.append([row.as_dict() for row in rows])
        return pa.array(plans, type=PLAN)


@dataclass(frozen=True)
class _Planner:
    """Makes the plan of a statement.

    Attributes:
        session: of the connection that calls.
        statement: that runs.
        access: what it may read.
        kind: of the statement that is planned.
        own_columns: see `plan`.
    """

    session: Session
    statement: RunningStatement
    access: Access
    kind: StatementKind
    own_columns: frozenset[str]

    def rows(self, model: str, text: object, counts: dict[str, int], sample: pa.ListScalar) -> list[PlanRow]:
        chosen = parse_options(text, "thano_plan", self.kind)
        each_channel = chosen.get("channel") == "each"
        if each_channel:
            del chosen["channel"]
        found_model = self._model(model, chosen)
        self._caches.check(chosen)
        limits = self.access.limited(self.session.settings.read_limits.changed(chosen))
        known, not_looked_up = None, ""
        if self.own_columns:
            not_looked_up = f"each row may have {' and '.join(sorted(self.own_columns))} of its own"
        elif isinstance(found_model, PlannedModel) and found_model.cluster != "off":
            not_looked_up = "a plan does not ask the cluster in which precision it computes"
        elif isinstance(found_model, PlannedModel):
            known = found_model.known(self._cache(found_model, chosen, limits), chosen, self.statement)
        else:
            not_looked_up = "the model is not on this machine"
        found = survey(
            self._clips(sample, chosen),
            counts["clips"],
            limits=limits,
            known=known,
            each_channel=each_channel,
            monitor=self.statement,
        )
        rows = clip_rows(counts["rows"], counts["audio"], found, each_channel=each_channel, not_looked_up=not_looked_up)
        if isinstance(found_model, str):
            return [*rows, PlanRow.of_text("model", found_model)]
        home = self.session.registry.home
        may_read = self.access.allows_folder(home)
        return [*rows, *found_model.rows(found, home if may_read else None, max_clips=chosen.get("batch_size"))]

    @property
    def _caches(self) -> CacheChoice:
        return CacheChoice(self.session, self.statement, self.access, only_looks=True)

    def _clips(self, sample: pa.ListScalar, chosen: dict[str, Any]) -> list[Clip | RefusedClip]:
        if sample.values is None:
            return []
        column = audio_argument(pa.chunked_array([sample.values]))
        distinct = dict.fromkeys(clip for clip in clips(column, self.access) if clip is not None)
        return [clip if isinstance(clip, RefusedClip) else selected(clip, chosen) for clip in distinct]

    def _cache(self, model: PlannedModel, chosen: dict[str, Any], limits: ReadLimits) -> TranscriptCache:
        """Where the statement would look for transcripts."""
        precision = model.facts.device.arithmetic
        return self._caches.choose(process_cache(), precision, model.resolved, chosen.get("language"), chosen, limits)

    def _model(self, model: str, chosen: dict[str, Any]) -> PlannedModel | str:
        """The model, or the sentence that says why little is known about it."""
        try:
            resolved = self.session.resolve(model, self.access, checks_folder=False, downloads=False)
        except HubUnavailableError:
            return f"{model}, which is not on this machine: the statement will first try to download it"
        self._caches.see(resolved.folder, chosen)

        def read() -> PlannedModel:
            from thano_duckdb.speech.forecast import NetworkFacts, Processes

            cluster, n_workers = where_to_run(self.session, self.access, chosen, has_row_languages=self._has_languages)
            device = chosen.get("device", self.session.settings.device)
            precision = chosen.get("precision", self.session.settings.precision)
            if cluster != "off":  # whose devices this machine need not have
                device, precision, n_workers = "auto", "auto", 1
            devices = devices_of(device, n_workers)
            facts = NetworkFacts.read(
                resolved.folder,
                device=devices[0],
                precision=precision,
                language=self._language(resolved, chosen),
            )
            choice = DecoderChoice(self.session, self.statement, self.access)
            has_own = "hotwords" in self.own_columns
            beam = choice.not_loaded(facts.vocabulary, resolved, chosen, for_row_hotwords=has_own)
            processes = Processes(tuple(devices), threads_of_each(len(devices)))
            return PlannedModel(resolved, facts, beam, processes, cluster)

        return run_aside(read, self.statement)  # importing torch takes seconds

    @property
    def _has_languages(self) -> bool:
        """Whether each row may have a language of its own."""
        return "language" in self.own_columns

    def _language(self, resolved: ResolvedModel, chosen: dict[str, Any]) -> str | None:
        """That of the statement, or, where each row has its own, any that the model has."""
        language: str | None = chosen.get("language")
        if language is None and self._has_languages:
            languages = read_languages(resolved.folder)
            if languages is not None and languages.default is None:
                return next(iter(usable_languages(resolved.folder, languages)), None)
        return language


def _text(column: pa.ChunkedArray) -> pa.ChunkedArray:
    return arguments.text("the model", required=True)(column)


FUNCTIONS = (Function("_thano_plan", plan, PLAN, (_text, arguments.options)),)
