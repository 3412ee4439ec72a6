"""What runs on the machines of a Ray cluster: one worker, which has a model loaded and transcribes batches.

Ray makes an actor of the class. Its methods run on two threads: one for the work, one for what must be answered
meanwhile (`report`, `cancel`). torch is imported when a model is loaded, so that a new worker answers soon. What goes
wrong is returned as a `Failure`: Ray would wrap an exception, and log it.
"""

from __future__ import annotations

import dataclasses
import os
import socket
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from thano_duckdb.audio.source import Clip
from thano_duckdb.errors import ThanoError
from thano_duckdb.language.language_model import LanguageModel
from thano_duckdb.speech.job_runner import Job

from .messages import portable
from .node_files import FolderContent, NodeFiles
from .software import Software
from .worker import Progress, die_for_tests, load

if TYPE_CHECKING:
    from thano_duckdb.speech.job_runner import CallOptions, JobRunner
    from thano_duckdb.speech.transcript import Transcript

    from .worker_pool import ModelFacts, ModelSource

CHUNK_S = 300.0
"""How long a part of a file may take to arrive."""
Result = TypeVar("Result")

REPORT_S = 1.0
"""How long a report waits, so that the driver asks once a second."""


@dataclass(frozen=True)
class Failure:
    """What a method of a worker raised."""

    error: BaseException


@dataclass(frozen=True)
class Description:
    """What a worker says of itself before it loads anything.

    Attributes:
        node: the name and the address of its machine.
        pid: of its process.
        software: what it runs.
    """

    node: str
    pid: int
    software: Software


@dataclass(frozen=True)
class Report:
    """How much further a worker is than when it last said so."""

    n_clips: float
    audio_s: float


@dataclass(frozen=True)
class LanguageModelContent:
    """A language model as it is sent: the content of its files, and what the driver knows beside."""

    content: FolderContent
    file: str
    name: str
    description: str
    is_kept: bool
    is_checked: bool
    fingerprint: str

    @classmethod
    def of(cls, model: LanguageModel, content: FolderContent) -> LanguageModelContent:
        """Describe a model whose files are `content`."""
        return cls(
            content,
            model.path.name,
            model.name,
            model.description,
            model.is_kept,
            model.is_checked,
            model.fingerprint,
        )

    def open(self, folder: Path) -> LanguageModel:
        """The model on this machine, where its files are in `folder`.

        Raises:
            ModelError: it is not the same.
        """
        is_kept = self.is_kept or folder != self.content.folder  # nobody writes to a copy
        model = LanguageModel.open(
            self.name, folder / self.file, description=self.description, is_kept=is_kept, is_checked=self.is_checked
        )
        if model.fingerprint != self.fingerprint:
            raise ThanoError(f"the language model '{self.name}' changed: run the statement again")
        return model


@dataclass(frozen=True)
class SentDecoder:
    """A decoder without the language model that it needs, which is sent once and by itself."""

    decoder: Any
    language_model: LanguageModelContent | None


@dataclass(frozen=True)
class Witness:
    """A local file of a batch as the driver sees it, and a worker should: its path and its size."""

    path: str
    n_bytes: int


@dataclass(frozen=True)
class WorkerBatch:
    """A batch on its way to a worker.

    Attributes:
        clips: with absolute paths; the bytes of BLOBs come beside.
        decoders: that differ.
        which: the decoder of each clip, by its number.
        options: of the call, with decoder 0 in place of its own.
        witness: a file that the worker must see; None where there is none.
        generation: how often the pool had been cancelled when it was sent.
    """

    clips: tuple[Clip, ...]
    decoders: tuple[SentDecoder, ...]
    which: tuple[int, ...]
    options: CallOptions
    witness: Witness | None
    generation: int


class PathNotVisibleError(ThanoError):
    """A worker does not see a file that the driver sees: its machine lacks the shared storage."""


class RayWorker:
    """A worker; see the module. Only `report` and `cancel` may be called while another method runs."""

    def __init__(self) -> None:
        self._node_files = NodeFiles()
        self._folders: dict[str, Path] = {}
        self._runner: JobRunner | None = None
        self._generation = 0
        self._progress = Progress(self.is_cancelled)

    def describe(self) -> Description | Failure:
        """Say what this is."""

        def describe() -> Description:
            import ray

            node = f"{socket.gethostname()} ({ray.util.get_node_ip_address()})"
            return Description(node, os.getpid(), Software.current())

        return _caught(describe)

    def find(self, content: FolderContent) -> bool | Failure:
        """Whether this machine has some files already."""

        def find() -> bool:
            if (folder := self._node_files.find(content)) is not None:
                self._folders[content.digest] = folder
            return folder is not None

        return _caught(find)

    def receive(self, content: FolderContent, chunks: Sequence[Any]) -> bool | Failure:
        """Receive files; `chunks` are references to their bytes. Returns True."""

        def receive() -> bool:
            import ray

            fetched = (ray.get(chunk, timeout=CHUNK_S) for chunk in chunks)
            self._folders[content.digest] = self._node_files.receive(content, fetched)
            return True

        return _caught(receive)

    def load(
        self, content: FolderContent, source: ModelSource, identity: str, n_threads: int | None
    ) -> ModelFacts | Failure:
        """Load the model, whose files were found or received.

        Args:
            content: its files.
            source: of the driver; its folder is of no use here.
            identity: what the driver calls the files of the model.
            n_threads: how many compute; None: torch decides.
        """

        def load_model() -> ModelFacts:
            own = dataclasses.replace(source, folder=self._folders[content.digest])
            self._runner, facts = load(own, n_threads)
            return dataclasses.replace(facts, fingerprint=f"{identity} in {facts.precision}")

        return _caught(load_model)

    def transcribe(self, batch: WorkerBatch, blobs: Sequence[bytes | None] | None) -> tuple[Transcript, ...] | Failure:
        """The transcripts of a batch; `blobs` are the bytes of its clips, None for those of paths."""
        return _caught(lambda: self._transcribe(batch, blobs or [None] * len(batch.clips)))

    def _transcribe(self, batch: WorkerBatch, blobs: Sequence[bytes | None]) -> tuple[Transcript, ...]:
        assert self._runner is not None
        self._progress.begin(batch.generation)
        self._progress.raise_if_cancelled()
        if batch.witness is not None:
            _check_visible(batch.witness)
        decoders = [self._decoder(sent) for sent in batch.decoders]
        jobs = [
            Job(clip if blob is None else dataclasses.replace(clip, data=blob), None, decoders[number], rows=[row])
            for row, (clip, blob, number) in enumerate(zip(batch.clips, blobs, batch.which, strict=True))
        ]
        die_for_tests(jobs)
        options = dataclasses.replace(batch.options, decoder=decoders[0])
        transcripts: dict[int, Transcript] = {}
        for job, transcript in self._runner.run(jobs, options, self._progress):
            transcripts[job.rows[0]] = transcript
            self._progress.finished(job, transcript)
        return tuple(transcripts[row] for row in range(len(jobs)))

    def _decoder(self, sent: SentDecoder) -> Any:
        if sent.language_model is None:
            return sent.decoder
        model = sent.language_model.open(self._folders[sent.language_model.content.digest])
        return dataclasses.replace(sent.decoder, language_model=model)

    def is_cancelled(self, generation: int) -> bool:
        """Whether what was sent in `generation` is not wanted any more."""
        return generation < self._generation

    # On the other thread

    def report(self) -> Report:
        """How much further it is than at the last report; waits a while first."""
        time.sleep(REPORT_S)
        return Report(*self._progress.take())

    def cancel(self, generation: int) -> None:
        """Stop the present batch, and all others that were sent in earlier generations."""
        self._generation = max(generation, self._generation)


def _check_visible(witness: Witness) -> None:
    """Raise an error unless this machine has a file of that size at that path.

    Raises:
        PathNotVisibleError: it has none.
    """
    try:
        n_bytes = os.stat(witness.path).st_size
    except OSError as error:
        found = error.strerror or str(error)
    else:
        if n_bytes == witness.n_bytes:
            return
        found = "another file lies there"
    raise PathNotVisibleError(found)


def _caught(work: Callable[[], Result]) -> Result | Failure:
    """What some work returns, or its error as a `Failure` that can be pickled."""
    try:
        return work()
    except Exception as error:  # noqa: BLE001 - the driver raises it
        return Failure(portable(error))
