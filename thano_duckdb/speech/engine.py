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

import numpy as np

from thano_duckdb.audio.decode import AudioFailure, Waveform, decode
from thano_duckdb.audio.source import Clip
from thano_duckdb.monitoring.monitor import Monitor

from .batch_runner import BatchRunner
from .cache import Memo
from .decoding.greedy import greedy_decode
from .heap import trim
from .readahead import ReadAhead
from .recognizer.acoustic_model import AcousticModel, FrameScores
from .recognizer.features import Features
from .threads import POLL_S
from .transcript import Transcript
from .windows import SAMPLE_RATE_HZ, Window, plan_windows

POOL_BYTES = 256 * 1024 * 1024
"""Decoded audio from which batches are made; over an hour, so that sorting leaves little padding."""
FIRST_POOL_PART = 8
"""The first pool is an eighth, so that the model starts early; each is twice the one before, up to `POOL_BYTES`."""
DECODE_THREADS = min(16, max(4, os.cpu_count() or 1))
MAX_CALLS = 2
"""At a time, of those that DuckDB's threads make: one computes while another decodes. More would only take memory."""
TRIM_ABOVE_BYTES = POOL_BYTES // 8
"""A call that decoded more gives back the memory that it freed, which takes some milliseconds."""
CLIP_BYTES = 4096
"""About what a decoded clip takes beside its samples."""


@dataclass(frozen=True)
class _Clip:
    """A distinct clip of a call, and the rows that want it."""

    source: Clip
    key: Hashable | None  # for the memo; None: not to be kept
    rows: list[int] = field(default_factory=list)


@dataclass(frozen=True)
class _Unreadable:
    clip: _Clip
    reason: str
    duration_s: float | None = None


@dataclass
class _Utterance:
    """A decoded clip on its way through the model."""

    clip: _Clip
    duration_s: float
    features: Features
    windows: list[Window]
    outcomes: dict[int, FrameScores | str] = field(default_factory=dict)  # by window

    def inputs(self) -> Iterator[Features]:
        """What goes through the model for each window; the samples are not copied."""
        for window in self.windows:
            yield Features(self.features.samples[window.start : window.stop], self.features.moments)

    def best_path(self) -> FrameScores | str:
        """Its windows joined on frames, or the reason why one of them has no scores."""
        ids, log_probs = [], []
        for number, window in enumerate(self.windows):
            outcome = self.outcomes[number]
            if isinstance(outcome, str):
                return outcome
            core = slice(window.core_start, window.core_stop)
            ids.append(outcome.ids[core])
            log_probs.append(outcome.log_probs[core])
        return FrameScores(np.concatenate(ids), np.concatenate(log_probs))


class Engine:
    """A model with all that surrounds it. Any number of threads may call it at the same time."""

    def __init__(
        self,
        model: AcousticModel,
        memo: Memo,
        *,
        decoder: Callable[[Clip], Waveform | AudioFailure] = decode,
    ) -> None:
        """An engine of `model` that keeps its transcripts in `memo` and reads clips with `decoder`."""
        self.model = model
        self._memo = memo
        self._decoder = decoder
        self._runner = BatchRunner(model)
        self._places = threading.BoundedSemaphore(MAX_CALLS)

    def transcribe(
        self, values: Sequence[str | bytes | None], *, max_clips: int | None, monitor: Monitor
    ) -> list[Transcript | None]:
        """The transcript of each clip.

        Args:
            values: paths or URLs (str), contents of files (bytes), or None.
            max_clips: clips in a batch at most; None leaves it to the device.
            monitor: receives progress and failures, from this thread; a clip that occurs twice fails once.

        Returns:
            As many as `values`, in their order; None for None. A clip that cannot be transcribed has its reason in
            `error` and costs no other clip anything.

        Raises:
            Cancelled: `monitor` says so. What was transcribed until then stays in the memo.
        """
        transcripts: list[Transcript | None] = [None] * len(values)

        def deliver(clip: _Clip, transcript: Transcript) -> None:
            for row in clip.rows:
                transcripts[row] = transcript
            if transcript.error is not None:
                monitor.clip_failed(clip.source.location, transcript.error)
            audio_s = 0.0 if transcript.error is not None else transcript.duration_s or 0.0
            monitor.clips_done(len(clip.rows), len(clip.rows) * audio_s)

        clips = self._distinct_clips(values)
        monitor.clips_received(sum(len(clip.rows) for clip in clips))
        unknown = []
        n_known, known_s = 0, 0.0
        for clip in clips:
            known = self._memo.get(clip.key) if clip.key is not None else None
            if known is None:
                unknown.append(clip)
                continue
            for row in clip.rows:
                transcripts[row] = known
            n_known += len(clip.rows)
            known_s += len(clip.rows) * (known.duration_s or 0.0)
        monitor.clips_done(n_known, known_s)
        if unknown:
            # Closed at once where the monitor raises, so that the decode threads end with the call.
            with self._place(monitor), contextlib.closing(self._transcribe(unknown, max_clips, monitor)) as finished:
                for clip, transcript in finished:
                    if clip.key is not None:
                        self._memo.put(clip.key, transcript)
                    deliver(clip, transcript)
        return transcripts

    @contextlib.contextmanager
    def _place(self, monitor: Monitor) -> Iterator[None]:
        while not self._places.acquire(timeout=POLL_S):
            monitor.raise_if_cancelled()
        try:
            yield
        finally:
            self._places.release()

    def _distinct_clips(self, values: Sequence[str | bytes | None]) -> list[_Clip]:
        clips: dict[Hashable, _Clip] = {}
        for row, value in enumerate(values):
            if value is None:
                continue
            source = Clip.of(value)
            content = source.content_key()
            key = None if content is None else (self.model.fingerprint, content)
            clips.setdefault(key or source.location, _Clip(source, key)).rows.append(row)
        return list(clips.values())

    def _transcribe(
        self, clips: Sequence[_Clip], max_clips: int | None, monitor: Monitor
    ) -> Generator[tuple[_Clip, Transcript]]:
        with ReadAhead(
            self._read,
            clips,
            n_bytes=_n_bytes,
            max_bytes=2 * POOL_BYTES,
            n_threads=min(DECODE_THREADS, len(clips)),
            monitor=monitor,
        ) as readings:
            pool: list[_Utterance] = []
            all_bytes = 0
            pool_bytes, enough_bytes = 0, POOL_BYTES // FIRST_POOL_PART
            for reading in readings:
                if isinstance(reading, _Unreadable):
                    readings.release(_n_bytes(reading))
                    yield reading.clip, Transcript.failed(reading.reason, reading.duration_s)
                    continue
                pool.append(reading)
                pool_bytes += _n_bytes(reading)
                all_bytes += _n_bytes(reading)
                if pool_bytes >= enough_bytes:
                    yield from self._recognise(pool, max_clips, monitor)
                    pool.clear()
                    readings.release(pool_bytes)
                    pool_bytes, enough_bytes = 0, min(2 * enough_bytes, POOL_BYTES)
            yield from self._recognise(pool, max_clips, monitor)
            pool.clear()
        if all_bytes > TRIM_ABOVE_BYTES:
            trim()

    def _read(self, clip: _Clip) -> _Utterance | _Unreadable:
        """Decode a clip and prepare it for the model; runs on a decode thread."""
        waveform = self._decoder(clip.source)
        if isinstance(waveform, AudioFailure):
            return _Unreadable(clip, waveform.reason)
        n_samples, n_needed = len(waveform.samples), self.model.grid.receptive_field
        if n_samples < n_needed:
            return _Unreadable(
                clip,
                f"It is too short: {n_samples} samples, the model needs at least {n_needed} "
                f"({1000 * n_needed / SAMPLE_RATE_HZ:g} ms).",
                waveform.duration_s,
            )
        windows = plan_windows(n_samples, self.model.grid)
        return _Utterance(clip, waveform.duration_s, self.model.features(waveform.samples), windows)

    def _recognise(
        self, pool: Sequence[_Utterance], max_clips: int | None, monitor: Monitor
    ) -> Iterator[tuple[_Clip, Transcript]]:
        """The transcripts of decoded clips, each as soon as its last window is through the model."""
        inputs, origins = [], []
        for utterance in pool:
            for number, window in enumerate(utterance.inputs()):
                inputs.append(window)
                origins.append((utterance, number))
        for batch in self._runner.run(inputs, max_clips=max_clips, monitor=monitor):
            complete = []
            for index, outcome in batch:
                utterance, number = origins[index]
                utterance.outcomes[number] = outcome
                if len(utterance.outcomes) == len(utterance.windows):
                    complete.append((utterance, utterance.best_path()))
            yield from self._write(complete)

    def _write(self, complete: Sequence[tuple[_Utterance, FrameScores | str]]) -> Iterator[tuple[_Clip, Transcript]]:
        """The transcripts of best paths; failures last, so that one which ends the statement costs no other clip."""
        heard = [(utterance, path) for utterance, path in complete if isinstance(path, FrameScores)]
        hypotheses = greedy_decode(
            [path.ids for _, path in heard],
            [path.log_probs for _, path in heard],
            self.model.vocabulary,
            stride=self.model.grid.stride,
        )
        for (utterance, _), hypothesis in zip(heard, hypotheses, strict=True):
            yield (
                utterance.clip,
                Transcript(hypothesis.text, hypothesis.confidence, utterance.duration_s, hypothesis.words, None),
            )
        for utterance, path in complete:
            if isinstance(path, str):
                yield utterance.clip, Transcript.failed(path, utterance.duration_s)


def _n_bytes(reading: _Utterance | _Unreadable) -> int:
    return CLIP_BYTES + (reading.features.samples.nbytes if isinstance(reading, _Utterance) else 0)
