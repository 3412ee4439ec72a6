"""What the engine asks for: the transcripts of some clips, computed on whatever device or machine."""

from __future__ import annotations

from collections.abc import Generator, Hashable, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple, Protocol

from thano_duckdb.audio.limits import DEFAULT_LIMITS, ReadLimits
from thano_duckdb.audio.source import Clip, ContentKey
from thano_duckdb.monitoring.monitor import Monitor

from .recognizer.level import Level
from .transcript import Transcript


class JobKey(NamedTuple):
    """All that a transcript depends on: jobs of the same key have the same one.

    Attributes:
        fingerprint: of the model and the decoder, see `Recognizer.fingerprint`.
        preparation: `CallOptions.preparation`.
        content: of the clip.
    """

    fingerprint: str
    preparation: tuple[Hashable, ...]
    content: ContentKey


@dataclass(slots=True)
class Job:
    """A distinct clip of a call, and the rows that contain it.

    Attributes:
        clip: to transcribe.
        key: its transcript's in the cache; None if the content of the clip is not known before it is read.
        decoder: writes its text.
        rows: the numbers of the rows.
        reported_share: of a long clip that is not finished; see `Monitor.clip_advanced`.
        content_hash: of the whole file, 32 bytes, where a cache has asked for it.
    """

    clip: Clip
    key: JobKey | None
    decoder: Any
    rows: list[int] = field(default_factory=list)
    reported_share: float = 0.0
    content_hash: bytes | None = None


@dataclass(frozen=True)
class CallOptions:
    """What all clips of a call of the engine have in common.

    Attributes:
        decoder: says what the network has to output; the decoders of the jobs need as much of it.
        max_clips: the most clips in a batch; None lets the device decide.
        skip_silence: whether the silence of long clips does not go through the model.
        level: how the level of a clip is evened before it enters the network.
        read_limits: what reading one clip may take.
    """

    decoder: Any
    max_clips: int | None = None
    skip_silence: bool = True
    level: Level = "robust"
    read_limits: ReadLimits = DEFAULT_LIMITS

    @property
    def preparation(self) -> tuple[Hashable, ...]:
        """What texts depend on besides the clip, the model and the decoder."""
        return self.skip_silence, self.level


class JobRunner(Protocol):
    """Computes transcripts: in this process (`LocalRunner`), or elsewhere."""

    def run(
        self, jobs: Sequence[Job], options: CallOptions, monitor: Monitor
    ) -> Generator[tuple[Job, Transcript], None, None]:
        """The jobs with their transcripts, in the order in which they finish; each job once.

        A clip that fails gives a transcript with its reason. The generator is closed when the call ends early: what
        runs for it then ends too. `monitor.clip_advanced` is told of parts of long clips, nothing else: the engine
        reports the jobs.

        Raises:
            Cancelled: `monitor` was cancelled.
            RuntimeError: no clip is to blame: the model cannot process even silence, for instance.
        """
