"""Clips in, transcripts out: in order, the same texts for any batches, and none lost."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path
from typing import Any, cast

import jiwer
import numpy as np
import pytest
import soundfile
import torch

from tests.speech.doubles import Batch, WatchedRecognizer
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
from thano_duckdb.audio.decode import Waveform
from thano_duckdb.audio.source import Clip
from thano_duckdb.errors import AudioError
from thano_duckdb.monitoring.monitor import Monitor, SilentMonitor
from thano_duckdb.speech.cache import MemoryCache
from thano_duckdb.speech.decoding.decoder import Decoder, FrameScores, Hypothesis
from thano_duckdb.speech.decoding.greedy import GreedyDecoder
from thano_duckdb.speech.decoding.vocabulary import Vocabulary
from thano_duckdb.speech.engine import Engine
from thano_duckdb.speech.job_runner import CallOptions
from thano_duckdb.speech.local_runner import Limits
from thano_duckdb.speech.recognizer.acoustic_model import AcousticModel
from thano_duckdb.speech.recognizer.ctc_recognizer import CtcRecognizer
from thano_duckdb.speech.recognizer.recognizer import ClipFailure, PreparedClip
from thano_duckdb.speech.transcript import Transcript


def rounded(transcripts: Sequence[Transcript | None]) -> list[Any]:
    """Everything in transcripts, with probabilities rounded to three digits."""
    return [
        transcript
        and transcript._replace(
            confidence=transcript.confidence and round(transcript.confidence, 3),
            words=cast(Any, transcript.words and tuple((w.word, w.start_s, w.end_s) for w in transcript.words)),
        )
        for transcript in transcripts
    ]


@pytest.fixture
def speech_engine(an4_model: Path) -> Engine:
    return Engine(CtcRecognizer(AcousticModel.load(an4_model, device="cpu", precision="float32")))


def test_texts_of_speech_equal_those_of_each_clip_alone(
    speech_engine: Engine, an4_model: Path, an4_test: list[Any]
) -> None:
    plain = HuggingFace.load(an4_model)
    sample = an4_test[::5]
    found = transcribe(speech_engine, [utterance.audio_path for utterance in sample], level="exact")
    assert texts(found) == [plain.text(soundfile.read(u.audio_path, dtype="float32")[0]) for u in sample]
    for utterance, transcript in zip(sample, found, strict=True):
        assert transcript is not None
        assert transcript.error is None
        assert transcript.duration_s is not None
        assert transcript.duration_s == pytest.approx(utterance.duration_s, abs=0.01)
        assert transcript.words is not None
        assert " ".join(word.word for word in transcript.words) == transcript.text
        assert all(0 <= word.start_s < word.end_s <= transcript.duration_s for word in transcript.words)


@pytest.mark.parametrize("name", ["wav2vec2-group", "wav2vec2-layer", "hubert-group"])
def test_batches_order_and_pools_do_not_change_the_transcripts(
    random_model: Callable[[str], Path],
    loaded: Callable[[str], AcousticModel],
    noises: Clips,
    spoken: Clips,
    name: str,
) -> None:
    clips = [*noises, *spoken[:4]]
    plain = HuggingFace.load(random_model(name))
    alone = [plain.text(clip) for clip in clips]
    assert len(set(alone)) > len(clips) / 2
    first: list[Any] = []
    for max_clips in (1, 3, 64, None):
        found = transcribe(
            Engine(CtcRecognizer(loaded(name)), read=library_of(clips)),
            names(clips),
            max_clips=max_clips,
            level="exact",
        )
        assert texts(found) == alone
        first = first or rounded(found)
        assert rounded(found) == first
    order = np.random.default_rng(5).permutation(len(clips))
    for pool_bytes in (1, 300_000, 10**9):
        limits = Limits(pool_bytes=pool_bytes)
        engine = Engine(CtcRecognizer(loaded(name)), read=library_of(clips), limits=limits)
        shuffled = transcribe(engine, [f"clip {number}" for number in order], level="exact")
        assert rounded(shuffled) == [first[number] for number in order]


def test_four_threads_get_the_same_texts_as_one(loaded: Callable[[str], AcousticModel], noises: Clips) -> None:
    engine = Engine(CtcRecognizer(loaded("wav2vec2-group")), read=library_of(noises))
    expected = texts(transcribe(engine, names(noises)))
    orders = [np.random.default_rng(seed).permutation(len(noises)) for seed in range(4)]
    with ThreadPoolExecutor(4) as threads:
        calls = [threads.submit(transcribe, engine, [f"clip {number}" for number in order]) for order in orders]
        for order, call in zip(orders, calls, strict=True):
            assert texts(call.result()) == [expected[number] for number in order]


def test_bad_clips_do_not_affect_the_others(loaded: Callable[[str], AcousticModel], noises: Clips) -> None:
    clips = [*noises[:4], np.zeros(10, np.float32)]
    engine = Engine(CtcRecognizer(loaded("wav2vec2-group")), read=library_of(clips))
    good = transcribe(engine, names(noises[:4]))
    monitor = RecordingMonitor()
    values = ["clip 0", None, "missing.wav", "clip 1", "clip 4", "clip 2", b"noise", "missing.wav", "clip 3"]
    found = transcribe(engine, values, monitor=monitor)
    assert texts(found) == [good[0].text, None, None, good[1].text, None, good[2].text, None, None, good[3].text]  # type: ignore[union-attr]
    assert found[1] is None
    errors = [transcript and transcript.error for transcript in found]
    assert errors[2] == errors[6] == errors[7] == "There is no such file."
    assert errors[4] == "It is too short: it has 10 samples, and the model needs at least 345 (21.5625 ms)."
    assert found[4] == Transcript(None, None, 10 / RATE_HZ, None, errors[4])
    assert monitor.n_received == monitor.n_done == 8
    assert monitor.audio_s == pytest.approx(sum(len(clip) for clip in noises[:4]) / RATE_HZ)
    assert sorted(location for location, _reason in monitor.failures) == ["<blob of 5 bytes>", "clip 4", "missing.wav"]


def test_silence_is_not_a_failure(loaded: Callable[[str], AcousticModel]) -> None:
    engine = Engine(CtcRecognizer(loaded("wav2vec2-group")), read=library_of([np.zeros(16_000, np.float32)]))
    [found] = transcribe(engine, ["clip 0"])
    assert found is not None
    assert (found.error, found.duration_s) == (None, 1.0)
    assert found.text is not None


def test_no_clips_give_no_transcripts(loaded: Callable[[str], AcousticModel]) -> None:
    engine = Engine(CtcRecognizer(loaded("wav2vec2-layer")))
    assert transcribe(engine, []) == []
    assert transcribe(engine, [None, None]) == [None, None]


def test_each_distinct_clip_is_computed_once(an4_model: Path, an4_test: list[Any]) -> None:
    recognizer, cache = WatchedRecognizer(AcousticModel.load(an4_model, device="cpu")), MemoryCache()
    engine = Engine(recognizer)
    path = an4_test[0].audio_path
    blob = Path(path).read_bytes()
    found = transcribe(engine, [path, path, an4_test[1].audio_path, blob, path], cache=cache)
    assert sum(recognizer.sizes) == 3  # two files, and the bytes of one
    assert len({transcript.text for transcript in (found[0], found[1], found[3], found[4]) if transcript}) == 1
    monitor = RecordingMonitor()
    assert transcribe(engine, [blob, path], monitor=monitor, cache=cache) == [found[3], found[0]]
    assert sum(recognizer.sizes) == 3
    assert monitor.n_done == 2
    assert monitor.audio_s == pytest.approx(2 * an4_test[0].duration_s, abs=0.01)


def test_cached_transcripts_of_one_decoder_are_not_used_for_another(an4_model: Path, an4_test: list[Any]) -> None:
    @dataclass(frozen=True)
    class Shouting(GreedyDecoder):
        fingerprint: str = "shouting"

        def decode(self, clips: Sequence[FrameScores], vocabulary: Vocabulary, *, stride: int) -> list[Hypothesis]:
            return [replace(h, text=f"{h.text}!") for h in super().decode(clips, vocabulary, stride=stride)]

    engine, cache = Engine(CtcRecognizer(AcousticModel.load(an4_model, device="cpu"))), MemoryCache()
    path, decoders = an4_test[0].audio_path, (GreedyDecoder(), Shouting(), GreedyDecoder())
    quiet, loud, again = (
        engine.transcribe([Clip.of(path)], CallOptions(decoder), cache=cache, monitor=SilentMonitor())[0]
        for decoder in decoders
    )
    assert quiet is not None
    assert loud is not None
    assert loud.text == f"{quiet.text}!"
    assert again == quiet


def test_after_a_failure_ends_the_call_the_rest_of_its_batch_is_in_the_cache(
    an4_model: Path, an4_test: list[Any]
) -> None:
    class FailingOnTheFirst(WatchedRecognizer):
        def run(self, batch: Batch, decoder: Decoder, monitor: Monitor) -> list[FrameScores | ClipFailure]:
            _, *others = super().run(batch, decoder, monitor)
            return [ClipFailure("no output"), *others]

    class FailFast(RecordingMonitor):
        def clip_failed(self, location: str, reason: str) -> None:
            raise AudioError(reason)

    recognizer, cache = FailingOnTheFirst(AcousticModel.load(an4_model, device="cpu")), MemoryCache()
    engine = Engine(recognizer)
    paths = [utterance.audio_path for utterance in an4_test[:4]]
    for _ in range(2):
        with pytest.raises(AudioError, match="no output"):
            transcribe(engine, paths, monitor=FailFast(), cache=cache)
    assert sum(recognizer.sizes) == 4 + 1


def test_a_missing_file_is_read_again_in_the_next_call(
    speech_engine: Engine, an4_test: list[Any], tmp_path: Path
) -> None:
    path, cache = tmp_path / "late.flac", MemoryCache()
    [before] = transcribe(speech_engine, [str(path)], cache=cache)
    path.write_bytes(Path(an4_test[0].audio_path).read_bytes())
    [after] = transcribe(speech_engine, [str(path)], cache=cache)
    assert before is not None
    assert before.error is not None
    assert after is not None
    assert after.text == transcribe(speech_engine, [an4_test[0].audio_path])[0].text  # type: ignore[union-attr]


def test_long_audio_is_transcribed_in_windows_that_are_joined(
    speech_engine: Engine, an4_model: Path, an4_test: list[Any]
) -> None:
    spoken = [soundfile.read(utterance.audio_path, dtype="float32")[0] for utterance in an4_test]
    clip = np.concatenate(spoken)[: 95 * RATE_HZ]
    [found] = transcribe(Engine(speech_engine.recognizer, read=library_of([clip])), ["clip 0"], level="exact")
    assert found is not None
    assert found.duration_s == 95.0

    # By hand: the clip has 4,746 frames, each of 1,330 samples and 320 after the one before, so five windows of about
    # a fifth of them, which meet in pauses, with 2 s (100 frames) of context.
    plain = HuggingFace.load(an4_model)
    values = plain.extractor(clip, sampling_rate=RATE_HZ, return_tensors="pt").input_values
    ids: list[int] = []
    prepared = speech_engine.recognizer.prepare(clip.astype(np.float32))  # type: ignore[attr-defined]
    assert isinstance(prepared, PreparedClip)
    bounds = [0, *(window.position.stop for window in prepared.windows)]
    assert np.abs(np.array(bounds) - [0, 949, 1898, 2848, 3797, 4746]).max() <= 100
    for begin, end in pairwise(bounds):
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


def test_a_bug_in_reading_a_clip_is_raised_and_not_mistaken_for_a_bad_clip(
    loaded: Callable[[str], AcousticModel],
) -> None:
    def read(_source: Clip) -> Waveform:
        raise ZeroDivisionError("a bug")

    with pytest.raises(ZeroDivisionError):
        transcribe(Engine(CtcRecognizer(loaded("wav2vec2-layer")), read=read), ["clip 0"])
