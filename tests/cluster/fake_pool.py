"""A pool whose workers only exist on paper, with a clock of its own: what they do, and when they die, is planned."""

from __future__ import annotations

import itertools
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from thano_duckdb.audio.source import Clip
from thano_duckdb.cluster.worker_pool import (
    Advanced,
    Batch,
    Died,
    Event,
    Failed,
    Finished,
    ModelFacts,
    Ready,
    WorkerInfo,
)
from thano_duckdb.speech.decoding.greedy import GreedyDecoder
from thano_duckdb.speech.decoding.vocabulary import Vocabulary
from thano_duckdb.speech.job_runner import CallOptions
from thano_duckdb.speech.transcript import Transcript

FACTS = ModelFacts("model, float32", Vocabulary(("", "a"), frozenset()), GreedyDecoder(), "float32", "cpu")
OPTIONS = CallOptions(GreedyDecoder())


@dataclass
class Clock:
    """Seconds that pass when the pool says so."""

    now_s: float = 0.0

    def __call__(self) -> float:
        return self.now_s


@dataclass
class FakeWorker:
    """A worker: its queue, and when it is done with what it does."""

    name: str
    ready_at_s: float
    facts: ModelFacts = FACTS
    state: str = "starting"
    queue: deque[Batch] = field(default_factory=deque)
    busy_until_s: float | None = None
    n_clips: int = 0


class FakePool:
    """Implements `WorkerPool`.

    Attributes:
        poison: locations of the clips that kill whoever transcribes them.
        dies: asked at the start of each batch: whether the worker dies of it.
        can_replace: whether `start_worker` starts one.
        most_in_flight: the most batches that a worker had.
        sent: all batches, with their worker.
        n_cancelled: how often `cancel` was called.
    """

    def __init__(
        self,
        n_workers: int,
        clock: Clock,
        *,
        start_s: Sequence[float | None] = (1.0,),
        clip_s: float = 0.01,
        poison: frozenset[str] = frozenset(),
        dies: Callable[[FakeWorker, Batch], bool] = lambda _worker, _batch: False,
        can_replace: bool = True,
        facts: Sequence[ModelFacts] = (FACTS,),
        loads: bool = False,
        fails: BaseException | None = None,
        look_s: float = 0.0,
    ) -> None:
        self._n_workers = n_workers
        self._clock = clock
        self._start_s = itertools.cycle(start_s)  # None: dies while it starts
        self._clip_s = clip_s
        self.poison = poison
        self.dies = dies
        self.can_replace = can_replace
        self._facts = itertools.cycle(facts)
        self._loads = loads
        self._fails = fails
        self._look_s = look_s  # real seconds that `poll` takes
        self._workers: dict[str, FakeWorker] = {}
        self._events: deque[Event] = deque()
        self.most_in_flight = 0
        self.sent: list[tuple[str, Batch]] = []
        self.n_cancelled = 0
        self.is_closed = False

    def start(self) -> None:
        """See `WorkerPool`."""
        for _ in range(self._n_workers):
            self._add()

    def start_worker(self) -> bool:
        """See `WorkerPool`."""
        if self.can_replace:
            self._add()
        return self.can_replace

    def _add(self) -> None:
        name = f"worker {len(self._workers) + 1}"
        start_s = next(self._start_s)
        self._workers[name] = FakeWorker(name, self._clock.now_s + (start_s or 0.0), next(self._facts))
        if start_s is None:
            self._die(self._workers[name], "it cannot load the model")

    def submit(self, worker: str, batch: Batch) -> None:
        """See `WorkerPool`."""
        found = self._workers[worker]
        assert found.state in ("ready", "dead")  # that it is dead is not reported yet
        found.queue.append(batch)
        self.sent.append((worker, batch))
        self.most_in_flight = max(self.most_in_flight, len(found.queue))

    def poll(self, timeout_s: float) -> Sequence[Event]:
        """See `WorkerPool`."""
        time.sleep(self._look_s)
        if not self._events:
            self._work()
        if not self._events:
            times = [at for worker in self._workers.values() if (at := self._next(worker)) is not None]
            until_s = min([*times, self._clock.now_s + timeout_s])
            self._clock.now_s = max(until_s, self._clock.now_s)
            self._work()
        events = list(self._events)
        self._events.clear()
        return events

    def _next(self, worker: FakeWorker) -> float | None:
        if worker.state == "starting":
            return worker.ready_at_s
        return worker.busy_until_s if worker.state == "ready" else None

    def _work(self) -> None:
        for worker in list(self._workers.values()):
            if worker.state == "starting":
                if worker.ready_at_s <= self._clock.now_s:
                    worker.state = "ready"
                    self._events.append(Ready(worker.name, worker.facts))
                elif self._loads:
                    self._events.append(Advanced(worker.name, 0, 0.0))
                    self._clock.now_s += 1.0
                continue
            if worker.state != "ready" or not worker.queue:
                continue
            batch = worker.queue[0]
            if worker.busy_until_s is None:
                worker.busy_until_s = self._clock.now_s + self._clip_s * len(batch.clips)
                self._events.append(Advanced(worker.name, 0.5, 1.0))
            if worker.busy_until_s <= self._clock.now_s:
                worker.busy_until_s = None
                if self.dies(worker, batch) or any(clip.location in self.poison for clip in batch.clips):
                    self._die(worker, "it was killed by signal 9")
                    continue
                worker.queue.popleft()
                if self._fails is not None:
                    self._events.append(Failed(worker.name, batch.number, self._fails))
                    continue
                worker.n_clips += len(batch.clips)
                self._events.append(Finished(worker.name, batch.number, tuple(map(transcript_of, batch.clips))))

    def _die(self, worker: FakeWorker, reason: str) -> None:
        worker.state = "dead"
        self._events.append(Died(worker.name, reason))

    def kill(self, name: str) -> None:
        """Let a worker die between two batches."""
        self._die(self._workers[name], "it was killed by signal 9")

    def cancel(self) -> None:
        """See `WorkerPool`."""
        self.n_cancelled += 1
        self._events = deque(event for event in self._events if isinstance(event, Ready | Died))
        for worker in self._workers.values():
            worker.queue.clear()
            worker.busy_until_s = None

    def workers(self) -> Sequence[WorkerInfo]:
        """See `WorkerPool`."""
        return [
            WorkerInfo(worker.name, "process", "here", None, "cpu", worker.state, "model", worker.n_clips, 0.0)
            for worker in self._workers.values()
        ]

    def close(self) -> None:
        """See `WorkerPool`."""
        self.is_closed = True


def transcript_of(clip: Clip) -> Transcript:
    """What every worker makes of a clip."""
    return Transcript(clip.location.upper(), 1.0, 2.0, None, None)
