"""Cuts the clips of a call into batches: long clips first, and smaller batches towards the end.

A clip's length is not known before it is read, and reading headers over a network costs more than a wrong guess: it is
estimated from the size of the file. So all workers finish at about the same time, whatever their number.
"""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import PurePath

from thano_duckdb.audio.source import Clip
from thano_duckdb.speech.job_runner import Job

UNKNOWN_S = 10.0
"""The length of a clip of which nothing is known, such as a URL."""
BYTES_PER_S = {".wav": 32_000, ".flac": 16_000, ".aif": 32_000, ".aiff": 32_000}
OTHER_BYTES_PER_S = 8_000
"""Of audio at 16 kHz as it is kept for speech recognition; other formats than these are compressed with losses."""
MAX_GUESS_S = 14_400.0

GPU_BATCH_S = (60.0, 1_200.0)
CPU_BATCH_S = (12.0, 120.0)
"""Seconds of audio in the smallest and the largest batch."""
SHARE = 3
"""A batch is at most this part of what remains for each worker."""
MAX_BATCH_CLIPS = 512
MAX_BATCH_BYTES = 64 * 2**20
"""BLOBs in a batch; a larger one is alone."""


@dataclass(frozen=True)
class Task:
    """A job on its way to a worker.

    Attributes:
        job: of the call.
        clip: what the worker reads: the job's, at an absolute path, or the bytes that this process has read.
        estimated_s: of audio.
    """

    job: Job
    clip: Clip
    estimated_s: float

    @classmethod
    def of(cls, job: Job, clip: Clip | None = None) -> Task:
        """The task of a job; `clip` is what the worker reads, if it is not the job's."""
        clip = absolute(clip or job.clip)
        return cls(job, clip, estimated_s(clip))

    @property
    def n_bytes(self) -> int:
        """What is sent beside its path."""
        return len(self.clip.data or b"")


@dataclass(frozen=True)
class Group:
    """Tasks that go to a worker together.

    Attributes:
        tasks: in order.
        n_deaths: workers that died while they transcribed these clips.
    """

    tasks: tuple[Task, ...]
    n_deaths: int = 0

    def split(self, n_parts: int) -> list[Group]:
        """The same tasks in several groups. A single clip starts anew: others may have been to blame."""
        size = -(-len(self.tasks) // n_parts)
        parts = [self.tasks[first : first + size] for first in range(0, len(self.tasks), size)]
        return [Group(tasks, n_deaths=1 if len(tasks) > 1 else 0) for tasks in parts]


class BatchCutter:
    """The tasks of a call that no worker has yet."""

    def __init__(self, tasks: Iterable[Task]) -> None:
        """Take the tasks."""
        ordered = sorted(tasks, key=lambda task: task.estimated_s, reverse=True)
        self._tasks = deque(ordered)
        self._again: deque[Group] = deque()
        self._remaining_s = sum(task.estimated_s for task in ordered)

    def __bool__(self) -> bool:
        return bool(self._tasks or self._again)

    def add(self, task: Task) -> None:
        """One more task, which became known later."""
        self._tasks.append(task)
        self._remaining_s += task.estimated_s

    def again(self, group: Group) -> None:
        """A group whose worker died. It waits for the others, so that one bad clip does not hold them up."""
        self._again.append(group)

    def cut(self, n_workers: int, batch_s: tuple[float, float]) -> Group:
        """The tasks of the next batch, at least one.

        Args:
            n_workers: that share what remains.
            batch_s: see `GPU_BATCH_S`.
        """
        if not self._tasks:
            return self._again.popleft()
        smallest_s, largest_s = batch_s
        wanted_s = min(max(self._remaining_s / (SHARE * n_workers), smallest_s), largest_s)
        # Few clips, however short, are divided among all workers.
        max_clips = min(MAX_BATCH_CLIPS, -(-len(self._tasks) // n_workers))
        tasks: list[Task] = []
        total_s, n_bytes = 0.0, 0
        while self._tasks and len(tasks) < max_clips:
            task = self._tasks[0]
            if tasks and (total_s + task.estimated_s > wanted_s or n_bytes + task.n_bytes > MAX_BATCH_BYTES):
                break
            tasks.append(self._tasks.popleft())
            total_s += task.estimated_s
            n_bytes += task.n_bytes
        self._remaining_s -= total_s
        return Group(tuple(tasks))


def estimated_s(clip: Clip) -> float:
    """About how many seconds of audio a clip has; nothing is opened."""
    if clip.stop_s is not None:
        return max(0.0, min(clip.stop_s - (clip.start_s or 0.0), MAX_GUESS_S))
    n_bytes = len(clip.data) if clip.data is not None else None if clip.is_url else _file_size(clip)
    if n_bytes is None:
        return UNKNOWN_S
    suffix = PurePath(clip.location).suffix.lower()
    if clip.data is not None and clip.data[:4] in (b"RIFF", b"fLaC"):
        suffix = ".wav" if clip.data[:4] == b"RIFF" else ".flac"
    return min(n_bytes / BYTES_PER_S.get(suffix, OTHER_BYTES_PER_S), MAX_GUESS_S)


def _file_size(clip: Clip) -> int | None:
    try:
        return os.stat(clip.written_path).st_size
    except (OSError, ValueError):
        return None


def absolute(clip: Clip) -> Clip:
    """The same clip at an absolute path: the working folder of a worker may be another."""
    if clip.data is not None or clip.is_url or not clip.location:
        return clip
    try:
        path = str(clip.path)
    except (OSError, ValueError):  # the worker says what is wrong with it
        return clip
    return clip if path == clip.location else replace(clip, location=path)
