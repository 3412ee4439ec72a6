"""Clips in, transcripts out: same order, same texts whatever the batches, and nothing lost."""

from __future__ import annotations

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

from tests.speech.oracles import (
    RATE_HZ,
    Clips,
    HuggingFace,
    RecordingMonitor,
    library_of,
    names,
    simple_text,
    texts,
    transcribe,
)
from thano_duckdb.audio.decode import Waveform, decode
from thano_duckdb.audio.source import Clip
from thano_duckdb.errors import AudioError
from thano_duckdb.monitoring.monitor import Monitor
from thano_duckdb.speech import engine as engine_module
from thano_duckdb.speech.cache import Memo
from thano_duckdb.speech.engine import Engine
from thano_duckdb.speech.recognizer.acoustic_model import AcousticModel, FrameScores
from thano_duckdb.speech.transcript import Transcript


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


def test_a_failure_that_ends_the_call_leaves_the_rest_of_its_batch_known(
    speech_engine: Engine, an4_test: list[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    n_forwarded = 0
    forward = AcousticModel.forward

    def spoiling_the_first(self: AcousticModel, batch: Sequence[Any], monitor: Monitor) -> list[FrameScores]:
        nonlocal n_forwarded
        n_forwarded += len(batch)
        first, *others = forward(self, batch, monitor)
        return [replace(first, log_probs=np.full_like(first.log_probs, np.nan)), *others]

    class FailFast(RecordingMonitor):
        def clip_failed(self, location: str, reason: str) -> None:
            raise AudioError(reason)

    monkeypatch.setattr(AcousticModel, "forward", spoiling_the_first)
    paths = [utterance.audio_path for utterance in an4_test[:4]]
    for _ in range(2):
        with pytest.raises(AudioError, match="not numbers"):
            transcribe(speech_engine, paths, monitor=FailFast())
    assert n_forwarded == 4 + 1


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
    assert 90 < list(found.words)[-1].end_s <= 95

    n_whole = int(np.searchsorted(np.cumsum([len(samples) for samples in spoken]), len(clip)))
    reference = " ".join(utterance.text for utterance in an4_test[:n_whole])
    assert jiwer.cer(reference, found.text) < jiwer.cer(reference, plain.text(clip)) + 0.02  # not worse than one pass


def test_a_bug_in_a_decoder_is_no_bad_clip(loaded: Callable[[str], AcousticModel]) -> None:
    def read(_source: Clip) -> Waveform:
        raise ZeroDivisionError("a bug")

    with pytest.raises(ZeroDivisionError):
        transcribe(Engine(loaded("wav2vec2-layer"), Memo(), decoder=read), ["clip 0"])


def test_the_decoder_is_that_of_the_package(loaded: Callable[[str], AcousticModel]) -> None:
    assert Engine(loaded("wav2vec2-layer"), Memo())._decoder is decode
