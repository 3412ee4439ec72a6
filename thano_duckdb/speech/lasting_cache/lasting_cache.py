"""`LastingCache`: the cache of the process, and behind it a store that outlasts it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from thano_duckdb.monitoring.monitor import Monitor
from thano_duckdb.speech.cache import TranscriptCache
from thano_duckdb.speech.collector_pause import collector_paused
from thano_duckdb.speech.job_runner import Job
from thano_duckdb.speech.transcript import Transcript

from .content_hashes import ContentHashes
from .store import Recognition, StoreError, TranscriptStore, clip_key
from .store_writer import StoreWriter


@dataclass(frozen=True)
class StoredModel:
    """What `Recognition` says of a model.

    Attributes:
        name: that the user calls it by.
        content: the hash of its files.
        language: the one that it writes, where it has several.
        precision: that it computes in.
    """

    name: str
    content: str
    language: str | None
    precision: str


class LastingCache:
    """Implements `TranscriptCache` for the clips of one model, over a store that many statements and processes share.

    A problem of the store costs what it holds, and never a row: it is reported, and the clip is computed.
    """

    def __init__(
        self,
        memory: TranscriptCache,
        store: TranscriptStore,
        writer: StoreWriter,
        model: StoredModel,
        *,
        max_clip_bytes: int | None,
        report: Callable[[str], None],
        max_hashed_bytes: int | None = None,
    ) -> None:
        """A cache over a store.

        Args:
            memory: is asked first.
            store: holds the transcripts.
            writer: writes to it.
            model: that the clips are transcribed with.
            max_clip_bytes: a file that is larger will not be read, and so it is not hashed either; None for no limit.
            report: takes a sentence, without its full stop, about a problem of the store.
            max_hashed_bytes: of a larger file only the content hash that the store knows counts; None for no limit.
        """
        self._memory = memory
        self._store = store
        self._writer = writer
        self._model = model
        self._max_clip_bytes = max_clip_bytes
        self._report = report
        self._hashes = ContentHashes(store, writer, max_bytes=max_hashed_bytes)
        self._recognitions: dict[tuple[object, ...], Recognition] = {}

    def get_many(self, jobs: Sequence[Job], monitor: Monitor) -> list[Transcript | None]:
        """See `TranscriptCache`."""
        found = self._memory.get_many(jobs, monitor)
        missing = [(index, jobs[index]) for index, transcript in enumerate(found) if transcript is None]
        try:
            self._add_hashes([job for _, job in missing], monitor)
            with collector_paused():
                self._find(missing, found)
        except StoreError as error:
            self._report(str(error))
        return found

    def put(self, job: Job, transcript: Transcript) -> None:
        """See `TranscriptCache`."""
        self._memory.put(job, transcript)
        if job.content_hash is None or job.key is None or transcript.error is not None:
            return
        if job.clip.data is None and job.clip.content_key() != job.key.content:
            return  # the file was changed after it was hashed: nobody knows of which content this is the text
        key = clip_key(job.content_hash, job.key.content.selection)
        self._writer.keep(self._recognition(job), key, transcript)

    def _add_hashes(self, jobs: Sequence[Job], monitor: Monitor) -> None:
        files, versions = [], []
        for job in jobs:
            if job.key is None:
                continue
            source = job.key.content.source
            if isinstance(source, bytes):
                job.content_hash = source
            elif self._max_clip_bytes is None or source.n_bytes <= self._max_clip_bytes:
                files.append(job)
                versions.append(source)
        if files:
            for job, content in zip(files, self._hashes.of(versions, monitor), strict=True):
                job.content_hash = content

    def _find(self, missing: Sequence[tuple[int, Job]], found: list[Transcript | None]) -> None:
        """Add what the store has to `found`; `missing` are positions there, and what is missing."""
        groups: dict[bytes, tuple[Recognition, list[tuple[int, bytes]]]] = {}
        for index, job in missing:
            if job.content_hash is not None and job.key is not None:
                recognition = self._recognition(job)
                _, members = groups.setdefault(recognition.fingerprint, (recognition, []))
                members.append((index, clip_key(job.content_hash, job.key.content.selection)))
        for recognition, members in groups.values():
            known = self._store.find(recognition, [key for _, key in members])
            for index, key in members:
                found[index] = known.transcripts.get(key)
            self._writer.used(recognition, known.stale)

    def _recognition(self, job: Job) -> Recognition:
        assert job.key is not None
        decoder: str = job.decoder.fingerprint
        skip_silence, level = job.key.preparation
        kind = (decoder, skip_silence, level)
        if kind not in self._recognitions:
            model = self._model
            self._recognitions[kind] = Recognition(
                model.name, model.content, model.language, model.precision, decoder, bool(skip_silence), str(level)
            )
        return self._recognitions[kind]
