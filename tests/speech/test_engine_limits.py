"""What the engine holds to: decoded audio within bytes, and an answer within a second to whoever wants to stop."""

from __future__ import annotations

import threading
import time
import weakref
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
import torch
import transformers
from numpy.typing import NDArray

from tests.speech.oracles import RATE_HZ, Clips, RecordingMonitor, library_of, names, texts, transcribe, write_settings
from thano_duckdb.audio.decode import Waveform
from thano_duckdb.audio.source import Clip
from thano_duckdb.errors import AudioError, Cancelled
from thano_duckdb.monitoring.monitor import Monitor, SilentMonitor
from thano_duckdb.speech import engine as engine_module
from thano_duckdb.speech.cache import Memo
from thano_duckdb.speech.device import choose_device
from thano_duckdb.speech.engine import Engine
from thano_duckdb.speech.recognizer.acoustic_model import AcousticModel, FrameScores


class Patient:
    """A decoder of long clips that counts the bytes that are alive."""

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
        weakref.finalize(samples, self._forget, samples.nbytes)
        return Waveform(samples, self._n_samples / RATE_HZ)

    def _forget(self, n_bytes: int) -> None:
        with self._lock:
            self.live_bytes -= n_bytes


class Transparent:
    """Stands for a model that computes nothing and keeps the samples as they are."""

    def __init__(self, model: AcousticModel) -> None:
        self.grid, self.vocabulary, self.device = model.grid, model.vocabulary, model.device
        self.fingerprint, self.max_clips, self.max_batch_samples = "transparent", None, 10**9

    def features(self, samples: NDArray[np.float32]) -> Any:
        from thano_duckdb.speech.recognizer.features import Features

        return Features(samples, None)

    def forward(self, batch: Sequence[Any], _monitor: Monitor) -> list[FrameScores]:
        counts = [self.grid.n_frames(len(clip.samples)) for clip in batch]
        return [FrameScores(np.full(count, 5, np.uint16), np.zeros(count, np.float32)) for count in counts]


@pytest.mark.parametrize("n_clips", [60, 240])
def test_decoded_audio_is_bounded_whatever_the_number_of_clips(
    loaded: Callable[[str], AcousticModel], monkeypatch: pytest.MonkeyPatch, n_clips: int
) -> None:
    clip_bytes, pool_bytes = 400_000, 4_000_000
    monkeypatch.setattr(engine_module, "POOL_BYTES", pool_bytes)
    decoder = Patient(clip_bytes // 4)
    engine = Engine(Transparent(loaded("wav2vec2-layer")), Memo(), decoder=decoder)  # type: ignore[arg-type]
    found = transcribe(engine, [f"clip {number}" for number in range(n_clips)])
    assert {transcript and transcript.text for transcript in found} == {"A"}
    slack = (engine_module.DECODE_THREADS + 2) * clip_bytes
    assert pool_bytes < decoder.most_bytes <= 2 * pool_bytes + slack
    assert decoder.live_bytes == 0


def test_decoded_audio_is_bounded_whatever_the_number_of_threads(
    loaded: Callable[[str], AcousticModel], monkeypatch: pytest.MonkeyPatch
) -> None:
    clip_bytes, pool_bytes, n_callers = 400_000, 2_000_000, 8
    monkeypatch.setattr(engine_module, "POOL_BYTES", pool_bytes)
    decoder = Patient(clip_bytes // 4)
    engine = Engine(Transparent(loaded("wav2vec2-layer")), Memo(), decoder=decoder)  # type: ignore[arg-type]
    calls = [[f"caller {caller}, clip {number}" for number in range(40)] for caller in range(n_callers)]
    with ThreadPoolExecutor(n_callers) as callers:
        for found in callers.map(lambda clips: transcribe(engine, clips), calls):
            assert {transcript and transcript.text for transcript in found} == {"A"}
    slack = (engine_module.DECODE_THREADS + 2) * clip_bytes
    assert decoder.most_bytes <= 2 * (2 * pool_bytes + slack)  # two callers at a time
    assert decoder.live_bytes == 0


def test_who_waits_for_others_can_stop_too(loaded: Callable[[str], AcousticModel]) -> None:
    release = threading.Event()

    class Stuck(Transparent):
        def forward(self, batch: Sequence[Any], monitor: Monitor) -> list[FrameScores]:
            assert release.wait(60)
            return super().forward(batch, monitor)

    engine = Engine(Stuck(loaded("wav2vec2-layer")), Memo(), decoder=Patient(16_000))  # type: ignore[arg-type]
    with ThreadPoolExecutor(engine_module.MAX_CALLS) as callers:
        others = [
            callers.submit(transcribe, engine, [f"clip of {number}"]) for number in range(engine_module.MAX_CALLS)
        ]
        try:
            impatient = Stopping()
            impatient.cancelled.set()
            with pytest.raises(Cancelled):
                engine.transcribe(["another"], max_clips=None, monitor=impatient)
        finally:
            release.set()
        assert all(len(other.result()) == 1 for other in others)


def test_the_next_pool_is_decoded_while_the_model_computes(
    loaded: Callable[[str], AcousticModel], monkeypatch: pytest.MonkeyPatch
) -> None:
    clip_bytes, pool_bytes = 400_000, 4_000_000
    monkeypatch.setattr(engine_module, "POOL_BYTES", pool_bytes)
    decoder = Patient(clip_bytes // 4)
    ahead: list[bool] = []

    class Watching(Transparent):
        def forward(self, batch: Sequence[Any], _monitor: Monitor) -> list[FrameScores]:
            deadline_s = time.monotonic() + 5
            while decoder.live_bytes < 1.5 * pool_bytes and time.monotonic() < deadline_s and len(ahead) < 5:
                time.sleep(0.001)
            ahead.append(decoder.live_bytes >= 1.5 * pool_bytes)
            return super().forward(batch, _monitor)

    engine = Engine(Watching(loaded("wav2vec2-layer")), Memo(), decoder=decoder)  # type: ignore[arg-type]
    transcribe(engine, [f"clip {number}" for number in range(100)])
    assert ahead[:5] == [True] * 5


def test_an_hour_is_decoded_once_at_a_time_beside_the_pool(
    loaded: Callable[[str], AcousticModel], monkeypatch: pytest.MonkeyPatch
) -> None:
    clip_bytes = 3_000_000  # larger than a pool
    monkeypatch.setattr(engine_module, "POOL_BYTES", 1_000_000)
    monkeypatch.setattr(engine_module, "DECODE_THREADS", 2)
    decoder = Patient(clip_bytes // 4)
    engine = Engine(Transparent(loaded("wav2vec2-layer")), Memo(), decoder=decoder)  # type: ignore[arg-type]
    transcribe(engine, [f"clip {number}" for number in range(12)])
    assert decoder.most_bytes <= 4 * clip_bytes


class Stopping(RecordingMonitor):
    """Is cancelled from outside."""

    def __init__(self) -> None:
        super().__init__()
        self.cancelled = threading.Event()

    def raise_if_cancelled(self) -> None:
        if self.cancelled.is_set():
            raise Cancelled("stop")


def test_what_was_transcribed_before_an_interrupt_is_kept(
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

    monitor = StopAfterFour()
    before = set(threading.enumerate())
    engine = Engine(loaded("wav2vec2-group"), Memo())
    with pytest.raises(Cancelled):
        transcribe(engine, paths, max_clips=1, monitor=monitor)
    assert monitor.n_done == 4
    assert set(threading.enumerate()) <= before
    n_computed = 0
    forward = engine.model.forward

    def counting(batch: Sequence[Any], monitor: Monitor) -> list[FrameScores]:
        nonlocal n_computed
        n_computed += len(batch)
        return forward(batch, monitor)

    engine.model.forward = counting  # type: ignore[method-assign]
    try:
        assert None not in texts(transcribe(engine, paths))
    finally:
        del engine.model.forward  # type: ignore[method-assign]
    assert n_computed == len(noises) - 4


def test_an_interrupt_is_answered_within_a_second_in_a_large_model(tmp_path: Path) -> None:
    write_settings(tmp_path)
    with torch.device("meta"):
        network = transformers.Wav2Vec2ForCTC(transformers.Wav2Vec2Config())  # the size of wav2vec2-base
    network = network.to_empty(device="cpu")
    for parameter in network.parameters():
        torch.nn.init.zeros_(parameter)
    model = AcousticModel(network, folder=tmp_path, device=choose_device("cpu", "float32"))
    clip = np.random.default_rng(0).normal(0, 0.1, 20 * RATE_HZ).astype(np.float32)
    begun = threading.Event()

    class Waiting(Stopping):
        def raise_if_cancelled(self) -> None:
            if threading.current_thread() is threading.main_thread():
                begun.set()
            super().raise_if_cancelled()

    monitor, stopped_s = Waiting(), []

    def stop() -> None:
        begun.wait(30)
        time.sleep(0.3)  # into the pass, which takes seconds
        stopped_s.append(time.monotonic())
        monitor.cancelled.set()

    presser = threading.Thread(target=stop)
    presser.start()
    with pytest.raises(Cancelled):
        transcribe(Engine(model, Memo(), decoder=library_of([clip])), ["clip 0"], monitor=monitor)
    presser.join()
    assert time.monotonic() - stopped_s[0] < 1.0


def test_a_monitor_may_stop_at_the_first_failure(loaded: Callable[[str], AcousticModel], noises: Clips) -> None:
    class Strict(SilentMonitor):
        def clip_failed(self, location: str, reason: str) -> None:
            raise AudioError(f"{location}: {reason}")

    before = set(threading.enumerate())
    engine = Engine(loaded("wav2vec2-layer"), Memo(), decoder=library_of(noises))
    with pytest.raises(AudioError, match=r"missing\.wav: There is no such file") as stopped:
        transcribe(engine, ["clip 0", "missing.wav", *names(noises)], monitor=Strict())
    assert set(threading.enumerate()) <= before  # though the error still holds the frames of the call
    assert stopped.tb is not None


@pytest.mark.parametrize(("above_bytes", "n_trims"), [(0, 1), (engine_module.TRIM_ABOVE_BYTES, 0)])
def test_a_call_that_decoded_much_gives_its_memory_back(
    loaded: Callable[[str], AcousticModel],
    noises: list[NDArray[np.float32]],
    monkeypatch: pytest.MonkeyPatch,
    above_bytes: int,
    n_trims: int,
) -> None:
    trims: list[None] = []
    monkeypatch.setattr(engine_module, "TRIM_ABOVE_BYTES", above_bytes)
    monkeypatch.setattr(engine_module, "trim", lambda: trims.append(None))
    model = Engine(loaded("wav2vec2-layer"), Memo(), decoder=lambda _: Waveform(noises[1], 2.0))
    model.transcribe(["a.wav", "b.wav"], max_clips=None, monitor=SilentMonitor())
    assert len(trims) == n_trims
