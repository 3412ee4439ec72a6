"""Clips in, transcripts out, in the same order: the one entrance to recognition.

Threads decode ahead of the model. Decoded clips are gathered in pools of a fixed number of bytes, a pool's windows are
sorted by length and go through the model in batches, and meanwhile the threads decode the next pool. So memory does
not grow with the number of clips, and the batches, hence the rounding errors, are the same in every run.
"""

from __future__ import annotations

import contextlib
import os
import threading
from collections.abc import Callable, Generator, Hashable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from thano_duckdb.audio.decode import AudioFailure, Waveform, decode
from thano_duckdb.audio.source import Clip
from thano_duckdb.monitoring.monitor import Monitor

from .batch_runner import BatchRunner
from .cache import TranscriptCache
from .decoding.decoder import Decoder
from .heap import trim
from .readahead import ReadAhead
from .recognizer.recognizer import PreparedClip, Recognizer, Refusal
from .threads import POLL_S
from .transcript import Transcript

MAX_CALLS = 2
"""At a time, of those that DuckDB's threads make: one computes while another decodes. More would only take memory."""
CLIP_BYTES = 4096
"""About what a decoded clip takes beside its samples."""


@dataclass(frozen=True)
class Limits:
    """How much an engine holds at a time.

    Attributes:
        pool_bytes: decoded audio from which batches are made; over an hour, so that sorting leaves little padding.
        first_pool_part: the first pool is an eighth, so that the model starts early; each is twice the one before, up
            to `pool_bytes`.
        decode_threads: clips that are decoded at a time.
        trim_above_bytes: a call that decoded more gives freed memory back to the system, which takes milliseconds.
    """

    pool_bytes: int = 256 * 1024 * 1024
    first_pool_part: int = 8
    decode_threads: int = min(16, max(4, os.cpu_count() or 1))
    trim_above_bytes: int = 32 * 1024 * 1024


@dataclass(frozen=True)
class _Job:
    """A distinct clip of a call, and the rows that ask for it."""

    clip: Clip
    key: Hashable | None  # for the cache; None: not to be kept
    rows: list[int] = field(default_factory=list)


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
    prepared: PreparedClip[Any]
    outcomes: dict[int, Any | Refusal] = field(default_factory=dict)  # by window

    @property
    def is_complete(self) -> bool:
        return len(self.outcomes) == len(self.prepared.windows)

    def outputs(self) -> list[Any] | Refusal:
        """What the model gave for its windows, or the reason why it gave nothing for one of them."""
        outputs = []
        for number in range(len(self.outcomes)):
            outcome = self.outcomes[number]
            if isinstance(outcome, Refusal):
                return outcome
            outputs.append(outcome)
        return outputs


class Engine:
    """A model with all that surrounds it. Any number of threads may call it at the same time.

    Attributes:
        recognizer: the model.
    """

    def __init__(
        self,
        recognizer: Recognizer[Any, Any],
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
        decoder: Decoder,
        cache: TranscriptCache,
        max_clips: int | None,
        monitor: Monitor,
        read: Callable[[Clip], Waveform | AudioFailure] | None = None,
    ) -> list[Transcript | None]:
        """The transcript of each clip.

        Args:
            clips: what is to be transcribed; None gives None.
            decoder: writes the texts.
            cache: has the transcripts of clips that were transcribed before, and keeps those of the others.
            max_clips: clips in a batch at most; None leaves it to the device.
            monitor: receives progress and failures, from this thread; a clip that occurs twice fails once.
            read: reads the clips of this call, within limits of its own.

        Returns:
            As many as `clips`, in their order; None for None. A clip that cannot be transcribed has its reason in
            `error` and costs no other clip anything.

        Raises:
            Cancelled: `monitor` says so. What was transcribed until then is in the cache.
        """
        transcripts: list[Transcript | None] = [None] * len(clips)
        jobs = _jobs(clips, self.recognizer.fingerprint(decoder))
        monitor.clips_received(sum(len(job.rows) for job in jobs))
        unknown = []
        n_known, known_s = 0, 0.0
        for job in jobs:
            known = cache.get(job.key) if job.key is not None else None
            if known is None:
                unknown.append(job)
                continue
            for row in job.rows:
                transcripts[row] = known
            n_known += len(job.rows)
            known_s += len(job.rows) * (known.duration_s or 0.0)
        monitor.clips_done(n_known, known_s)
        if not unknown:
            return transcripts
        call = _Call(self.recognizer, self._runner, read or self._read, self._limits, decoder, max_clips, monitor)
        # Closed at once where the monitor raises, so that the decode threads end with the call.
        with self._slot(monitor), contextlib.closing(call.run(unknown)) as finished:
            for job, transcript in finished:
                if job.key is not None:
                    cache.put(job.key, transcript)
                for row in job.rows:
                    transcripts[row] = transcript
                _report(job, transcript, monitor)
        return transcripts

    @contextlib.contextmanager
    def _slot(self, monitor: Monitor) -> Iterator[None]:
        """One of the `MAX_CALLS` that may run."""
        while not self._slots.acquire(timeout=POLL_S):
            monitor.raise_if_cancelled()
        try:
            yield
        finally:
            self._slots.release()


def _jobs(clips: Sequence[Clip | None], fingerprint: str) -> list[_Job]:
    """Each clip once, with the rows that hold it; `fingerprint` is of the model and the decoder."""
    found: dict[Hashable, _Job] = {}
    for row, clip in enumerate(clips):
        if clip is None:
            continue
        content = clip.content_key()
        key = None if content is None else (fingerprint, content)
        found.setdefault(key or clip, _Job(clip, key)).rows.append(row)
    return list(found.values())


def _report(job: _Job, transcript: Transcript, monitor: Monitor) -> None:
    if transcript.error is not None:
        monitor.clip_failed(job.clip.location, transcript.error)
    audio_s = 0.0 if transcript.error is not None else transcript.duration_s or 0.0
    monitor.clips_done(len(job.rows), len(job.rows) * audio_s)


@dataclass(frozen=True)
class _Call:
    """One call of `Engine.transcribe`, for the clips that the cache does not have."""

    recognizer: Recognizer[Any, Any]
    runner: BatchRunner
    read: Callable[[Clip], Waveform | AudioFailure]
    limits: Limits
    decoder: Decoder
    max_clips: int | None
    monitor: Monitor

    def run(self, jobs: Sequence[_Job]) -> Generator[tuple[_Job, Transcript]]:
        """The clips with their transcripts, as they are done."""
        limits = self.limits
        with ReadAhead(
            self._prepare,
            jobs,
            n_bytes=_n_bytes,
            max_bytes=2 * limits.pool_bytes,
            n_threads=min(limits.decode_threads, len(jobs)),
            monitor=self.monitor,
        ) as readings:
            pool: list[_Utterance] = []
            all_bytes = 0
            pool_bytes, enough_bytes = 0, limits.pool_bytes // limits.first_pool_part
            for reading in readings:
                if isinstance(reading, _Unreadable):
                    readings.release(_n_bytes(reading))
                    yield reading.job, Transcript.failed(reading.reason, reading.duration_s)
                    continue
                pool.append(reading)
                pool_bytes += _n_bytes(reading)
                all_bytes += _n_bytes(reading)
                if pool_bytes >= enough_bytes:
                    yield from self._recognise(pool)
                    pool.clear()
                    readings.release(pool_bytes)
                    pool_bytes, enough_bytes = 0, min(2 * enough_bytes, limits.pool_bytes)
            yield from self._recognise(pool)
            pool.clear()
        if all_bytes > limits.trim_above_bytes:
            trim()

    def _prepare(self, job: _Job) -> _Utterance | _Unreadable:
        """Decode a clip and prepare it for the model; runs on a decode thread."""
        waveform = self.read(job.clip)
        if isinstance(waveform, AudioFailure):
            return _Unreadable(job, waveform.reason)
        prepared = self.recognizer.prepare(waveform.samples)
        if isinstance(prepared, Refusal):
            return _Unreadable(job, prepared.reason, waveform.duration_s)
        return _Utterance(job, waveform.duration_s, prepared)

    def _recognise(self, pool: Sequence[_Utterance]) -> Iterator[tuple[_Job, Transcript]]:
        """The transcripts of decoded clips, each as soon as its last window is through the model."""
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
            yield from self._write(complete)

    def _write(self, complete: Sequence[_Utterance]) -> Iterator[tuple[_Job, Transcript]]:
        """The transcripts of clips; failures last, so that one which ends the statement costs no other clip."""
        recognised, joined, failed = [], [], []
        for utterance in complete:
            outputs = utterance.outputs()
            if isinstance(outputs, Refusal):
                failed.append((utterance.job, Transcript.failed(outputs.reason, utterance.duration_s)))
            else:
                recognised.append(utterance)
                joined.append(self.recognizer.join(utterance.prepared, outputs))
        hypotheses = self.recognizer.write(joined, self.decoder)
        for utterance, hypothesis in zip(recognised, hypotheses, strict=True):
            yield (
                utterance.job,
                Transcript(hypothesis.text, hypothesis.confidence, utterance.duration_s, hypothesis.words, None),
            )
        yield from failed


def _n_bytes(reading: _Utterance | _Unreadable) -> int:
    return CLIP_BYTES + (reading.prepared.n_bytes if isinstance(reading, _Utterance) else 0)
