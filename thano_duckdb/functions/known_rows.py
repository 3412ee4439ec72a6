"""Rows whose transcripts are all in a lasting cache, in a process that has not imported torch: that takes seconds."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from thano_duckdb.audio.source import Clip
from thano_duckdb.connection.access import Access
from thano_duckdb.connection.running_statement import RunningStatement
from thano_duckdb.connection.session import Session
from thano_duckdb.errors import ModelError
from thano_duckdb.models.resolve import ResolvedModel
from thano_duckdb.speech.cache import NoCache
from thano_duckdb.speech.job_runner import CallOptions, Job, JobKey
from thano_duckdb.speech.processor import arithmetic_without_torch
from thano_duckdb.speech.recognizer.ctc_checkpoint import stored_vocabulary
from thano_duckdb.speech.transcript import Transcript

from .cache_choice import CacheChoice
from .decoder_choice import DecoderChoice, RowHotwords


@dataclass(frozen=True)
class KnownTranscripts:
    """Finds transcripts before a model is loaded.

    Attributes:
        session: of the connection that calls.
        statement: that runs.
        access: what it may read.
    """

    session: Session
    statement: RunningStatement
    access: Access

    def find(
        self,
        model: ResolvedModel,
        language: str | None,
        options: dict[str, Any],
        call: CallOptions,
        clips: Sequence[Clip | None],
        hotwords: RowHotwords | None,
    ) -> list[Transcript | None] | None:
        """The transcript of each clip; None where one is not known, or the model is needed to tell.

        Args:
            model: what its name means.
            language: that it writes, as the user gives it.
            options: as the statement has them.
            call: the same for the engine; its decoder does not matter.
            clips: of the rows.
            hotwords: of each row; None where rows have none of their own.

        Raises:
            ThanoError: the statement would be refused with a model that is loaded, too.
            Cancelled: the statement was cancelled.
        """
        settings = self.session.settings
        caches = CacheChoice(self.session, self.statement, self.access, before_loading=True)
        if has_torch() or not caches.is_lasting(options) or options.get("cluster", settings.cluster) != "off":
            return None
        precision = arithmetic_without_torch(
            options.get("device", settings.device), options.get("precision", settings.precision)
        )
        if precision is None:
            return None
        cache = caches.choose(NoCache(), precision, model, language, options, call.read_limits)
        if isinstance(cache, NoCache):
            return None
        try:
            vocabulary = stored_vocabulary(model.folder, language)
        except (ModelError, OSError):  # loading it says what is wrong
            return None
        if vocabulary is None:
            return None
        from thano_duckdb.speech.decoding.greedy import GreedyDecoder

        choice = DecoderChoice(self.session, self.statement, self.access)
        decoder = choice.decoder(
            vocabulary,
            model,
            options,
            default=GreedyDecoder(),
            for_row_hotwords=hotwords is not None,
            is_loaded=False,
        )
        decoders = [decoder] * len(clips)
        if hotwords is not None:
            decoders = choice.with_row_hotwords(decoder, vocabulary, hotwords)
        rows, jobs = [], []
        for row, (clip, own_decoder) in enumerate(zip(clips, decoders, strict=True)):
            if clip is not None:
                content = clip.content_key()
                rows.append(row)
                jobs.append(Job(clip, None if content is None else JobKey("", call.preparation, content), own_decoder))
        found = cache.get_many(jobs, self.statement)
        if None in found:
            return None
        self.statement.used(vocabulary)
        transcripts: list[Transcript | None] = [None] * len(clips)
        for row, transcript in zip(rows, found, strict=True):
            transcripts[row] = transcript
        return transcripts


def has_torch() -> bool:
    """Whether torch is imported."""
    return "torch" in sys.modules
