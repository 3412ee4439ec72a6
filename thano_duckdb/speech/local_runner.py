"""Transcribes clips on the device of this process.

Threads decode audio ahead of the model. Decoded clips are collected in pools of a limited number of bytes. The windows
of a pool are sorted by length and go through the model in batches, while the threads decode the next pool. So memory
does not grow with the number of clips. On a CPU the batches, and with them the rounding errors, are the same in every
run; on a GPU they depend on the memory that is free.
"""

from __future__ import annotations

import functools
import itertools
import os
from collections import deque
from collections.abc import Callable, Generator, Iterator, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import Any

from thano_duckdb.audio.decode import AudioFailure, Waveform, decode
from thano_duckdb.audio.mixed_clips import MixProblem
from thano_duckdb.audio.source import Clip
from thano_duckdb.monitoring.monitor import Monitor

from .batch_runner import BatchRunner
from .heap import trim
from .job_runner import CallOptions, Job
from .readahead import ReadAhead
from .recognizer.recognizer import ClipFailure, PreparedClip, Recognizer
from .threads import FETCH_THREADS, CallThreads, result_of
from .transcript import Transcript

CLIP_BYTES = 4096
"""Approximate memory of a decoded clip in addition to its samples."""


ReadClip = Callable[[Clip], Waveform | AudioFailure]


def n_decode_threads(n_cores: int) -> int:
    """How many clips to decode at a time on a processor.

    More threads wait for each other to get hold of Python: on two cores 2 of them read 3,400 seconds of audio per
    second from FLAC, 4 read 3,050, and 16 read 2,000.
    """
    return min(4, max(2, n_cores))


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
    decode_threads: int = n_decode_threads(os.cpu_count() or 1)
    fetch_threads: int = FETCH_THREADS
    search_threads: int = min(8, os.cpu_count() or 1)
    max_searches: int = 256
    trim_above_bytes: int = 32 * 1024 * 1024


@dataclass(frozen=True)
class _Unreadable:
    job: Job
    reason: str
    duration_s: float | None = None


@dataclass
class _Utterance:
    """A decoded clip on its way through the model."""

    job: Job
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


class LocalRunner:
    """Runs jobs on the device of a recognizer, in this process. See `JobRunner`."""

    def __init__(self, recognizer: Recognizer[Any, Any, Any], read: ReadClip | None, limits: Limits) -> None:
        """Run a model; `read` reads the clips, None: `decode`, within the limits of the call."""
        self._recognizer = recognizer
        self._read = read
        self._limits = limits
        self._batches = BatchRunner(recognizer)

    def run(
        self, jobs: Sequence[Job], options: CallOptions, monitor: Monitor
    ) -> Generator[tuple[Job, Transcript], None, None]:
        """See `JobRunner`."""
        read = self._read or functools.partial(decode, limits=options.read_limits)
        yield from _Call(self._recognizer, self._batches, read, self._limits, options, monitor).run(jobs)


@dataclass(frozen=True)
class _Call:
    """A single call of `LocalRunner.run`."""

    recognizer: Recognizer[Any, Any, Any]
    batches: BatchRunner
    read: ReadClip
    limits: Limits
    options: CallOptions
    monitor: Monitor

    def run(self, jobs: Sequence[Job]) -> Generator[tuple[Job, Transcript], None, None]:
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

    def _max_threads(self, jobs: Sequence[Job]) -> int:
        return self.limits.fetch_threads if any(job.clip.is_url for job in jobs) else self.limits.decode_threads

    def _prepare(self, job: Job) -> _Utterance | _Unreadable:
        """Decode a clip and prepare it for the model; runs on a decode thread."""
        waveform = self.read(job.clip)
        if isinstance(waveform, AudioFailure):
            return _Unreadable(job, waveform.reason)
        prepared = self.recognizer.prepare(
            waveform.samples, skip_silence=self.options.skip_silence, level=self.options.level
        )
        if isinstance(prepared, ClipFailure):
            return _Unreadable(job, prepared.reason, waveform.duration_s)
        n_samples = sum(map(self.recognizer.n_samples, prepared.windows))
        return _Utterance(job, waveform.duration_s, waveform.mix_problem, prepared, n_samples)

    def _recognize(self, pool: Sequence[_Utterance]) -> Iterator[tuple[Job, Transcript]]:
        """The transcripts of decoded clips, each as soon as the model has processed its last window."""
        if self.options.decoder.runs_aside:
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
        for batch in self.batches.run(
            windows, self.options.decoder, max_clips=self.options.max_clips, monitor=self.monitor
        ):
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

    def _decode_aside(self, batches: Iterator[list[_Utterance]]) -> Iterator[tuple[Job, Transcript]]:
        """The transcripts of clips, decoded one by one on threads while the network runs; in the order of the clips."""
        searches: deque[Future[list[tuple[Job, Transcript]]]] = deque()
        with CallThreads(self.limits.search_threads, "thano-search") as threads:
            for utterances in batches:
                searches.extend(threads.submit(self._decode, [utterance]) for utterance in utterances)
                while searches and (searches[0].done() or len(searches) > self.limits.max_searches):
                    yield from result_of(searches.popleft(), self.monitor)
            while searches:
                yield from result_of(searches.popleft(), self.monitor)

    def _decode(self, utterances: Sequence[_Utterance]) -> list[tuple[Job, Transcript]]:
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
