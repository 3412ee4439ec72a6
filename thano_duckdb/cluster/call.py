"""One call of the dispatcher: its jobs on their way to the workers, and the transcripts that have come back."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from thano_duckdb.monitoring.monitor import Monitor
from thano_duckdb.speech.job_runner import CallOptions, Job
from thano_duckdb.speech.transcript import Transcript

from .batch_cutter import BatchCutter, Group, Task
from .driver_reads import DriverReads, has_working_folder, is_read_here

MAX_DEATHS = 2
"""Workers that may die of the same clips: the group is split then, and a single clip gives NULL."""
N_PARTS = 8
"""Into which a group is split: 512 clips are down to one after three times."""


@dataclass
class SentBatch:
    """A batch that a worker has.

    Attributes:
        group: its tasks.
        call: that waits for it; None where that has ended.
        n_clips, audio_s: what the worker has reported of it so far.
    """

    group: Group
    call: Call | None
    n_clips: float = 0.0
    audio_s: float = 0.0


class Call:
    """A call of `Dispatcher.run`. Whoever serves the pool calls it, but for `results`, which is for the call's thread.

    Attributes:
        options: as the workers get them.
        reads: the clips that this process reads itself.
        cutter: the tasks that no worker has yet.
        error: ends the call.
    """

    def __init__(self, jobs: Sequence[Job], options: CallOptions) -> None:
        """Begin with all `jobs`."""
        limits = options.read_limits
        reads_relative = not has_working_folder()
        read_here = {id(job) for job in jobs if is_read_here(job.clip, limits, reads_relative=reads_relative)}
        self.options = replace(options, read_limits=replace(limits, database=None))
        self.reads = DriverReads([job for job in jobs if id(job) in read_here], limits)
        self.cutter = BatchCutter(Task.of(job) for job in jobs if id(job) not in read_here)
        self.error: BaseException | None = None
        self._n_unfinished = len(jobs)
        self._found: deque[tuple[Job, Transcript]] = deque()
        self._progress: deque[tuple[float, float]] = deque()

    def results(self, monitor: Monitor) -> Iterator[tuple[Job, Transcript]]:
        """The jobs that were finished since the last time; `monitor` gets the progress of others."""
        while self._progress:
            monitor.clip_advanced(*self._progress.popleft())
        while self._found:
            self._n_unfinished -= 1
            yield self._found.popleft()

    @property
    def is_done(self) -> bool:
        """Whether `results` has given all jobs."""
        return not self._n_unfinished

    def collect(self) -> None:
        """Take over the clips that this process has read."""
        for job, clip in self.reads.collect():
            if isinstance(clip, str):
                self._found.append((job, Transcript.failed(clip)))
            else:
                self.cutter.add(Task.of(job, clip))

    def advanced(self, batch: SentBatch, n_clips: float, audio_s: float) -> None:
        """A worker has got this much further with one of its batches."""
        batch.n_clips += n_clips
        batch.audio_s += audio_s
        self._progress.append((n_clips, audio_s))

    def finished(self, batch: SentBatch, transcripts: Sequence[Transcript]) -> None:
        """A worker has transcribed a batch."""
        self._take_back(batch)
        for task, transcript in zip(batch.group.tasks, transcripts, strict=True):
            self._finish(task, transcript)

    def returned(self, batch: SentBatch) -> None:
        """A worker has died before it began with a batch."""
        self._take_back(batch)
        self.cutter.again(batch.group)

    def killed(self, batch: SentBatch, reason: str) -> None:
        """A worker has died in the middle of a batch: it is tried again, as a whole and then in parts."""
        self._take_back(batch)
        group = replace(batch.group, n_deaths=batch.group.n_deaths + 1)
        if group.n_deaths < MAX_DEATHS:
            self.cutter.again(group)
        elif len(group.tasks) > 1:
            for part in group.split(N_PARTS):
                self.cutter.again(part)
        else:
            [task] = group.tasks
            self._finish(task, Transcript.failed(f"The worker that transcribed it died, {MAX_DEATHS} times: {reason}."))

    def _take_back(self, batch: SentBatch) -> None:
        """What was reported of a batch: the jobs are reported one by one, or once more."""
        if batch.n_clips or batch.audio_s:
            self._progress.append((-batch.n_clips, -batch.audio_s))

    def _finish(self, task: Task, transcript: Transcript) -> None:
        if task.clip is not task.job.clip and task.clip.data is not None:
            self.reads.release(task.clip)
        self._found.append((task.job, transcript))
