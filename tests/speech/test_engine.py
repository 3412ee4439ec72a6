"""Clips in, transcripts out: same order, same texts whatever the batches, and nothing lost."""

from __future__ import annotations

import threading
import time
import weakref
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import jiwer
import numpy as np
import pytest
import soundfile
import torch
import transformers
from numpy.typing import NDArray

from thano_duckdb.audio.decode import AudioFailure, Waveform, decode
from thano_duckdb.audio.source import AudioSource
from thano_duckdb.errors import AudioError, Cancelled
from thano_duckdb.monitor import Monitor, SilentMonitor
from thano_duckdb.speech import engine as engine_module
from thano_duckdb.speech.device import choose_device
from thano_duckdb.speech.engine import Engine
from thano_duckdb.speech.memo import Memo
from thano_duckdb.speech.model import AcousticModel, FrameScores
from thano_duckdb.speech.transcript import Transcript

from .oracles import HuggingFace, RecordingMonitor, simple_text, write_settings

Clips = Sequence[NDArray[np.float32]]
Decoder = Callable[[AudioSource], Waveform | AudioFailure]
RATE_HZ = 16_000


def library_of(clips: Clips) -> Decoder:
    """Reads `clip 3` from memory; any other location is missing."""

    def read(source: AudioSource) -> Waveform | AudioFailure:
        kind, _, number = source.location.partition(" ")
        if kind != "clip":
            return AudioFailure("There is no such file.")
        return Waveform(clips[int(number)], len(clips[int(number)]) / RATE_HZ)

    return read


def names(clips: Clips) -> list[str]:
    return [f"clip {number}" for number in range(len(clips))]


def transcribe(
    engine: Engine,
    values: Sequence[str | bytes | None],
    *,
    max_clips: int | None = None,
    monitor: Monitor | None = None,
) -> list[Transcript | None]:
    return engine.transcribe(values, max_clips=max_clips, monitor=monitor or SilentMonitor())


def texts(transcripts: Sequence[Transcript | None]) -> list[str | None]:
    return [transcript and transcript.text for transcript in transcripts]


def rounded(transcripts: Sequence[Transcript | None]) -> list[Any]:
    """Everything about transcripts, probabilities to three places."""
    return [
        transcript
        and replace(
            transcript,
            confidence=transcript.confidence and round(transcript.confidence, 3),
            words=transcript.words and tuple((word.word, word.start_s, word.end_s) for word in transcript.words),
        )
        for transcript in transcripts
    ]


@pytest.fixture
def speech_engine(an4_model: Path) -> Engine:
    return Engine(AcousticModel.load(an4_model, device="cpu", precision="float32"), Memo())


def test_texts_of_speech_are_those_of_each_clip_alone(
    speech_engine: Engine, an4_model: Path, an4_test: list[Any]
) -> None:
    plain = HuggingFace.load(an4_model)
    sample = an4_test[::5]
    found = transcribe(speech_engine, [utterance.audio_path for utterance in sample])
    assert texts(found) == [plain.text(soundfile.read(u.audio_path, dtype="float32")[0]) for u in sample]
    for utterance, transcript in zip(sample, found, strict=True):
        assert transcript is not None
        assert transcript.error is None
        assert transcript.duration_s == pytest.approx(utterance.duration_s, abs=0.01)
        assert transcript.words is not None
        assert " ".join(word.word for word in transcript.words) == transcript.text
        assert all(0 <= word.start_s < word.end_s <= transcript.duration_s for word in transcript.words)


@pytest.mark.parametrize("name", ["wav2vec2-group", "wav2vec2-layer", "hubert-group"])
def test_batches_order_and_pools_change_nothing(
    random_model: Callable[[str], Path],
    loaded: Callable[[str], AcousticModel],
    noises: Clips,
    spoken: Clips,
    monkeypatch: pytest.MonkeyPatch,
    name: str,
) -> None:
    clips = [*noises, *spoken[:4]]
    plain = HuggingFace.load(random_model(name))
    alone = [plain.text(clip) for clip in clips]
    assert len(set(alone)) > len(clips) / 2
    first = None
    for max_clips in (1, 3, 64, None):
        found = transcribe(Engine(loaded(name), Memo(), decoder=library_of(clips)), names(clips), max_clips=max_clips)
        assert texts(found) == alone
        first = first or rounded(found)
        assert rounded(found) == first
    order = np.random.default_rng(5).permutation(len(clips))
    for pool_bytes in (1, 300_000, 10**9):
        monkeypatch.setattr(engine_module, "POOL_BYTES", pool_bytes)
        engine = Engine(loaded(name), Memo(), decoder=library_of(clips))
        shuffled = transcribe(engine, [f"clip {number}" for number in order])
        assert rounded(shuffled) == [first[number] for number in order]


def test_four_threads_get_the_texts_of_one(loaded: Callable[[str], AcousticModel], noises: Clips) -> None:
    engine = Engine(loaded("wav2vec2-group"), Memo(), decoder=library_of(noises))
    expected = texts(transcribe(engine, names(noises)))
    orders = [np.random.default_rng(seed).permutation(len(noises)) for seed in range(4)]
    with ThreadPoolExecutor(4) as threads:
        calls = [threads.submit(transcribe, engine, [f"clip {number}" for number in order]) for order in orders]
        for order, call in zip(orders, calls, strict=True):
            assert texts(call.result()) == [expected[number] for number in order]


def test_bad_clips_cost_the_others_nothing(loaded: Callable[[str], AcousticModel], noises: Clips) -> None:
    clips = [*noises[:4], np.zeros(10, np.float32)]
    engine = Engine(loaded("wav2vec2-group"), Memo(), decoder=library_of(clips))
    good = transcribe(engine, names(noises[:4]))
    monitor = RecordingMonitor()
    values = ["clip 0", None, "missing.wav", "clip 1", "clip 4", "clip 2", b"noise", "missing.wav", "clip 3"]
    found = transcribe(engine, values, monitor=monitor)
    assert texts(found) == [good[0].text, None, None, good[1].text, None, good[2].text, None, None, good[3].text]  # type: ignore[union-attr]
    assert found[1] is None
    errors = [transcript and transcript.error for transcript in found]
    assert errors[2] == errors[6] == errors[7] == "There is no such file."
    assert errors[4] == "It is too short: 10 samples, the model needs at least 345 (21.5625 ms)."
    assert found[4] == Transcript(None, None, 10 / RATE_HZ, None, errors[4])
    assert monitor.n_received == monitor.n_done == 8
    assert monitor.audio_s == pytest.approx(sum(len(clip) for clip in noises[:4]) / RATE_HZ)
    assert sorted(location for location, _reason in monitor.failures) == ["<blob of 5 bytes>", "clip 4", "missing.wav"]


def test_silence_is_an_empty_text_or_some_text_but_no_failure(loaded: Callable[[str], AcousticModel]) -> None:
    engine = Engine(loaded("wav2vec2-group"), Memo(), decoder=library_of([np.zeros(16_000, np.float32)]))
    [found] = transcribe(engine, ["clip 0"])
    assert found is not None
    assert found.error is None
    assert found.text is not None


def test_nothing_gives_nothing(loaded: Callable[[str], AcousticModel]) -> None:
    engine = Engine(loaded("wav2vec2-layer"), Memo())
    assert transcribe(engine, []) == []
    assert transcribe(engine, [None, None]) == [None, None]


def test_a_clip_is_computed_once(speech_engine: Engine, an4_test: list[Any], monkeypatch: pytest.MonkeyPatch) -> None:
    n_forwarded = 0
    forward = AcousticModel.forward

    def counting(self: AcousticModel, batch: Sequence[Any], monitor: Monitor) -> list[FrameScores]:
        nonlocal n_forwarded
        n_forwarded += len(batch)
        return forward(self, batch, monitor)

    monkeypatch.setattr(AcousticModel, "forward", counting)
    path = an4_test[0].audio_path
    blob = Path(path).read_bytes()
    found = transcribe(speech_engine, [path, path, an4_test[1].audio_path, blob, path])
    assert n_forwarded == 3  # two files, and the bytes of one
    assert len({transcript.text for transcript in (found[0], found[1], found[3], found[4]) if transcript}) == 1
    monitor = RecordingMonitor()
    assert transcribe(speech_engine, [blob, path], monitor=monitor) == [found[3], found[0]]
    assert n_forwarded == 3
    assert monitor.n_done == 2
    assert monitor.audio_s == pytest.approx(2 * an4_test[0].duration_s, abs=0.01)


def test_a_missing_file_is_looked_for_again(speech_engine: Engine, an4_test: list[Any], tmp_path: Path) -> None:
    path = tmp_path / "late.flac"
    [before] = transcribe(speech_engine, [str(path)])
    path.write_bytes(Path(an4_test[0].audio_path).read_bytes())
    [after] = transcribe(speech_engine, [str(path)])
    assert before is not None
    assert before.error is not None
    assert after is not None
    assert after.text == transcribe(speech_engine, [an4_test[0].audio_path])[0].text  # type: ignore[union-attr]


def test_long_audio_is_its_windows_joined(speech_engine: Engine, an4_model: Path, an4_test: list[Any]) -> None:
    spoken = [soundfile.read(utterance.audio_path, dtype="float32")[0] for utterance in an4_test]
    clip = np.concatenate(spoken)[: 95 * RATE_HZ]
    speech_engine._decoder = library_of([clip])
    [found] = transcribe(speech_engine, ["clip 0"])
    assert found is not None
    assert found.duration_s == 95.0

    # By hand: the clip has 4,746 frames, each of 1,330 samples and 320 after the one before, so four windows of about
    # a quarter of them, with 2 s (100 frames) of context.
    plain = HuggingFace.load(an4_model)
    values = plain.extractor(clip, sampling_rate=RATE_HZ, return_tensors="pt").input_values
    ids: list[int] = []
    for begin, end in ((0, 1186), (1186, 2373), (2373, 3559), (3559, 4746)):
        first, last = max(0, begin - 100), min(4746, end + 100)
        with torch.inference_mode():
            logits = plain.network(values[:, first * 320 : (last - 1) * 320 + 1330]).logits[0]
        ids += logits.argmax(-1).tolist()[begin - first : end - first]
    assert found.text == simple_text(ids)
    assert found.words is not None
    assert 90 < found.words[-1].end_s <= 95

    n_whole = int(np.searchsorted(np.cumsum([len(samples) for samples in spoken]), len(clip)))
    reference = " ".join(utterance.text for utterance in an4_test[:n_whole])
    assert jiwer.cer(reference, found.text) < jiwer.cer(reference, plain.text(clip)) + 0.02  # not worse than one pass


class Patient:
    """A decoder of long clips that counts the bytes that are alive."""

    def __init__(self, n_samples: int) -> None:
        self._n_samples = n_samples
        self._lock = threading.Lock()
        self.live_bytes = 0
        self.most_bytes = 0

    def __call__(self, _source: AudioSource) -> Waveform:
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
        from thano_duckdb.speech.features import Features

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


def test_a_bug_in_a_decoder_is_no_bad_clip(loaded: Callable[[str], AcousticModel]) -> None:
    def read(_source: AudioSource) -> Waveform:
        raise ZeroDivisionError("a bug")

    with pytest.raises(ZeroDivisionError):
        transcribe(Engine(loaded("wav2vec2-layer"), Memo(), decoder=read), ["clip 0"])


def test_the_decoder_is_that_of_the_package(loaded: Callable[[str], AcousticModel]) -> None:
    assert Engine(loaded("wav2vec2-layer"), Memo())._decoder is decode
