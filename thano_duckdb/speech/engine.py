"""Clips in, transcripts out, in the same order: the single entry point to recognition.

The engine transcribes equal clips once, and only those that are not in the cache; a `JobRunner` computes the rest.
"""

from __future__ import annotations

import contextlib
import itertools
import threading
from collections.abc import Callable, Generator, Hashable, Iterator, Sequence
from typing import Any, cast

from thano_duckdb.audio.source import Clip
from thano_duckdb.monitoring.monitor import Monitor

from .cache import TranscriptCache
from .collector_pause import collector_paused, collector_running
from .job_runner import CallOptions, Job, JobKey, JobRunner
from .local_runner import Limits, LocalRunner, ReadClip
from .recognizer.recognizer import ModelDescription, Recognizer
from .threads import POLL_S
from .transcript import Transcript

MAX_CALLS = 2
"""Calls by DuckDB's threads that run at a time: one computes while another decodes. More would only take memory."""

Compute = Callable[[Sequence[Job], CallOptions, Monitor], Generator[tuple[Job, Transcript], None, None]]
"""What computes the transcripts of jobs: see `JobRunner.run`."""


class Engine:
    """A model and everything that transcribing with it takes. Any number of threads may call it at the same time.

    Attributes:
        recognizer: the model; where others have it loaded, its description.
        runner: computes the transcripts.
    """

    def __init__(
        self,
        recognizer: ModelDescription,
        *,
        read: ReadClip | None = None,
        limits: Limits | None = None,
        runner: JobRunner | None = None,
    ) -> None:
        """An engine for a model.

        Args:
            recognizer: the model; with a `runner`, its description is enough.
            read: reads clips, if this process computes; None: `decode`.
            limits: of the memory, if this process computes.
            runner: computes the transcripts; None for this process.
        """
        self.recognizer = recognizer
        if runner is None:
            runner = LocalRunner(cast("Recognizer[Any, Any, Any]", recognizer), read, limits or Limits())
        self.runner = runner
        self._slots = threading.BoundedSemaphore(MAX_CALLS)

    def transcribe(
        self,
        clips: Sequence[Clip | None],
        options: CallOptions,
        *,
        cache: TranscriptCache,
        monitor: Monitor,
        decoders: Sequence[Any] | None = None,
        compute: Compute | None = None,
    ) -> list[Transcript | None]:
        """The transcript of each clip.

        Args:
            clips: the clips to transcribe, or None.
            options: of this call; its decoder is one that the recognizer accepts, such as its `default_decoder`.
            cache: holds the transcripts of clips that were transcribed before, and receives the new ones.
            monitor: receives progress and failures, on this thread; a clip that occurs twice is reported once.
            decoders: the decoder of each clip, where they differ; all need as much of the network as that of `options`.
            compute: gives the transcripts that are not in the cache, as `Engine.compute` does; None for that.

        Returns:
            One transcript for each of `clips`, in the same order; None for None. If a clip cannot be transcribed, its
            transcript gives the reason in `error`; no other clip is affected.

        Raises:
            Cancelled: `monitor` was cancelled. What was transcribed until then is in the cache.
            AudioError: a clip failed and `monitor` stops at the first failure.
            RuntimeError: the model cannot process even silence.
        """
        transcripts: list[Transcript | None] = [None] * len(clips)
        jobs = self.jobs(clips, options, decoders)
        monitor.clips_received(sum(len(job.rows) for job in jobs))
        new_jobs = []
        n_cached, cached_s = 0, 0.0
        for job, cached in zip(jobs, cache.get_many(jobs, monitor), strict=True):
            if cached is None:
                new_jobs.append(job)
                continue
            for row in job.rows:
                transcripts[row] = cached
            n_cached += len(job.rows)
            cached_s += len(job.rows) * (cached.duration_s or 0.0)
        monitor.clips_cached(n_cached, cached_s)
        if not new_jobs:
            return transcripts
        # Closed at once if the monitor raises, so that what runs for the call ends with it.
        computing = contextlib.closing((compute or self.compute)(new_jobs, options, monitor))
        with collector_running(), computing as finished:
            for job, transcript in finished:
                cache.put(job, transcript)
                for row in job.rows:
                    transcripts[row] = transcript
                _report(job, transcript, monitor)
        return transcripts

    def compute(
        self, jobs: Sequence[Job], options: CallOptions, monitor: Monitor
    ) -> Generator[tuple[Job, Transcript], None, None]:
        """See `JobRunner.run`; it first waits for one of the `MAX_CALLS` slots."""
        with self._slot(monitor), contextlib.closing(self.runner.run(jobs, options, monitor)) as finished:
            yield from finished

    def jobs(
        self, clips: Sequence[Clip | None], options: CallOptions, decoders: Sequence[Any] | None = None
    ) -> list[Job]:
        """Each clip once for each decoder, with its rows; for the arguments see `transcribe`."""
        found: dict[Hashable, Job] = {}
        fingerprints: dict[int, str] = {}
        each_decoder = itertools.repeat(options.decoder) if decoders is None else decoders
        preparation = options.preparation
        with collector_paused():
            for row, (clip, decoder) in enumerate(zip(clips, each_decoder, strict=False)):
                if clip is None:
                    continue
                fingerprint = fingerprints.get(id(decoder))
                if fingerprint is None:
                    fingerprint = fingerprints[id(decoder)] = self.recognizer.fingerprint(decoder)
                content = clip.content_key()
                key = None if content is None else JobKey(fingerprint, preparation, content)
                identity = key or (fingerprint, clip)
                if (job := found.get(identity)) is None:
                    job = found[identity] = Job(clip, key, decoder)
                job.rows.append(row)
        return list(found.values())

    @contextlib.contextmanager
    def _slot(self, monitor: Monitor) -> Iterator[None]:
        """Wait for one of the `MAX_CALLS` slots, and hold it."""
        while not self._slots.acquire(timeout=POLL_S):
            monitor.raise_if_cancelled()
        try:
            yield
        finally:
            self._slots.release()


def _report(job: Job, transcript: Transcript, monitor: Monitor) -> None:
    if transcript.error is not None:
        monitor.clip_failed(job.clip.location, transcript.error)
    audio_s = 0.0 if transcript.error is not None else transcript.duration_s or 0.0
    if job.reported_share:
        monitor.clip_advanced(-job.reported_share, -job.reported_share * (transcript.duration_s or 0.0))
    monitor.clips_done(1, audio_s)
    if n_equal := len(job.rows) - 1:
        monitor.clips_cached(n_equal, n_equal * audio_s)
