"""`LastingCache`: the cache of the process, and behind it a store that outlasts it."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from thano_duckdb.audio.source import FileVersion
from thano_duckdb.monitoring.monitor import Monitor
from thano_duckdb.speech.cache import TranscriptCache
from thano_duckdb.speech.collector_pause import collector_paused
from thano_duckdb.speech.job_runner import Job
from thano_duckdb.speech.transcript import Transcript

from .content_hashes import ContentHashes, hash_of, may_change_unseen
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

    A problem of the store costs what it holds, and never a row: it is reported, and the clip is computed. The cache of
    the process holds what is not written yet, and what an earlier statement transcribed that kept nothing. Here it is
    asked by the content of a clip, as for a BLOB: what it knows by the version of a file could get into the store by a
    hash of what the file holds now.
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
            memory: is asked for what the store does not have.
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
        self._unsettled: set[FileVersion] = set()
        """Files that were changed just before they were hashed, and may have been changed again unseen."""

    def get_many(self, jobs: Sequence[Job], monitor: Monitor) -> list[Transcript | None]:
        """See `TranscriptCache`."""
        found: list[Transcript | None] = [None] * len(jobs)
        is_read = False
        try:
            self._add_hashes(jobs, monitor)
            with collector_paused():
                self._find(jobs, found)
            is_read = True
        except StoreError as error:
            self._report(str(error))
        missing = [(index, job) for index, job in enumerate(jobs) if found[index] is None and job.content_hash]
        remembered = self._memory.get_many([_by_content(job) for _, job in missing], monitor)
        for (index, job), transcript in zip(missing, remembered, strict=True):
            found[index] = transcript
            if transcript is not None and is_read:
                self._keep(job, transcript)
        return found

    def put(self, job: Job, transcript: Transcript) -> None:
        """See `TranscriptCache`."""
        self._memory.put(job, transcript)
        if job.content_hash is None or job.key is None or transcript.error is not None:
            return
        source = job.key.content.source
        if isinstance(source, FileVersion):
            # If the file was changed after it was hashed, nobody knows of which content this is the text.
            if job.clip.content_key() != job.key.content:
                return
            if source in self._unsettled and hash_of(source) != job.content_hash:
                return
            self._memory.put(_by_content(job), transcript)
        self._keep(job, transcript)

    def _keep(self, job: Job, transcript: Transcript) -> None:
        assert job.content_hash is not None
        assert job.key is not None
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
            now_ns = time.time_ns()
            for job, content in zip(files, self._hashes.of(versions, monitor), strict=True):
                job.content_hash = content
            self._unsettled.update(version for version in versions if may_change_unseen(version, now_ns))

    def _find(self, jobs: Sequence[Job], found: list[Transcript | None]) -> None:
        """Add what the store has to `found`, which has a position for each job."""
        groups: dict[bytes, tuple[Recognition, list[tuple[int, bytes]]]] = {}
        for index, job in enumerate(jobs):
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


def _by_content(job: Job) -> Job:
    """A job with the key that it would have if its file were a BLOB."""
    assert job.key is not None, "its content has a hash"
    assert job.content_hash is not None
    content = job.key.content._replace(source=job.content_hash)
    return Job(job.clip, job.key._replace(content=content), job.decoder)
