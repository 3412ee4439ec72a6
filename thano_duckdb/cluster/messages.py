"""What this process and its worker processes say to each other, through a pipe that nobody else can open."""

from __future__ import annotations

import contextlib
import pickle
from dataclasses import dataclass

from thano_duckdb.audio.source import Clip
from thano_duckdb.errors import ThanoError
from thano_duckdb.speech.job_runner import CallOptions
from thano_duckdb.speech.transcript import Transcript

from .worker_pool import ModelFacts, ModelSource

HEARTBEAT_S = 1.0
"""How often a worker says that it lives, while it loads or transcribes."""


@dataclass(frozen=True)
class Load:
    """The first message: what to load, and how many threads compute."""

    source: ModelSource
    n_threads: int | None


@dataclass(frozen=True)
class Decoders:
    """Decoders that later messages name by their numbers: they are sent once, not with each batch.

    Attributes:
        added: by number, each pickled: to unpickle one may take a while, and fail.
        replaces_all: those that were sent before are not needed any more.
    """

    added: dict[int, bytes]
    replaces_all: bool


@dataclass(frozen=True)
class Transcribe:
    """A batch.

    Attributes:
        generation: how often the pool had been cancelled when it was sent.
        number: of the batch.
        clips: to transcribe.
        decoders: the number of the decoder of each clip.
        options: of the call, without its decoder.
        decoder: the number of the decoder of `options`.
    """

    generation: int
    number: int
    clips: tuple[Clip, ...]
    decoders: tuple[int, ...]
    options: CallOptions
    decoder: int


@dataclass(frozen=True)
class Cancel:
    """Stop what was sent in earlier generations."""

    generation: int


@dataclass(frozen=True)
class Loaded:
    """The model is loaded."""

    facts: ModelFacts


@dataclass(frozen=True)
class Alive:
    """The worker lives, and is this much further with its batch than when it last said so."""

    generation: int = 0
    n_clips: float = 0.0
    audio_s: float = 0.0


@dataclass(frozen=True)
class Transcribed:
    """A batch is done."""

    generation: int
    number: int
    transcripts: tuple[Transcript, ...]


@dataclass(frozen=True)
class Broken:
    """A batch raised an error that is no clip's fault, or, where there is no batch, loading did."""

    generation: int
    number: int | None
    error: Exception


def portable(error: Exception) -> Exception:
    """An error that arrives as it is, or, where it cannot be pickled, one with its text."""
    error.__cause__ = error.__context__ = None
    with contextlib.suppress(Exception):  # its class takes other arguments, or it holds a lock
        if str(pickle.loads(pickle.dumps(error))) == str(error):
            return error
    return ThanoError(str(error)) if isinstance(error, ThanoError) else RuntimeError(f"{type(error).__name__}: {error}")
