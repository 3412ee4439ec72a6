"""The interface between the dispatcher, which hands out batches of clips, and the workers that transcribe them.

A pool only starts, reaches and stops workers. Which worker gets which batch, what happens when one dies, and the order
of the results are the dispatcher's business, and the same for every pool.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from thano_duckdb.audio.source import Clip
from thano_duckdb.speech.decoding.vocabulary import Vocabulary
from thano_duckdb.speech.job_runner import CallOptions
from thano_duckdb.speech.transcript import Transcript


@dataclass(frozen=True)
class ModelSource:
    """What a worker loads: the arguments of `speech.loading.load_engine`."""

    folder: Path
    device: str
    precision: str
    language: str | None = None


@dataclass(frozen=True)
class ModelFacts:
    """What a worker says of the model that it has loaded, so that nobody else has to load it.

    Attributes:
        fingerprint: of the checkpoint and the precision: the texts of workers of equal fingerprints are equal.
        vocabulary: what its labels mean.
        default_decoder: of a statement that does not choose one.
        precision: in which the network computes.
        hardware: the device and the processor of the worker.
    """

    fingerprint: str
    vocabulary: Vocabulary
    default_decoder: Any
    precision: str
    hardware: str


@dataclass(frozen=True)
class Batch:
    """Clips for one worker; everything in it can be pickled.

    Attributes:
        number: which one, in the order in which they were made.
        clips: to transcribe.
        decoders: the decoder of each clip; None where all have that of `options`.
        options: of the call.
    """

    number: int
    clips: tuple[Clip, ...]
    decoders: tuple[Any, ...] | None
    options: CallOptions


@dataclass(frozen=True)
class Ready:
    """A worker has loaded the model and answers: only now it may get batches."""

    worker: str
    facts: ModelFacts


@dataclass(frozen=True)
class Advanced:
    """A worker is this much further; sent at most once a second.

    A worker that is still loading the model may send it with zeros, as a sign of life: the dispatcher then waits on.

    Attributes:
        worker: which one.
        n_clips: more clips, of those of its oldest batch; of a long clip the share that went through the model.
        audio_s: seconds of audio, likewise.
    """

    worker: str
    n_clips: float
    audio_s: float


@dataclass(frozen=True)
class Finished:
    """A worker has transcribed a batch; a transcript for each of its clips, in their order."""

    worker: str
    number: int
    transcripts: tuple[Transcript, ...]


@dataclass(frozen=True)
class Failed:
    """A batch raised an error that is no clip's fault (see `JobRunner.run`); the worker lives."""

    worker: str
    number: int
    error: BaseException


@dataclass(frozen=True)
class Died:
    """A worker is gone, with what it was doing; it is never heard of again."""

    worker: str
    reason: str


Event = Ready | Advanced | Finished | Failed | Died


@dataclass(frozen=True)
class WorkerInfo:
    """A row of `thano_workers()`.

    Attributes:
        worker: its name, unique within the pool.
        kind: 'process' or 'ray'.
        node: the machine that it runs on.
        pid: of its process; None before it is known.
        device: such as 'cuda:1' or 'cpu'.
        state: 'starting', 'ready', 'busy' or 'dead'.
        model: the name of the model that it has loaded.
        clips, audio_s: what it has transcribed so far.
    """

    worker: str
    kind: str
    node: str
    pid: int | None
    device: str
    state: str
    model: str
    clips: int
    audio_s: float


class WorkerPool(Protocol):
    """Workers that have one model loaded. The dispatcher calls it from one thread at a time."""

    def start(self) -> None:
        """Begin to start all workers, and return; each becomes `Ready` or `Died`.

        Raises:
            ThanoError: that is not possible; one sentence says what the machine or cluster has, and what to do.
        """

    def start_worker(self) -> bool:
        """Begin to start one more, in the place of one that died; False where that is not possible."""

    def submit(self, worker: str, batch: Batch) -> None:
        """Send a batch to a worker that is ready; returns at once. A worker does one after the other, in order."""

    def poll(self, timeout_s: float) -> Sequence[Event]:
        """What has happened since the last call; waits for at most `timeout_s` for something to happen."""

    def cancel(self) -> None:
        """Stop what the workers are computing, within a second; afterwards no event of an earlier batch comes."""

    def workers(self) -> Sequence[WorkerInfo]:
        """All workers that were started, those that died included."""

    def close(self) -> None:
        """Stop all workers, and wait for at most a few seconds for that."""
