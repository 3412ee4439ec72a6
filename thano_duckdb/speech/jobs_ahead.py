"""Transcribes the clips of a statement before DuckDB asks for them.

DuckDB asks for the transcripts of at most 2,048 rows and waits for them before it asks for the next: at the end of each
vector the devices run out of work. Where it is known which rows follow, a thread `read`s them ahead, and calls of the
engine, each with several thousand clips, transcribe them meanwhile. DuckDB's own call (`AskedVector`) then takes what
is finished, waits for what is being computed, and computes by itself whatever was not read ahead.

What is read ahead is only a forecast. A row that is asked for and was not read costs nothing but time, and a row that
was read and is never asked for is thrown away. Each row is counted on both sides by what identifies its transcript, so
that nothing is computed twice, in whatever order the two sides see the rows.
"""

from __future__ import annotations

import threading
import time
from collections import Counter, deque
from collections.abc import Generator, Hashable, Iterable, Sequence
from dataclasses import dataclass, field

from thano_duckdb.errors import Cancelled
from thano_duckdb.monitoring.monitor import Monitor, SilentMonitor

from .cache import TranscriptCache
from .engine import MAX_CALLS, Engine
from .job_runner import CallOptions, Job
from .threads import POLL_S
from .transcript import Transcript

MAX_ROWS_AHEAD = 16_384
"""Rows that are read and not yet asked for; also those that are asked for and not yet read, before reading stops."""
MAX_JOBS = 8_192
"""Clips in one call of the engine: with two calls at a time, all that is read ahead."""
MIN_JOBS = 2_048
"""Clips for which it is worth waiting before a call starts, unless DuckDB waits for one of them."""
CLOSE_TIMEOUT_S = 0.5
"""How long the end of a statement waits for its threads; a thread that needs longer is left to finish alone."""


@dataclass(eq=False)
class _Entry:
    """A clip that was read ahead.

    Attributes:
        job: as it was read.
        n_rows: rows with it that were not asked for yet.
        transcript: None until it is known.
        is_cached: the transcript was in the cache already.
        is_given_up: it will not be computed here.
        waits: of the calls that wait for one of these two.
    """

    job: Job
    n_rows: int
    transcript: Transcript | None = None
    is_cached: bool = False
    is_given_up: bool = False
    waits: list[_Wait] = field(default_factory=list)

    @property
    def is_settled(self) -> bool:
        """Whether nobody needs to wait for it."""
        return self.transcript is not None or self.is_given_up

    def settle(self, transcript: Transcript | None) -> None:
        """Its transcript, or None where it is given up; wakes those who wait."""
        self.transcript, self.is_given_up = transcript, transcript is None
        for wait in self.waits:
            wait.settled.append(self)
            wait.changed.set()
        self.waits.clear()


@dataclass(eq=False)
class _Wait:
    """A call that waits for clips: `settled` holds those for which it need not wait any more."""

    settled: deque[_Entry] = field(default_factory=deque)
    changed: threading.Event = field(default_factory=threading.Event)


@dataclass(eq=False)
class _Queue:
    """Clips that can go into one call of the engine."""

    engine: Engine
    options: CallOptions
    cache: TranscriptCache
    entries: deque[_Entry] = field(default_factory=deque)


class JobsAhead:
    """The clips of one statement that are read ahead, and the threads that transcribe them.

    One thread calls `read`, any number of others transcribe with `AskedVector`.
    """

    def __init__(
        self,
        monitor: Monitor,
        *,
        max_rows: int = MAX_ROWS_AHEAD,
        max_jobs: int = MAX_JOBS,
        min_jobs: int = MIN_JOBS,
    ) -> None:
        """Start the threads.

        Args:
            monitor: of the statement. Nothing is reported to it but parts of long clips: whoever asks for a clip
                reports it.
            max_rows: see `MAX_ROWS_AHEAD`.
            max_jobs: see `MAX_JOBS`.
            min_jobs: see `MIN_JOBS`.
        """
        self._monitor = _MonitorAhead(self, monitor)
        self._max_rows, self._max_jobs, self._min_jobs = max_rows, max_jobs, min_jobs
        self._changed = threading.Condition()
        self._entries: dict[Hashable, _Entry] = {}
        self._queues: dict[Hashable, _Queue] = {}
        self._n_ahead = 0
        self._asked: Counter[Hashable] = Counter()
        """Rows that were asked for and have not been read."""
        self._n_asked = 0
        self._n_waiting = 0
        """Calls of DuckDB's that wait for a clip."""
        self._reads = True
        self.is_open = True
        self._threads = [
            threading.Thread(target=self._transcribe_queues, name="thano-ahead", daemon=True) for _ in range(MAX_CALLS)
        ]
        for thread in self._threads:
            thread.start()

    # What the reading thread does

    def read(
        self, queue: Hashable, engine: Engine, options: CallOptions, cache: TranscriptCache, jobs: Sequence[Job]
    ) -> bool:
        """Take the clips of the rows that follow, and wait while enough rows are ahead.

        Args:
            queue: clips of the same `queue` can go into one call of `engine`.
            engine: transcribes them.
            options: of that call.
            cache: holds the transcripts that are known, and receives the new ones as soon as they are finished.
            jobs: the clips.

        Returns:
            Whether to go on reading: not after the end of the statement, nor where DuckDB asks for other rows.
        """
        identities = _identities(engine, options, jobs)
        with self._changed:
            asked = self._asked
            unknown = [job for job, key in zip(jobs, identities, strict=True) if asked[key] < len(job.rows)]
        cached = {
            id(job): found
            for job, found in zip(unknown, cache.get_many(unknown, self._monitor), strict=True)
            if found is not None
        }
        with self._changed:
            if not self._reads:
                return False
            into = self._queues.setdefault(queue, _Queue(engine, options, cache))
            for key, job in zip(identities, jobs, strict=True):
                self._read_one(key, job, cached.get(id(job)), into)
            self._changed.notify_all()
            while self._reads and self._n_ahead >= self._max_rows:
                self._changed.wait(POLL_S)
            return self._reads

    def _read_one(self, key: Hashable, job: Job, cached: Transcript | None, into: _Queue) -> None:
        n_asked = min(self._asked[key], len(job.rows))
        self._n_asked -= n_asked
        self._asked[key] -= n_asked
        if not self._asked[key]:
            del self._asked[key]
        if not (n_rows := len(job.rows) - n_asked):
            return
        self._n_ahead += n_rows
        if (entry := self._entries.get(key)) is not None:
            entry.n_rows += n_rows
            return
        entry = self._entries[key] = _Entry(job, n_rows, cached, is_cached=cached is not None)
        if cached is None:
            into.entries.append(entry)

    def end_of_rows(self) -> None:
        """No more rows will be read."""
        with self._changed:
            self._stop_reading()

    # What DuckDB's threads do

    def take(self, identities: Iterable[Hashable], jobs: Iterable[Job]) -> dict[int, _Entry]:
        """The entries of the clips that were read ahead, by the id of the job; all rows of `jobs` are asked for now."""
        taken = {}
        with self._changed:
            for key, job in zip(identities, jobs, strict=True):
                n_rows = len(job.rows)
                if (entry := self._entries.get(key)) is not None:
                    n_taken = min(entry.n_rows, n_rows)
                    entry.n_rows -= n_taken
                    self._n_ahead -= n_taken
                    n_rows -= n_taken
                    if not entry.n_rows:
                        del self._entries[key]
                    taken[id(job)] = entry
                if n_rows and self._reads:
                    self._asked[key] += n_rows
                    self._n_asked += n_rows
            if self._n_asked > self._max_rows:  # the two sides see other rows, or in another order
                self._stop_reading()
            self._changed.notify_all()
        return taken

    def finished(
        self, entries: dict[_Entry, Job], monitor: Monitor
    ) -> Generator[tuple[Job, Transcript | None], None, None]:
        """The clips of `entries` as they finish, with None for those that were given up.

        Raises:
            Cancelled: `monitor` was cancelled.
        """
        wait = _Wait()
        with self._changed:
            for entry in entries:
                if entry.is_settled:
                    wait.settled.append(entry)
                else:
                    entry.waits.append(wait)
            self._n_waiting += 1
            self._changed.notify_all()
        try:
            for _ in entries:
                while not wait.settled:
                    monitor.raise_if_cancelled()
                    wait.changed.wait(POLL_S)
                    wait.changed.clear()
                entry = wait.settled.popleft()
                job = entries[entry]
                job.reported_share = entry.job.reported_share
                yield job, entry.transcript
        finally:
            with self._changed:
                self._n_waiting -= 1

    # The threads

    def _transcribe_queues(self) -> None:
        while (work := self._next_work()) is not None:
            queue, entries = work
            by_job = {id(entry.job): entry for entry in entries}
            try:
                for job, transcript in queue.engine.compute(
                    [each.job for each in entries], queue.options, self._monitor
                ):
                    queue.cache.put(job, transcript)
                    with self._changed:
                        by_job.pop(id(job)).settle(transcript)
            except Exception:  # noqa: BLE001 - DuckDB's own call meets it too, and reports it
                self._stop(by_job.values())

    def _next_work(self) -> tuple[_Queue, list[_Entry]] | None:
        """The next call of the engine; None when there will be none."""
        with self._changed:
            while self.is_open:
                queue = max(self._queues.values(), key=lambda each: len(each.entries), default=None)
                n_jobs = len(queue.entries) if queue is not None else 0
                starts = n_jobs >= self._min_jobs or not self._reads or self._n_ahead >= self._max_rows
                if queue is not None and n_jobs and (starts or self._n_waiting):
                    return queue, [queue.entries.popleft() for _ in range(min(n_jobs, self._max_jobs))]
                if not self._reads:
                    return None
                self._changed.wait(POLL_S)
        return None

    # Its end

    def close(self) -> None:
        """Stop, and wait a short time for the threads."""
        self._stop([])
        deadline_s = time.monotonic() + CLOSE_TIMEOUT_S
        for thread in self._threads:
            thread.join(max(0.0, deadline_s - time.monotonic()))

    def raise_if_closed(self) -> None:
        """End a call of the engine that nobody waits for.

        Raises:
            Cancelled: the statement has ended.
        """
        if not self.is_open:
            raise Cancelled("The statement has ended.")

    def _stop(self, unfinished: Iterable[_Entry]) -> None:
        with self._changed:
            self.is_open = False
            self._stop_reading()
            for entry in unfinished:
                entry.settle(None)
            for queue in self._queues.values():
                for entry in queue.entries:
                    entry.settle(None)
                queue.entries.clear()
            self._changed.notify_all()

    def _stop_reading(self) -> None:
        self._reads = False
        self._asked.clear()
        self._n_asked = 0
        self._changed.notify_all()


class AskedVector(TranscriptCache):
    """The cache and the computation of one call of `Engine.transcribe`, with what was read ahead in front of both."""

    def __init__(self, ahead: JobsAhead, engine: Engine, options: CallOptions, cache: TranscriptCache) -> None:
        self._ahead, self._engine, self._options, self._cache = ahead, engine, options, cache
        self._taken: dict[int, _Entry] = {}

    def get_many(self, jobs: Sequence[Job], monitor: Monitor) -> list[Transcript | None]:
        """See `TranscriptCache`."""
        self._taken = self._ahead.take(_identities(self._engine, self._options, jobs), jobs)
        others = [job for job in jobs if id(job) not in self._taken]
        found = dict(zip(map(id, others), self._cache.get_many(others, monitor), strict=True))
        for number, entry in self._taken.items():
            found[number] = entry.transcript if entry.is_cached else None
        return [found[id(job)] for job in jobs]

    def put(self, job: Job, transcript: Transcript) -> None:
        """See `TranscriptCache`. What was computed ahead is in the cache already."""
        entry = self._taken.get(id(job))
        if entry is None or entry.is_given_up:
            self._cache.put(job, transcript)

    def compute(
        self, jobs: Sequence[Job], options: CallOptions, monitor: Monitor
    ) -> Generator[tuple[Job, Transcript], None, None]:
        """See `Engine.compute`."""
        own = [job for job in jobs if id(job) not in self._taken]
        if own:
            yield from self._engine.compute(own, options, monitor)
        given_up = []
        for job, transcript in self._ahead.finished(
            {self._taken[id(job)]: job for job in jobs if id(job) in self._taken}, monitor
        ):
            if transcript is None:
                given_up.append(job)
            else:
                yield job, transcript
        if given_up:
            yield from self._engine.compute(given_up, options, monitor)


class _MonitorAhead(SilentMonitor):
    """Reports parts of long clips, and stops with the statement."""

    def __init__(self, ahead: JobsAhead, monitor: Monitor) -> None:
        self._ahead, self._monitor = ahead, monitor

    def raise_if_cancelled(self) -> None:
        self._ahead.raise_if_closed()
        self._monitor.raise_if_cancelled()

    def clip_advanced(self, share: float, audio_s: float) -> None:
        self._monitor.clip_advanced(share, audio_s)


def _identities(engine: Engine, options: CallOptions, jobs: Sequence[Job]) -> list[Hashable]:
    """What identifies the transcript of each of `jobs` within a statement."""
    fingerprints: dict[int, Hashable] = {}

    def fingerprint(decoder: object) -> Hashable:
        if id(decoder) not in fingerprints:
            fingerprints[id(decoder)] = engine.recognizer.fingerprint(decoder)
        return fingerprints[id(decoder)]

    return [job.key or (fingerprint(job.decoder), options.preparation, job.clip) for job in jobs]
