"""Clips in, transcripts out, in the same order: the single entry point to recognition.

Threads decode audio ahead of the model. Decoded clips are collected in pools of a limited number of bytes. The windows
of a pool are sorted by length and go through the model in batches, while the threads decode the next pool. So memory
does not grow with the number of clips. On a CPU the batches, and with them the rounding errors, are the same in every
run; on a GPU they depend on the memory that is free.
"""

from __future__ import annotations

import contextlib
import itertools
import os
import threading
from collections import deque
from collections.abc import Callable, Generator, Hashable, Iterable, Iterator, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import Any

from thano_duckdb.audio.decode import AudioFailure, Waveform, decode
from thano_duckdb.audio.mixed_clips import MixProblem
from thano_duckdb.audio.source import Clip
from thano_duckdb.monitoring.monitor import Monitor

from .batch_runner import BatchRunner
from .cache import TranscriptCache
from .heap import trim
from .readahead import ReadAhead
from .recognizer.level import Level
from .recognizer.recognizer import ClipFailure, PreparedClip, Recognizer
from .threads import FETCH_THREADS, POLL_S, CallThreads, result_of
from .transcript import Transcript

MAX_CALLS = 2
"""Calls by DuckDB's threads that run at a time: one computes while another decodes. More would only take memory."""
CLIP_BYTES = 4096
"""Approximate memory of a decoded clip in addition to its samples."""


@dataclass(frozen=True)
class Limits:
    """How much an engine holds in memory at a time.

    Attributes:
        pool_bytes: decoded audio from which batches are made; more than an hour, so that sorting by length leaves
            little padding.
        first_pool_bytes: size of the first pool, small so that the model starts early; each following pool is twice as
            large, up to `pool_bytes`.
        decode_threads: clips whose audio is decoded at a time.
        fetch_threads: the same where clips are at URLs, and most of these threads wait for servers.
        search_threads: clips whose texts are searched for at a time, by a decoder that runs aside.
        max_searches: clips whose texts are still being searched for when the next batch is computed.
        trim_above_bytes: a call that decoded more than this returns freed memory to the system, which takes
            milliseconds.
    """

    pool_bytes: int = 256 * 1024 * 1024
    first_pool_bytes: int = 32 * 1024 * 1024
    decode_threads: int = min(16, max(4, os.cpu_count() or 1))
    fetch_threads: int = FETCH_THREADS
    search_threads: int = min(8, os.cpu_count() or 1)
    max_searches: int = 256
    trim_above_bytes: int = 32 * 1024 * 1024


@dataclass
class _Job:
    """A distinct clip of a call, and the rows that contain it."""

    clip: Clip
    key: Hashable | None  # for the cache; None if the clip must not be cached
    decoder: Any
    rows: list[int] = field(default_factory=list)
    reported_share: float = 0.0  # of a long clip that is not finished; see `Monitor.clip_advanced`


@dataclass(frozen=True)
class _Unreadable:
    job: _Job
    reason: str
    duration_s: float | None = None


@dataclass
class _Utterance:
    """A decoded clip on its way through the model."""

    job: _Job
    duration_s: float
    mix_problem: MixProblem | None
    prepared: PreparedClip[Any]
    n_samples: int  # of all its windows
    outcomes: dict[int, Any | ClipFailure] = field(default_factory=dict)  # by number of the window

    @property
    def is_complete(self) -> bool:
        return len(self.outcomes) == len(self.prepared.windows)

    def outputs(self) -> list[Any] | ClipFailure:
        """The model's outputs for the windows in order, or the first failure."""
        outputs = []
        for number in range(len(self.outcomes)):
            outcome = self.outcomes[number]
            if isinstance(outcome, ClipFailure):
                return outcome
            outputs.append(outcome)
        return outputs


class Engine:
    """A model and everything that transcribing with it takes. Any number of threads may call it at the same time.

    Attributes:
        recognizer: the model.
    """

    def __init__(
        self,
        recognizer: Recognizer[Any, Any, Any],
        *,
        read: Callable[[Clip], Waveform | AudioFailure] = decode,
        limits: Limits | None = None,
    ) -> None:
        """An engine that reads clips with `read`."""
        self.recognizer = recognizer
        self._read = read
        self._limits = limits or Limits()
        self._runner = BatchRunner(recognizer)
        self._slots = threading.BoundedSemaphore(MAX_CALLS)

    def transcribe(
        self,
        clips: Sequence[Clip | None],
        *,
        decoder: Any,
        cache: TranscriptCache,
        max_clips: int | None,
        monitor: Monitor,
        read: Callable[[Clip], Waveform | AudioFailure] | None = None,
        decoders: Sequence[Any] | None = None,
        skip_silence: bool = True,
        level: Level = "robust",
    ) -> list[Transcript | None]:
        """The transcript of each clip.

        Args:
            clips: the clips to transcribe, or None.
            decoder: one that the recognizer accepts, such as its `default_decoder`.
            cache: holds the transcripts of clips that were transcribed before, and receives the new ones.
            max_clips: the most clips in a batch; None lets the device decide.
            monitor: receives progress and failures, on this thread; a clip that occurs twice is reported once.
            read: reads the clips of this call, if they have limits of their own.
            decoders: the decoder of each clip, where they differ; all need as much of the network as `decoder`.
            skip_silence: whether the silence of long clips does not go through the model.
            level: how the level of a clip is evened before it enters the network.

        Returns:
            One transcript for each of `clips`, in the same order; None for None. If a clip cannot be transcribed, its
            transcript gives the reason in `error`; no other clip is affected.

        Raises:
            Cancelled: `monitor` was cancelled. What was transcribed until then is in the cache.
            AudioError: a clip failed and `monitor` stops at the first failure.
            RuntimeError: the model cannot process even silence.
        """
        transcripts: list[Transcript | None] = [None] * len(clips)
        each_decoder = itertools.repeat(decoder) if decoders is None else decoders
        jobs = self._jobs(clips, each_decoder, (skip_silence, level))
        monitor.clips_received(sum(len(job.rows) for job in jobs))
        new_jobs = []
        n_cached, cached_s = 0, 0.0
        for job in jobs:
            cached = cache.get(job.key) if job.key is not None else None
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
        read = read or self._read
        call = _Call(
            self.recognizer, self._runner, read, self._limits, decoder, max_clips, skip_silence, level, monitor
        )
        # Closed at once if the monitor raises, so that the decode threads end with the call.
        with self._slot(monitor), contextlib.closing(call.run(new_jobs)) as finished:
            for job, transcript in finished:
                if job.key is not None:
                    cache.put(job.key, transcript)
                for row in job.rows:
                    transcripts[row] = transcript
                _report(job, transcript, monitor)
        return transcripts

    def _jobs(self, clips: Sequence[Clip | None], decoders: Iterable[Any], preparation: Hashable) -> list[_Job]:
        """Each clip once for each decoder, with its rows; `preparation` is what else the texts depend on."""
        found: dict[Hashable, _Job] = {}
        fingerprints: dict[int, Hashable] = {}
        for row, (clip, decoder) in enumerate(zip(clips, decoders, strict=False)):
            if clip is None:
                continue
            if id(decoder) not in fingerprints:
                fingerprints[id(decoder)] = (self.recognizer.fingerprint(decoder), preparation)
            fingerprint = fingerprints[id(decoder)]
            content = clip.content_key()
            key = None if content is None else (fingerprint, content)
            found.setdefault(key or (fingerprint, clip), _Job(clip, key, decoder)).rows.append(row)
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


def _report(job: _Job, transcript: Transcript, monitor: Monitor) -> None:
    if transcript.error is not None:
        monitor.clip_failed(job.clip.location, transcript.error)
    audio_s = 0.0 if transcript.error is not None else transcript.duration_s or 0.0
    if job.reported_share:
        monitor.clip_advanced(-job.reported_share, -job.reported_share * (transcript.duration_s or 0.0))
    monitor.clips_done(1, audio_s)
    if n_equal := len(job.rows) - 1:
        monitor.clips_cached(n_equal, n_equal * audio_s)


@dataclass(frozen=True)
class _Call:
    """A single call of `Engine.transcribe`, for the clips that are not in the cache."""

    recognizer: Recognizer[Any, Any, Any]
    runner: BatchRunner
    read: Callable[[Clip], Waveform | AudioFailure]
    limits: Limits
    decoder: Any
    max_clips: int | None
    skip_silence: bool
    level: Level
    monitor: Monitor

    def run(self, jobs: Sequence[_Job]) -> Generator[tuple[_Job, Transcript]]:
        """Clips with their transcripts, in the order in which they finish."""
        limits = self.limits
        with ReadAhead(
            self._prepare,
            jobs,
            n_bytes=_n_bytes,
            max_bytes=2 * limits.pool_bytes,
            n_threads=min(self._max_threads(jobs), len(jobs)),
            monitor=self.monitor,
        ) as decoded:
            pool: list[_Utterance] = []
            total_bytes = 0
            pool_bytes, full_bytes = 0, min(limits.first_pool_bytes, limits.pool_bytes)
            for utterance in decoded:
                if isinstance(utterance, _Unreadable):
                    decoded.release(_n_bytes(utterance))
                    yield utterance.job, Transcript.failed(utterance.reason, utterance.duration_s)
                    continue
                pool.append(utterance)
                pool_bytes += _n_bytes(utterance)
                total_bytes += _n_bytes(utterance)
                if pool_bytes >= full_bytes:
                    yield from self._recognize(pool)
                    pool.clear()
                    decoded.release(pool_bytes)
                    pool_bytes, full_bytes = 0, min(2 * full_bytes, limits.pool_bytes)
            yield from self._recognize(pool)
            pool.clear()
        if total_bytes > limits.trim_above_bytes:
            trim()

    def _max_threads(self, jobs: Sequence[_Job]) -> int:
        return self.limits.fetch_threads if any(job.clip.is_url for job in jobs) else self.limits.decode_threads

    def _prepare(self, job: _Job) -> _Utterance | _Unreadable:
        """Decode a clip and prepare it for the model; runs on a decode thread."""
        waveform = self.read(job.clip)
        if isinstance(waveform, AudioFailure):
            return _Unreadable(job, waveform.reason)
        prepared = self.recognizer.prepare(waveform.samples, skip_silence=self.skip_silence, level=self.level)
        if isinstance(prepared, ClipFailure):
            return _Unreadable(job, prepared.reason, waveform.duration_s)
        n_samples = sum(map(self.recognizer.n_samples, prepared.windows))
        return _Utterance(job, waveform.duration_s, waveform.mix_problem, prepared, n_samples)

    def _recognize(self, pool: Sequence[_Utterance]) -> Iterator[tuple[_Job, Transcript]]:
        """The transcripts of decoded clips, each as soon as the model has processed its last window."""
        if self.decoder.runs_aside:
            yield from self._decode_aside(self._complete(pool))
        else:
            for utterances in self._complete(pool):
                yield from self._decode(utterances)

    def _complete(self, pool: Sequence[_Utterance]) -> Iterator[list[_Utterance]]:
        """First the clips without windows, then after each batch those whose last window it had.

        Those that failed come last, so that no other transcript is lost if a failure ends the call.
        """
        yield [utterance for utterance in pool if utterance.is_complete]
        windows, origins = [], []
        for utterance in pool:
            for number, window in enumerate(utterance.prepared.windows):
                windows.append(window)
                origins.append((utterance, number))
        for batch in self.runner.run(windows, self.decoder, max_clips=self.max_clips, monitor=self.monitor):
            complete = []
            for index, outcome in batch:
                utterance, number = origins[index]
                utterance.outcomes[number] = outcome
                if utterance.is_complete:
                    complete.append(utterance)
                self._report_window(utterance, number)
            yield sorted(complete, key=lambda utterance: isinstance(utterance.outputs(), ClipFailure))

    def _report_window(self, utterance: _Utterance, number: int) -> None:
        """Report that a window of a long clip went through the model."""
        windows = utterance.prepared.windows
        if len(windows) > 1:
            share = self.recognizer.n_samples(windows[number]) / utterance.n_samples
            utterance.job.reported_share += share
            self.monitor.clip_advanced(share, share * utterance.duration_s)

    def _decode_aside(self, batches: Iterator[list[_Utterance]]) -> Iterator[tuple[_Job, Transcript]]:
        """The transcripts of clips, decoded one by one on threads while the network runs; in the order of the clips."""
        searches: deque[Future[list[tuple[_Job, Transcript]]]] = deque()
        with CallThreads(self.limits.search_threads, "thano-search") as threads:
            for utterances in batches:
                searches.extend(threads.submit(self._decode, [utterance]) for utterance in utterances)
                while searches and (searches[0].done() or len(searches) > self.limits.max_searches):
                    yield from result_of(searches.popleft(), self.monitor)
            while searches:
                yield from result_of(searches.popleft(), self.monitor)

    def _decode(self, utterances: Sequence[_Utterance]) -> list[tuple[_Job, Transcript]]:
        """The transcripts of clips; decoding many at a time is faster per clip."""
        transcripts = []
        for decoder, group in itertools.groupby(utterances, key=lambda utterance: utterance.job.decoder):
            recognised, joined, failed = [], [], []
            for utterance in group:
                outputs = utterance.outputs()
                if isinstance(outputs, ClipFailure):
                    failed.append((utterance.job, Transcript.failed(outputs.reason, utterance.duration_s)))
                else:
                    recognised.append(utterance)
                    joined.append(self.recognizer.join(utterance.prepared, outputs))
            hypotheses = self.recognizer.decode(joined, decoder)
            transcripts += [
                (utterance.job, _transcript(hypothesis, utterance))
                for utterance, hypothesis in zip(recognised, hypotheses, strict=True)
            ]
            transcripts += failed
        return transcripts


def _transcript(hypothesis: Any, utterance: _Utterance) -> Transcript:
    transcript = Transcript(
        hypothesis.text,
        hypothesis.confidence,
        utterance.duration_s,
        hypothesis.words,
        None,
        hypothesis.alternatives,
        hypothesis.hotwords,
        utterance.mix_problem,
    )
    start_s = utterance.job.clip.start_s
    return transcript.shifted(start_s) if start_s else transcript


def _n_bytes(decoded: _Utterance | _Unreadable) -> int:
    return CLIP_BYTES + (decoded.prepared.n_bytes if isinstance(decoded, _Utterance) else 0)
