"""Clips that only this process can read, such as URLs that DuckDB opens itself, with its secrets and settings.

Threads read them ahead of the workers, and they are sent as BLOBs.
"""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Sequence
from concurrent.futures import Future
from dataclasses import replace
from types import TracebackType
from typing import Self

from thano_duckdb.audio.failure import UnreadableAudioError
from thano_duckdb.audio.limits import ReadLimits
from thano_duckdb.audio.protocols import protocol_of
from thano_duckdb.audio.raw import open_raw
from thano_duckdb.audio.source import Clip
from thano_duckdb.speech.job_runner import Job
from thano_duckdb.speech.threads import FETCH_THREADS, CallThreads

MAX_HELD_BYTES = 256 * 2**20
"""Of clips that were read, and that no worker has transcribed yet; a larger clip is read alone."""


class DriverReads:
    """Reads the clips of some jobs; use it as a context manager. One thread at a time may call it."""

    def __init__(self, jobs: Sequence[Job], limits: ReadLimits) -> None:
        """Read the clips of `jobs` within `limits`."""
        self._limits = limits
        self._waiting = deque(jobs)
        self._reading: dict[Future[Clip | str], Job] = {}
        self._held_bytes = 0
        self._largest_bytes = 0
        self._threads = CallThreads(FETCH_THREADS, "thano-read") if jobs else None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._threads is not None:
            self._threads.__exit__(kind, error, trace)

    def collect(self) -> list[tuple[Job, Clip | str]]:
        """The clips that were read since the last call, as BLOBs, or why they cannot be; starts to read more."""
        found = [(self._reading.pop(future), future.result()) for future in list(self._reading) if future.done()]
        for _job, clip in found:
            if isinstance(clip, Clip):
                self._held_bytes += len(clip.data or b"")
                self._largest_bytes = max(self._largest_bytes, len(clip.data or b""))
        while self._waiting and len(self._reading) < FETCH_THREADS and self._has_room():
            job = self._waiting.popleft()
            assert self._threads is not None
            self._reading[self._threads.submit(self._read, job.clip)] = job
        return found

    def release(self, clip: Clip) -> None:
        """A clip that was read is not needed any more."""
        self._held_bytes -= len(clip.data or b"")

    def _has_room(self) -> bool:
        is_idle = not self._reading and not self._held_bytes
        return is_idle or self._held_bytes + (len(self._reading) + 1) * self._largest_bytes <= MAX_HELD_BYTES

    def _read(self, clip: Clip) -> Clip | str:
        """Runs on a thread."""
        try:
            with open_raw(clip, self._limits) as raw:
                return replace(clip, data=raw.read_at(0, raw.n_bytes))
        except UnreadableAudioError as error:
            return error.failure.reason


def is_read_here(clip: Clip, limits: ReadLimits, *, reads_relative: bool = False) -> bool:
    """Whether only this process can read a clip, or say why it cannot.

    Args:
        clip: which.
        limits: on reading it.
        reads_relative: relative paths too: a worker would look for them in a working folder of its own.
    """
    if not clip.is_url:
        return reads_relative and clip.data is None and not os.path.isabs(clip.written_path)
    if limits.database is None:
        return False
    try:
        return limits.database.reads(clip.location, protocol_of(clip.location))
    except UnreadableAudioError:  # the worker says so
        return False


def has_working_folder() -> bool:
    """Whether relative paths have a meaning: the working folder of a process may be deleted while it runs."""
    try:
        os.getcwd()
    except OSError:
        return False
    return True
