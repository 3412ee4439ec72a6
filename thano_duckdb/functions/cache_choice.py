"""Which cache a statement uses: that of the process, or one that outlasts it, by the option `cache`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from thano_duckdb.audio.limits import ReadLimits
from thano_duckdb.connection.access import Access
from thano_duckdb.connection.running_statement import RunningStatement
from thano_duckdb.connection.session import Session
from thano_duckdb.errors import RegistryError
from thano_duckdb.models.adapters import chosen_language
from thano_duckdb.models.resolve import ResolvedModel
from thano_duckdb.speech.cache import TranscriptCache
from thano_duckdb.speech.lasting_cache.content_hashes import ContentHashes
from thano_duckdb.speech.lasting_cache.lasting_cache import LastingCache, StoredModel
from thano_duckdb.speech.lasting_cache.open_stores import open_store
from thano_duckdb.speech.lasting_cache.sqlite_store import FILE_NAME
from thano_duckdb.speech.lasting_cache.store import StoreError, TranscriptStore
from thano_duckdb.speech.lasting_cache.store_writer import StoreWriter
from thano_duckdb.speech.model_content import model_content
from thano_duckdb.speech.recognizer.ctc_checkpoint import fingerprint
from thano_duckdb.speech.threads import run_aside

from .schema_store import check_schema, has_schema_store, open_schema_store

WHAT = "keeping transcripts in the model home"
MAX_BYTES_OF_A_LOOK = 500_000
"""Size of a clip that is read only to see whether its transcript is known, where the store does not know its file."""


@dataclass(frozen=True)
class _Opened:
    store: TranscriptStore
    writer: StoreWriter


@dataclass(frozen=True)
class CacheChoice:
    """Chooses the caches of one call of a function.

    A lasting cache that cannot be used costs time and nothing else: the statement warns, and goes on.

    Attributes:
        session: of the connection that calls.
        statement: that runs.
        access: what it may read and write.
        only_looks: nothing will be kept: no store is made, and only small clips are read to find their transcripts.
        before_loading: the model is not loaded yet: nothing is read to find transcripts, neither clips nor the model.
    """

    session: Session
    statement: RunningStatement
    access: Access
    only_looks: bool = False
    before_loading: bool = False

    def see(self, folder: Path, options: Mapping[str, Any]) -> None:
        """Note which files a model has before it is loaded, so that a change until they are hashed is seen."""
        if self._wanted(options):
            self.statement.pinned(("files", folder), lambda: _files(folder))

    def choose(
        self,
        memory: TranscriptCache,
        precision: str,
        model: ResolvedModel,
        language: str | None,
        options: Mapping[str, Any],
        limits: ReadLimits,
    ) -> TranscriptCache:
        """The cache for the clips of a model.

        Args:
            memory: that of the process, which is also asked first where there is a lasting one.
            precision: in which the model computes.
            model: what its name means.
            language: as the user gave it.
            options: of the call.
            limits: on reading one clip.

        Raises:
            ThanoError: `cache` names a schema that does not exist or cannot be written.
            Cancelled: the statement was cancelled.
        """
        wanted = self._wanted(options)
        if not wanted or (self.only_looks and not self._exists(wanted)):
            return memory
        max_bytes = options.get("cache_max_bytes", self.session.settings.cache_max_bytes)
        opened = self.statement.pinned(("cache", wanted, self.only_looks), lambda: self._open(wanted, max_bytes))
        if opened is None:
            return memory
        code = chosen_language(model.folder, language)
        # The files of a model may change until it is loaded: what they hold then is determined once more.
        key = ("content", model.folder, code, self.before_loading)
        content = self.statement.pinned(key, lambda: self._content(model.folder, code, opened))
        if content is None:
            return memory
        name = model.name if model.version is None else f"{model.name}@{model.version}"
        return LastingCache(
            memory,
            opened.store,
            opened.writer,
            StoredModel(name, content, code, precision),
            max_clip_bytes=limits.max_bytes,
            max_hashed_bytes=self._max_hashed_bytes,
            report=self._report,
        )

    def check(self, options: Mapping[str, Any]) -> None:
        """Refuse a schema that transcripts cannot be kept in.

        Raises:
            ThanoError: `cache` names a schema that does not exist, or one of a read-only database.
        """
        if isinstance(wanted := self._wanted(options), str):
            check_schema(self.session, self.access, wanted)

    def is_lasting(self, options: Mapping[str, Any]) -> bool:
        """Whether a statement with these options keeps transcripts, if it can."""
        return bool(self._wanted(options))

    @property
    def _max_hashed_bytes(self) -> int | None:
        if self.before_loading:
            return 0
        return MAX_BYTES_OF_A_LOOK if self.only_looks else None

    def _wanted(self, options: Mapping[str, Any]) -> bool | str:
        wanted: bool | str = options.get("cache", self.session.settings.cache)
        return wanted

    def _exists(self, wanted: bool | str) -> bool:
        """Whether there is a store already."""
        if isinstance(wanted, str):
            return has_schema_store(self.session, wanted)
        return (self.session.registry.home / FILE_NAME).is_file()

    def _open(self, wanted: bool | str, max_bytes: int | None) -> _Opened | None:
        try:
            if isinstance(wanted, str):
                store = open_schema_store(self.session, self.access, wanted)
                opened = _Opened(store, StoreWriter(store, is_idle=self.only_looks))
                self.statement.before_warnings(lambda: self._close(opened))
            else:
                self.session.check_changes_allowed(self.access, WHAT)
                found = open_store(self.session.registry.home / FILE_NAME, max_bytes)
                if self.only_looks:
                    return _Opened(found.store, StoreWriter(found.store, is_idle=True))
                opened = _Opened(found.store, found.writer)
                n_problems = opened.writer.n_problems
                self.statement.before_warnings(lambda: self._flush(opened, n_problems))
        except (RegistryError, StoreError) as error:
            self._report(str(error))
            return None
        self.statement.keeps_transcripts = True
        return opened

    def _content(self, folder: Path, language: str | None, opened: _Opened) -> str | None:
        """The hash of the files that the engine was loaded from; None where that is not sure."""
        hashes = ContentHashes(opened.store, opened.writer, max_bytes=0 if self.before_loading else None)

        def compute() -> str | None:
            return model_content(folder, language, lambda versions: hashes.of(versions, self.statement))

        try:
            content = run_aside(compute, self.statement)
        except StoreError as error:
            self._report(str(error))
            return None
        if content is None and self.before_loading:
            return None
        if content is None or self.statement.pinned_value(("files", folder)) != _files(folder):
            self._report(f"the files of the model in {folder} cannot be read, or are being changed")
            return None
        return content

    def _flush(self, opened: _Opened, n_problems: int) -> None:
        opened.writer.flush()
        if opened.writer.n_problems > n_problems:
            self._report(opened.writer.problem)

    def _close(self, opened: _Opened) -> None:
        opened.writer.close()
        opened.store.close()
        if opened.writer.n_problems:
            self._report(opened.writer.problem)

    def _report(self, problem: str) -> None:
        self.statement.notice(f"Transcripts of this statement are not kept, or not all of them: {problem}.")


def _files(folder: Path) -> str:
    """What changes with the files of a model; empty where they cannot be read, of which loading says more."""
    try:
        return fingerprint(folder)
    except OSError:
        return ""
