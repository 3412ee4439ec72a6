"""Hands batches of clips to the workers of a pool, and collects their transcripts: a `JobRunner`.

A worker has at most two batches, so that it never waits for the next, and only one that has answered gets any. What a
worker had when it died is tried again on others. Any number of threads may call the dispatcher; whichever of them waits
serves the pool for all.
"""

from __future__ import annotations

import contextlib
import itertools
import threading
import time
from collections import Counter, deque
from collections.abc import Callable, Generator, Iterator, Sequence
from typing import Any

from thano_duckdb.errors import ModelError, counted
from thano_duckdb.monitoring.monitor import Monitor
from thano_duckdb.speech.job_runner import CallOptions, Job
from thano_duckdb.speech.threads import POLL_S, Cancellable
from thano_duckdb.speech.transcript import Transcript

from .batch_cutter import CPU_BATCH_S, GPU_BATCH_S
from .call import Call, SentBatch
from .worker_pool import Advanced, Batch, Died, Event, Failed, Finished, ModelFacts, Ready, WorkerInfo, WorkerPool

MAX_BATCHES = 2
"""That a worker has: one that it transcribes, and the next."""
NO_WORKER_S = 60.0
"""How long a call waits while no worker is ready and none shows a sign of life."""
MAX_FAILED_STARTS = 3
"""Workers in a row that died before they were ready; after that, none that dies is replaced."""
MAX_DEATHS_IN_A_ROW = 10
"""Workers that may die without a batch being finished in between; three for each worker where these are more."""
MAX_CLOCK_STEP_S = 1.0
"""A longer pause between two looks at the pool is the caller's, or the machine was suspended: no worker is to blame."""


class Dispatcher:
    """Runs jobs on a pool of workers, which is started when it is first needed. See `JobRunner`."""

    def __init__(
        self,
        open_pool: Callable[[], WorkerPool],
        *,
        clock: Callable[[], float] = time.monotonic,
        closes_on_interrupt: bool = False,
    ) -> None:
        """Run jobs on a pool.

        Args:
            open_pool: gives it, not started yet.
            clock: gives seconds.
            closes_on_interrupt: a call that ends early stops all workers: others may wait for their devices.
        """
        self._closes_on_interrupt = closes_on_interrupt
        self._open_pool = open_pool
        self._clock = clock
        self._changed = threading.Condition()
        self._is_served = False  # whether a thread uses what follows, see `_serving`
        self._n_waiting = 0  # threads that want to
        self._pool: WorkerPool | None = None
        self._queues: dict[str, deque[int]] = {}  # of each worker that is ready: the numbers of its batches
        self._batches: dict[int, SentBatch] = {}
        self._calls: list[Call] = []
        self._facts: ModelFacts | None = None
        self._numbers = itertools.count()
        self._batch_s = CPU_BATCH_S
        self._most_ready = 0
        self._n_deaths = 0  # in a row
        self._n_failed_starts = 0  # in a row
        self._without_worker_s = 0.0
        self._looked_at_s = 0.0
        self.used_at_s = clock()
        """When a call last ended."""

    def facts(self, monitor: Cancellable) -> ModelFacts:
        """What the workers say of the model; waits for the first one if need be.

        Raises:
            Cancelled: `monitor` was cancelled first.
            ThanoError: no worker can be started.
        """
        if self._facts is None:
            with self._entered(Call((), CallOptions(None))) as call:
                while self._facts is None:
                    monitor.raise_if_cancelled()
                    self._serve()
                    if call.error is not None:
                        raise call.error
        return self._facts

    def run(
        self, jobs: Sequence[Job], options: CallOptions, monitor: Monitor
    ) -> Generator[tuple[Job, Transcript], None, None]:
        """See `JobRunner`.

        Raises:
            Cancelled, RuntimeError: see `JobRunner`.
            ThanoError: no worker is left, none can be started, or they do not compute alike.
        """
        call = Call(jobs, options)
        with call.reads, self._entered(call):
            while not call.is_done:
                monitor.raise_if_cancelled()
                self._serve()
                yield from call.results(monitor)
                if call.error is not None:
                    raise call.error

    def workers(self) -> Sequence[WorkerInfo]:
        """Those of the pool; none where it is not started."""
        with self._serving():
            return self._pool.workers() if self._pool is not None else ()

    def close(self, *, only_if_idle: bool = False) -> bool:
        """Stop all workers, and with them the calls that run; the next call starts others.

        Args:
            only_if_idle: do nothing where calls run.

        Returns:
            Whether they were stopped.
        """
        with self._serving():
            if only_if_idle and self._calls:
                return False
            self._fail(ModelError("the workers were stopped"))
            return True

    @contextlib.contextmanager
    def _entered(self, call: Call) -> Iterator[Call]:
        """A call for the time that it runs; what is left of it at the end is stopped."""
        with self._serving():
            self._calls.append(call)
        is_complete = False
        try:
            yield call
            is_complete = True
        finally:
            with self._serving():
                self._calls.remove(call)
                self._drop(call)
                self.used_at_s = self._clock()
                if self._closes_on_interrupt and not is_complete and not self._calls:
                    self._fail(ModelError("the workers were stopped"))

    def _drop(self, call: Call) -> None:
        """Stop the batches of a call. Where other calls have batches too, the workers finish them for nobody."""
        left = [batch for batch in self._batches.values() if batch.call is call]
        for batch in left:
            batch.call = None
        if left and self._pool is not None and not self._calls:
            self._batches.clear()
            for queue in self._queues.values():
                queue.clear()
            self._pool.cancel()

    @contextlib.contextmanager
    def _serving(self) -> Iterator[None]:
        """Be the only thread that uses the pool; another one's look at it takes `POLL_S` at most."""
        with self._changed:
            self._n_waiting += 1
            try:
                while self._is_served:
                    self._changed.wait()
                self._is_served = True
            finally:
                self._n_waiting -= 1
        try:
            yield
        finally:
            with self._changed:
                self._is_served = False
                self._changed.notify_all()

    def _serve(self) -> None:
        """Let all calls go on, or wait for as long as another thread does it."""
        with self._changed:
            if self._is_served or self._n_waiting:  # who waits for a moment comes before who will look again
                self._changed.wait(POLL_S)
                return
        with self._serving():
            try:
                self._look()
            except Exception as error:  # noqa: BLE001 - of the pool: all calls end with it, on threads of their own
                self._fail(error)

    def _look(self) -> None:
        if self._pool is None:
            self._start()
        pool = self._pool
        assert pool is not None
        has_room = any(len(queue) < MAX_BATCHES for queue in self._queues.values())
        has_tasks = any(call.cutter for call in self._calls)
        for event in pool.poll(0.0 if has_room and has_tasks else POLL_S):  # which workers have died since?
            self._handle(event)
            if self._pool is not pool:  # the event ended all calls
                return
        self._hand_out()
        self._check_time()

    def _start(self) -> None:
        self._n_deaths = self._n_failed_starts = self._most_ready = 0
        self._without_worker_s, self._looked_at_s = 0.0, self._clock()
        self._pool = self._open_pool()
        self._pool.start()

    def _hand_out(self) -> None:
        """Give batches to the workers that have the fewest."""
        assert self._pool is not None
        for call in list(self._calls):
            call.collect()
        for most in range(MAX_BATCHES):
            for worker, queue in self._queues.items():
                if len(queue) > most or (call_or_none := self._next_call()) is None:
                    continue
                call = call_or_none
                group = call.cutter.cut(len(self._queues), self._batch_s)
                number = next(self._numbers)
                queue.append(number)
                self._batches[number] = SentBatch(group, call)
                decoders: tuple[Any, ...] | None = tuple(task.job.decoder for task in group.tasks)
                if all(decoder is call.options.decoder for decoder in decoders or ()):
                    decoders = None
                self._pool.submit(
                    worker, Batch(number, tuple(task.clip for task in group.tasks), decoders, call.options)
                )

    def _next_call(self) -> Call | None:
        """The call whose turn it is, of those that have something to do."""
        for _ in range(len(self._calls)):
            call = self._calls.pop(0)
            self._calls.append(call)
            if call.cutter and call.error is None:
                return call
        return None

    def _handle(self, event: Event) -> None:
        match event:
            case Ready(worker, facts):
                self._ready(worker, facts)
            case Advanced(worker, n_clips, audio_s):
                self._without_worker_s = 0.0
                if queue := self._queues.get(worker):
                    batch = self._batches[queue[0]]
                    if batch.call is not None:
                        batch.call.advanced(batch, n_clips, audio_s)
            case Finished(worker, number, transcripts):
                self._n_deaths = 0
                if (done := self._taken(worker, number)) is not None and done.call is not None:
                    done.call.finished(done, transcripts)
            case Failed(worker, number, error):
                if (done := self._taken(worker, number)) is not None and done.call is not None:
                    done.call.error = error
            case Died(worker, reason):
                self._died(worker, reason)

    def _ready(self, worker: str, facts: ModelFacts) -> None:
        assert self._pool is not None
        if self._facts is not None and facts.fingerprint != self._facts.fingerprint:
            self._fail(
                ModelError(
                    "the workers do not compute alike, so that a text would depend on where it is written: with "
                    "precision='auto' old processors and GPUs compute in float32, others in bfloat16. Give one, "
                    "OPTIONS (precision='float32'), or use devices of one kind; if the model was changed meanwhile, "
                    "run the statement again"
                )
            )
            return
        self._facts = facts
        self._queues[worker] = deque()
        self._most_ready = max(self._most_ready, len(self._queues))
        self._n_failed_starts = 0
        self._without_worker_s = 0.0
        is_gpu = any(info.device.startswith("cuda") for info in self._pool.workers() if info.worker == worker)
        self._batch_s = GPU_BATCH_S if is_gpu else CPU_BATCH_S

    def _taken(self, worker: str, number: int) -> SentBatch | None:
        """A batch that a worker is done with; None where nobody waits for it any more."""
        queue = self._queues.get(worker)
        if queue is not None and number in queue:
            queue.remove(number)
        return self._batches.pop(number, None)

    def _died(self, worker: str, reason: str) -> None:
        queue = self._queues.pop(worker, None)
        if queue is None:
            self._n_failed_starts += 1
        else:
            self._n_deaths += 1
        for position, number in enumerate(queue or ()):
            batch = self._batches.pop(number)
            if batch.call is None:
                continue
            if position == 0:
                batch.call.killed(batch, reason)
            else:
                batch.call.returned(batch)
        self._replace(reason, was_ready=queue is not None)

    def _replace(self, reason: str, *, was_ready: bool) -> None:
        """Start a worker for one that died, unless that is hopeless."""
        assert self._pool is not None
        if self._n_deaths > max(MAX_DEATHS_IN_A_ROW, 3 * self._most_ready):
            self._fail(ModelError(f"{self._n_deaths} workers died one after the other, the last one: {reason}"))
            return
        if was_ready or (self._most_ready and self._n_failed_starts < MAX_FAILED_STARTS):
            self._pool.start_worker()
        if all(info.state == "dead" for info in self._pool.workers()):
            what = "no worker is left" if self._most_ready else "no worker could be started"
            self._fail(ModelError(f"{what}: {reason}"))

    def _check_time(self) -> None:
        """Give up where no worker is ready for a long time."""
        now_s = self._clock()
        passed_s, self._looked_at_s = now_s - self._looked_at_s, now_s
        if self._queues or self._pool is None:
            self._without_worker_s = 0.0
            return
        self._without_worker_s += min(passed_s, MAX_CLOCK_STEP_S)
        if self._without_worker_s >= NO_WORKER_S:
            states = Counter((info.state, info.kind, info.node, info.device) for info in self._pool.workers())
            listed = "; ".join(
                f"{n} {state} ({kind}, {node}, {device})" for (state, kind, node, device), n in states.items()
            )
            self._fail(
                ModelError(
                    f"no worker was ready for {NO_WORKER_S:.0f} s; of {counted(sum(states.values()), 'worker')}: "
                    f"{listed or 'none was started'}"
                )
            )

    def _fail(self, error: Exception) -> None:
        """End all calls, and the pool; the next call starts another."""
        for call in self._calls:
            call.error = error
        for batch in self._batches.values():
            batch.call = None
        self._batches.clear()
        self._queues.clear()
        pool, self._pool = self._pool, None
        if pool is not None:
            pool.close()
