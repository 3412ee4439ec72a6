"""The limits of the engine: memory for decoded audio, and less than a second until it responds to an interrupt."""

from __future__ import annotations

import threading
import time
import weakref
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch
import transformers
from numpy.typing import NDArray

from tests.speech.doubles import Batch, InstantRecognizer, WatchedRecognizer
from tests.speech.oracles import RATE_HZ, Clips, RecordingMonitor, library_of, names, texts, transcribe, write_settings
from thano_duckdb.audio.decode import Waveform
from thano_duckdb.audio.source import Clip
from thano_duckdb.errors import AudioError, Cancelled
from thano_duckdb.monitoring.monitor import Monitor, SilentMonitor
from thano_duckdb.speech.cache import MemoryCache
from thano_duckdb.speech.decoding.decoder import Decoder, FrameScores
from thano_duckdb.speech.device import choose_device
from thano_duckdb.speech.engine import MAX_CALLS, Engine
from thano_duckdb.speech.local_runner import Limits
from thano_duckdb.speech.recognizer.acoustic_model import AcousticModel
from thano_duckdb.speech.recognizer.ctc_checkpoint import CtcCheckpoint
from thano_duckdb.speech.recognizer.ctc_recognizer import CtcRecognizer
from thano_duckdb.speech.recognizer.recognizer import ClipFailure


class LongClips:
    """Reads long clips, and counts the bytes of them that are in memory."""

    def __init__(self, n_samples: int) -> None:
        self._n_samples = n_samples
        self._lock = threading.Lock()
        self.live_bytes = 0
        self.most_bytes = 0

    def __call__(self, _source: Clip) -> Waveform:
        samples = np.zeros(self._n_samples, np.float32)
        with self._lock:
            self.live_bytes += samples.nbytes
            self.most_bytes = max(self.most_bytes, self.live_bytes)
        weakref.finalize(samples, self._count_freed, samples.nbytes)
        return Waveform(samples, self._n_samples / RATE_HZ)

    def _count_freed(self, n_bytes: int) -> None:
        with self._lock:
            self.live_bytes -= n_bytes


@pytest.mark.parametrize("n_clips", [60, 240])
def test_decoded_audio_is_limited_for_any_number_of_clips(loaded: Callable[[str], AcousticModel], n_clips: int) -> None:
    clip_bytes, pool_bytes = 400_000, 4_000_000
    clips, limits = LongClips(clip_bytes // 4), Limits(pool_bytes=pool_bytes)
    engine = Engine(InstantRecognizer(loaded("wav2vec2-layer")), read=clips, limits=limits)
    found = transcribe(engine, [f"clip {number}" for number in range(n_clips)])
    assert {transcript and transcript.text for transcript in found} == {"A"}
    slack = (limits.decode_threads + 2) * clip_bytes
    assert pool_bytes < clips.most_bytes <= 2 * pool_bytes + slack
    assert clips.live_bytes == 0


def test_clips_at_urls_are_fetched_many_at_a_time(loaded: Callable[[str], AcousticModel]) -> None:
    n_at_a_time = 20
    limits = Limits(decode_threads=2, fetch_threads=n_at_a_time)
    together = threading.Barrier(n_at_a_time, timeout=30)

    def fetch(clip: Clip) -> Waveform:
        if int(clip.location.rpartition("/")[2]):  # the first says how large clips are
            together.wait()
        return Waveform(np.zeros(RATE_HZ, np.float32), 1.0)

    engine = Engine(InstantRecognizer(loaded("wav2vec2-layer")), read=fetch, limits=limits)
    found = transcribe(engine, [f"https://example.org/{number}" for number in range(n_at_a_time + 1)])
    assert {transcript and transcript.text for transcript in found} == {"A"}


def test_decoded_audio_is_limited_for_any_number_of_threads(loaded: Callable[[str], AcousticModel]) -> None:
    clip_bytes, pool_bytes, n_callers = 400_000, 2_000_000, 8
    clips, limits = LongClips(clip_bytes // 4), Limits(pool_bytes=pool_bytes)
    engine = Engine(InstantRecognizer(loaded("wav2vec2-layer")), read=clips, limits=limits)
    calls = [[f"caller {caller}, clip {number}" for number in range(40)] for caller in range(n_callers)]
    with ThreadPoolExecutor(n_callers) as callers:
        for found in callers.map(lambda values: transcribe(engine, values), calls):
            assert {transcript and transcript.text for transcript in found} == {"A"}
    slack = (limits.decode_threads + 2) * clip_bytes
    assert clips.most_bytes <= 2 * (2 * pool_bytes + slack)  # two callers at a time
    assert clips.live_bytes == 0


def test_a_call_that_waits_for_its_turn_can_be_interrupted(loaded: Callable[[str], AcousticModel]) -> None:
    release = threading.Event()

    class Stuck(InstantRecognizer):
        def run(self, batch: Batch, decoder: Decoder, monitor: Monitor) -> list[FrameScores | ClipFailure]:
            assert release.wait(60)
            return super().run(batch, decoder, monitor)

    engine = Engine(Stuck(loaded("wav2vec2-layer")), read=LongClips(16_000))
    with ThreadPoolExecutor(MAX_CALLS) as callers:
        others = [callers.submit(transcribe, engine, [f"clip of {number}"]) for number in range(MAX_CALLS)]
        try:
            monitor = Stopping()
            monitor.cancelled.set()
            with pytest.raises(Cancelled):
                transcribe(engine, ["another"], monitor=monitor)
        finally:
            release.set()
        assert all(len(other.result()) == 1 for other in others)


def test_the_next_pool_is_decoded_while_the_model_computes(loaded: Callable[[str], AcousticModel]) -> None:
    clip_bytes, pool_bytes = 400_000, 4_000_000
    clips, limits = LongClips(clip_bytes // 4), Limits(pool_bytes=pool_bytes)
    ahead: list[bool] = []

    class Watching(InstantRecognizer):
        def run(self, batch: Batch, decoder: Decoder, monitor: Monitor) -> list[FrameScores | ClipFailure]:
            deadline_s = time.monotonic() + 5
            while clips.live_bytes < 1.5 * pool_bytes and time.monotonic() < deadline_s and len(ahead) < 5:
                time.sleep(0.001)
            ahead.append(clips.live_bytes >= 1.5 * pool_bytes)
            return super().run(batch, decoder, monitor)

    engine = Engine(Watching(loaded("wav2vec2-layer")), read=clips, limits=limits)
    transcribe(engine, [f"clip {number}" for number in range(100)])
    assert ahead[:5] == [True] * 5


def test_clips_larger_than_a_pool_are_decoded_few_at_a_time(loaded: Callable[[str], AcousticModel]) -> None:
    clip_bytes = 3_000_000  # larger than a pool
    clips, limits = LongClips(clip_bytes // 4), Limits(pool_bytes=1_000_000, decode_threads=2)
    engine = Engine(InstantRecognizer(loaded("wav2vec2-layer")), read=clips, limits=limits)
    transcribe(engine, [f"clip {number}" for number in range(12)])
    assert clips.most_bytes <= 4 * clip_bytes


class Stopping(RecordingMonitor):
    """Can be cancelled from outside."""

    def __init__(self) -> None:
        super().__init__()
        self.cancelled = threading.Event()

    def raise_if_cancelled(self) -> None:
        if self.cancelled.is_set():
            raise Cancelled("stop")


def test_transcripts_from_before_an_interrupt_are_cached(
    loaded: Callable[[str], AcousticModel], noises: Clips, tmp_path: Path
) -> None:
    paths = [str(tmp_path / f"{number}.wav") for number in range(len(noises))]
    for path, clip in zip(paths, noises, strict=True):
        soundfile.write(path, clip, RATE_HZ)

    class StopAfterFour(Stopping):
        def clips_done(self, n_clips: int, audio_s: float) -> None:
            super().clips_done(n_clips, audio_s)
            if self.n_done == 4:
                self.cancelled.set()

    monitor, cache = StopAfterFour(), MemoryCache()
    before = set(threading.enumerate())
    recognizer = WatchedRecognizer(loaded("wav2vec2-group"))
    with pytest.raises(Cancelled):
        transcribe(Engine(recognizer), paths, max_clips=1, monitor=monitor, cache=cache)
    assert monitor.n_done == 4
    assert set(threading.enumerate()) <= before
    recognizer.sizes.clear()
    assert None not in texts(transcribe(Engine(recognizer), paths, cache=cache))
    assert sum(recognizer.sizes) == len(noises) - 4


def test_a_large_model_responds_to_an_interrupt_within_a_second(tmp_path: Path) -> None:
    write_settings(tmp_path)
    with torch.device("meta"):
        network = transformers.Wav2Vec2ForCTC(transformers.Wav2Vec2Config())  # the size of wav2vec2-base
    network = network.to_empty(device="cpu")
    for parameter in network.parameters():
        torch.nn.init.zeros_(parameter)
    network.config.save_pretrained(tmp_path)
    model = AcousticModel(network, CtcCheckpoint.read(tmp_path), choose_device("cpu", "float32"))
    clip = np.random.default_rng(0).normal(0, 0.1, 20 * RATE_HZ).astype(np.float32)
    started = threading.Event()

    class Waiting(Stopping):
        def raise_if_cancelled(self) -> None:
            if threading.current_thread() is threading.main_thread():
                started.set()
            super().raise_if_cancelled()

    monitor, stopped_s = Waiting(), []

    def stop() -> None:
        started.wait(30)
        time.sleep(0.3)  # into the pass, which takes seconds
        stopped_s.append(time.monotonic())
        monitor.cancelled.set()

    stopper = threading.Thread(target=stop)
    stopper.start()
    with pytest.raises(Cancelled):
        transcribe(Engine(CtcRecognizer(model), read=library_of([clip])), ["clip 0"], monitor=monitor)
    stopper.join()
    assert time.monotonic() - stopped_s[0] < 1.0


def test_a_monitor_can_stop_the_call_at_the_first_failure(
    loaded: Callable[[str], AcousticModel], noises: Clips
) -> None:
    class Strict(SilentMonitor):
        def clip_failed(self, location: str, reason: str) -> None:
            raise AudioError(f"{location}: {reason}")

    before = set(threading.enumerate())
    engine = Engine(CtcRecognizer(loaded("wav2vec2-layer")), read=library_of(noises))
    with pytest.raises(AudioError, match=r"missing\.wav: There is no such file") as stopped:
        transcribe(engine, ["clip 0", "missing.wav", *names(noises)], monitor=Strict())
    assert set(threading.enumerate()) <= before  # though the error still holds the frames of the call
    assert stopped.tb is not None


@pytest.mark.parametrize(("above_bytes", "n_trims"), [(0, 1), (Limits().trim_above_bytes, 0)])
def test_a_call_that_decoded_much_audio_returns_memory_to_the_system(
    loaded: Callable[[str], AcousticModel],
    noises: list[NDArray[np.float32]],
    monkeypatch: pytest.MonkeyPatch,
    above_bytes: int,
    n_trims: int,
) -> None:
    trims: list[None] = []
    monkeypatch.setattr("thano_duckdb.speech.local_runner.trim", lambda: trims.append(None))
    engine = Engine(
        CtcRecognizer(loaded("wav2vec2-layer")),
        read=lambda _: Waveform(noises[1], 2.0),
        limits=Limits(trim_above_bytes=above_bytes),
    )
    transcribe(engine, ["a.wav", "b.wav"])
    assert len(trims) == n_trims
