"""A decoder that takes long runs on threads of its own: while the network runs, without delaying an interrupt."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.speech.doubles import Batch, WatchedRecognizer
from tests.speech.oracles import Clips, RecordingMonitor, library_of, names, texts
from thano_duckdb.audio.source import Clip
from thano_duckdb.errors import AudioError, Cancelled
from thano_duckdb.monitoring.monitor import Monitor, SilentMonitor
from thano_duckdb.speech.cache import MemoryCache, NoCache, TranscriptCache
from thano_duckdb.speech.decoding import beam_library
from thano_duckdb.speech.decoding.beam import BeamDecoder
from thano_duckdb.speech.decoding.decoder import Decoder, FrameScores, Hypothesis
from thano_duckdb.speech.decoding.greedy import GreedyDecoder
from thano_duckdb.speech.decoding.vocabulary import Vocabulary
from thano_duckdb.speech.engine import Engine
from thano_duckdb.speech.job_runner import CallOptions
from thano_duckdb.speech.local_runner import Limits
from thano_duckdb.speech.recognizer.acoustic_model import AcousticModel
from thano_duckdb.speech.recognizer.ctc_recognizer import CtcRecognizer
from thano_duckdb.speech.recognizer.recognizer import ClipFailure
from thano_duckdb.speech.transcript import Transcript

Load = Callable[[str], AcousticModel]


@dataclass(frozen=True)
class Aside(GreedyDecoder):
    """Greedy decoding on threads; `before` is called before each clip."""

    before: Callable[[], Any] = lambda: None
    runs_aside: bool = field(default=True, init=False)

    def decode(self, clips: Sequence[FrameScores], vocabulary: Vocabulary, *, stride: int) -> list[Hypothesis]:
        self.before()
        return super().decode(clips, vocabulary, stride=stride)


class Marked:
    """Greedy decoding whose texts end in a mark."""

    labels_per_frame: int | None = 1

    def __init__(self, mark: str, *, runs_aside: bool) -> None:
        self.mark, self.fingerprint, self.runs_aside = mark, mark, runs_aside

    def decode(self, clips: Sequence[FrameScores], vocabulary: Vocabulary, *, stride: int) -> list[Hypothesis]:
        found = GreedyDecoder().decode(clips, vocabulary, stride=stride)
        return [replace(hypothesis, text=f"{hypothesis.text}{self.mark}") for hypothesis in found]


def transcribe(
    engine: Engine,
    values: Sequence[str],
    decoder: Decoder,
    *,
    max_clips: int | None = 2,
    monitor: Monitor | None = None,
    cache: TranscriptCache | None = None,
    decoders: Sequence[Decoder] | None = None,
) -> list[Transcript | None]:
    return engine.transcribe(
        [Clip.of(value) for value in values],
        CallOptions(decoder, max_clips),
        cache=cache or NoCache(),
        monitor=monitor or SilentMonitor(),
        decoders=decoders,
    )


def test_the_texts_are_those_of_decoding_at_once(loaded: Load, noises: Clips) -> None:
    engine = Engine(CtcRecognizer(loaded("wav2vec2-group")), read=library_of(noises), limits=Limits(max_searches=1))
    expected = transcribe(engine, names(noises), GreedyDecoder())
    assert texts(transcribe(engine, names(noises), Aside())) == texts(expected)
    for max_clips in (1, None):
        assert texts(transcribe(engine, names(noises), Aside(), max_clips=max_clips)) == texts(expected)


def test_the_network_runs_on_while_a_text_is_searched_for(loaded: Load, noises: Clips) -> None:
    has_run_twice = threading.Event()
    recognizer = WatchedRecognizer(loaded("wav2vec2-group"))

    def before(_batch: Batch) -> None:
        if len(recognizer.sizes) >= 2:
            has_run_twice.set()

    engine = Engine(replace(recognizer, before=before), read=library_of(noises))
    decoder = Aside(before=lambda: has_run_twice.wait(10) or pytest.fail("the network waited for the decoder"))
    assert None not in texts(transcribe(engine, names(noises), decoder, max_clips=1))


def test_an_interrupt_does_not_wait_for_a_search(loaded: Load, noises: Clips) -> None:
    is_searching, may_end = threading.Event(), threading.Event()

    class Interrupted(SilentMonitor):
        def raise_if_cancelled(self) -> None:
            if is_searching.is_set():
                raise Cancelled("stop")

    def search() -> None:
        is_searching.set()
        may_end.wait(30)

    engine = Engine(CtcRecognizer(loaded("wav2vec2-group")), read=library_of(noises))
    transcribe(engine, names(noises), GreedyDecoder())  # warm
    started_s = time.monotonic()
    try:
        with pytest.raises(Cancelled):
            transcribe(engine, names(noises), Aside(before=search), monitor=Interrupted())
        assert time.monotonic() - started_s < 10
    finally:
        may_end.set()


def test_what_a_search_raises_ends_the_call(loaded: Load, noises: Clips) -> None:
    def fail() -> None:
        raise ValueError("the search failed")

    engine = Engine(CtcRecognizer(loaded("wav2vec2-group")), read=library_of(noises))
    with pytest.raises(ValueError, match="the search failed"):
        transcribe(engine, names(noises), Aside(before=fail))


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
    paths = [utterance.audio_path for utterance in an4_test[:4]]
    for _ in range(2):
        with pytest.raises(AudioError, match="no output"):
            transcribe(Engine(recognizer), paths, Aside(), max_clips=4, monitor=FailFast(), cache=cache)
    assert recognizer.sizes == [4, 1]


@pytest.mark.parametrize("is_aside", [True, False])
def test_each_clip_has_a_decoder_of_its_own(loaded: Load, noises: Clips, is_aside: bool) -> None:
    engine = Engine(CtcRecognizer(loaded("wav2vec2-group")), read=library_of(noises))
    plain = texts(transcribe(engine, ["clip 0", "clip 1"], GreedyDecoder()))
    decoders = [Marked("!", runs_aside=is_aside), Marked("?", runs_aside=is_aside), Marked("!", runs_aside=is_aside)]
    found = transcribe(engine, ["clip 0", "clip 1", "clip 1"], decoders[0], decoders=decoders, max_clips=None)
    assert texts(found) == [f"{plain[0]}!", f"{plain[1]}?", f"{plain[1]}!"]


@pytest.mark.skipif(bool(beam_library.problem()), reason=str(beam_library.problem()))
def test_equal_clips_with_other_hotwords_are_decoded_and_cached_apart(an4_model: Path, an4_test: list[Any]) -> None:
    engine, cache = Engine(CtcRecognizer(AcousticModel.load(an4_model, device="cpu"))), MemoryCache()
    path = an4_test[0].audio_path
    decoder = BeamDecoder()
    decoders = [replace(decoder, hotwords=words) for words in ((), ("RUBOUT",), ("YES", "RUBOUT"), ("RUBOUT",))]
    found = transcribe(engine, [path] * 4, decoder, decoders=decoders, cache=cache)
    hotwords = [transcript and transcript.hotwords for transcript in found]
    assert hotwords[0] is None
    assert hotwords[1] == hotwords[3] is not None
    again = transcribe(engine, [path] * 4, decoder, decoders=decoders[::-1], cache=cache)
    assert again == found[::-1]


@pytest.mark.skipif(bool(beam_library.problem()), reason=str(beam_library.problem()))
def test_the_beam_search_gives_the_same_whatever_the_batches(loaded: Load, noises: Clips) -> None:
    engine = Engine(CtcRecognizer(loaded("wav2vec2-group")), read=library_of(noises))
    decoder = BeamDecoder(n_best=2)
    expected = texts(transcribe(engine, names(noises), decoder, max_clips=1))
    order = np.random.default_rng(0).permutation(len(noises))
    found = texts(transcribe(engine, [f"clip {number}" for number in order], decoder, max_clips=None))
    assert found == [expected[number] for number in order]
