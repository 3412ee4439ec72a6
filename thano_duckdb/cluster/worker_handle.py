"""A worker of a Ray cluster as its pool knows it, and the answers that the pool expects of it."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from .ray_parcels import Parcel
from .ray_worker import Description


@dataclass(eq=False)
class WorkerHandle:
    """A worker as the pool knows it.

    Attributes:
        name: within the pool.
        actor: Ray's handle.
        state: see `WorkerInfo`.
        description: its first answer.
        files: by the digest of their content, whether it has them; False while it is asked or receives them.
        waiting: batches that it gets as soon as it has their files, and as there is room for their bytes.
        sent: the numbers of those that it has.
        is_reporting: whether a report is on its way.
        silent_s: how long it has not been heard of.
        n_clips, audio_s: see `WorkerInfo`.
    """

    name: str
    actor: Any
    state: str = "starting"
    description: Description | None = None
    files: dict[str, bool] = field(default_factory=dict)
    waiting: deque[Parcel] = field(default_factory=deque)
    sent: list[int] = field(default_factory=list)
    is_reporting: bool = False
    silent_s: float = 0.0
    n_clips: int = 0
    audio_s: float = 0.0

    @property
    def node(self) -> str:
        """Its machine; empty before that is known."""
        return self.description.node if self.description else ""

    @property
    def pid(self) -> int | None:
        """Of its process; None before that is known."""
        return self.description.pid if self.description else None

    @property
    def is_preparing(self) -> bool:
        """Whether it has room in the cluster, and is not ready yet."""
        return self.state == "starting" and self.description is not None


@dataclass(frozen=True)
class Expected:
    """An answer that will come: what is done with it, and the number of the batch that it is about."""

    worker: WorkerHandle
    handle: Callable[[Any], None]
    number: int | None = None
