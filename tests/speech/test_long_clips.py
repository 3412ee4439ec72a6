"""Long clips: silence costs nothing and changes no word, progress moves, and an interrupt is answered at once."""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence
from pathlib import Path

import jiwer
import numpy as np
import pytest
import soundfile
from numpy.typing import NDArray

import thano_duckdb
from tests.speech.doubles import WatchedRecognizer
from tests.speech.oracles import RATE_HZ, RecordingMonitor, library_of, names, texts, transcribe
from thano_duckdb.audio.source import Clip
from thano_duckdb.errors import Cancelled
from thano_duckdb.models import bundled
from thano_duckdb.monitoring.monitor import SilentMonitor
from thano_duckdb.speech.cache import MemoryCache
from thano_duckdb.speech.decoding.decoder import FrameScores
from thano_duckdb.speech.decoding.greedy import GreedyDecoder
from thano_duckdb.speech.engine import Engine
from thano_duckdb.speech.job_runner import CallOptions
from thano_duckdb.speech.loudness import MARGIN_S, Loudness
from thano_duckdb.speech.recognizer.acoustic_model import AcousticModel
from thano_duckdb.speech.recognizer.ctc_recognizer import CtcRecognizer
from thano_duckdb.speech.recognizer.recognizer import PreparedClip
from thano_duckdb.speech.transcript import Transcript

Samples = NDArray[np.float32]


@pytest.fixture(scope="module")
def recognizer() -> CtcRecognizer:
    return CtcRecognizer(AcousticModel.load(bundled.model_folder(), device="cpu", precision="float32"))


@pytest.fixture(scope="module")
def spoken() -> list[Samples]:
    """Ten clips of several people."""
    paths = sorted(bundled.dataset_folder("librispeech_data").glob("*.flac"))
    return [np.asarray(soundfile.read(path, dtype="float32")[0], np.float32) for path in paths[::10]]


def noise(duration_s: float, seed: int = 0) -> Samples:
    """The faint noise of a room."""
    return (1e-4 * np.random.default_rng(seed).standard_normal(round(duration_s * RATE_HZ))).astype(np.float32)


def recognised(
    recognizer: CtcRecognizer, clips: Sequence[Samples], *, skip_silence: bool = True, max_clips: int | None = None
) -> list[Transcript]:
    """The transcripts of clips that are all readable."""
    found = Engine(recognizer, read=library_of(clips)).transcribe(
        [Clip.of(name) for name in names(clips)],
        CallOptions(GreedyDecoder(), max_clips, skip_silence),
        cache=MemoryCache(),
        monitor=SilentMonitor(),
    )
    assert all(transcript is not None and transcript.error is None for transcript in found)
    return [transcript for transcript in found if transcript is not None]


def timed_words(transcript: Transcript) -> list[tuple[str, float, float]]:
    assert transcript.words is not None
    return [(word.word, word.start_s, word.end_s) for word in transcript.words]


def test_silence_does_not_go_through_the_model(recognizer: CtcRecognizer, spoken: list[Samples]) -> None:
    watched = WatchedRecognizer(recognizer.model)
    clip = np.concatenate([noise(100), spoken[0], noise(100, 1), spoken[1], noise(100, 2)])
    recognised(watched, [clip])
    speech_s = (len(spoken[0]) + len(spoken[1])) / RATE_HZ
    assert sum(watched.costs) / RATE_HZ < speech_s + 4 * MARGIN_S + 3


def test_a_silent_recording_has_no_text_and_costs_nothing(recognizer: CtcRecognizer) -> None:
    watched = WatchedRecognizer(recognizer.model)
    [found] = recognised(watched, [noise(90)])
    assert watched.sizes == []
    assert (found.text, found.duration_s, timed_words(found)) == ("", 90.0, [])
    assert found.confidence == 1.0


@pytest.mark.parametrize("level", [0, 1], ids=["digital silence", "room"])
def test_skipped_silence_shifts_the_words_and_changes_none(
    recognizer: CtcRecognizer, spoken: list[Samples], level: int
) -> None:
    speech = np.concatenate(spoken[:4])
    clip = level * noise(100 + 2 * len(speech) / RATE_HZ)
    for start in (33 * RATE_HZ, 80 * RATE_HZ + len(speech)):
        clip[start : start + len(speech)] += speech
    [found] = recognised(recognizer, [clip])
    stride = recognizer.model.grid.stride  # frames begin at its multiples
    parts = [slice(-(-part.start // stride) * stride, part.stop) for part in Loudness.of(clip).speech()]
    assert len(parts) == 2
    alone = recognised(recognizer, [clip[part] for part in parts])  # each short, so that it is left as it is
    expected = [
        (word, start_s + part.start / RATE_HZ, end_s + part.start / RATE_HZ)
        for part, transcript in zip(parts, alone, strict=True)
        for word, start_s, end_s in timed_words(transcript)
    ]
    assert len(expected) > 20
    # The loudness of a part alone is not exactly that of both, which may change a letter that was uncertain.
    assert jiwer.cer(" ".join(str(transcript.text) for transcript in alone), str(found.text)) < 0.01
    times_s = [times for _, *times in timed_words(found)]
    np.testing.assert_allclose(times_s, [times for _, *times in expected], atol=0.07)  # two frames
    for transcript, part in zip(alone, parts, strict=True):
        assert abs(timed_words(transcript)[0][1] - MARGIN_S) < 0.6
        assert abs(part.start / RATE_HZ + MARGIN_S - (33 if part is parts[0] else 80 + len(speech) / RATE_HZ)) < 0.6


def test_the_text_of_a_long_clip_does_not_depend_on_its_neighbours(
    recognizer: CtcRecognizer, spoken: list[Samples]
) -> None:
    long = [
        np.concatenate([noise(50), spoken[0], noise(50, 1), spoken[1]]),
        np.concatenate(spoken[:6]),
        noise(45),
        np.concatenate([spoken[4], noise(70), *spoken[5:]]),
    ]
    clips = [long[0], *spoken[:3], *long[1:]]
    alone = [recognised(recognizer, [clip])[0] for clip in clips]
    for max_clips in (None, 2, 3):
        together = recognised(recognizer, clips, max_clips=max_clips)
        assert texts(together) == texts(alone)
        assert list(map(timed_words, together)) == list(map(timed_words, alone))


def test_a_clip_of_up_to_forty_seconds_goes_through_the_model_as_it_is(
    recognizer: CtcRecognizer, spoken: list[Samples]
) -> None:
    clip = np.concatenate([noise(20), spoken[0], noise(20, 1)])[: 40 * RATE_HZ]
    prepared = [recognizer.prepare(clip, skip_silence=skip_silence) for skip_silence in (True, False)]
    for found in prepared:
        assert isinstance(found, PreparedClip)
        [window] = found.windows
        np.testing.assert_array_equal(window.features.samples, recognizer.model.features(clip).samples)


def test_silence_is_not_skipped_where_the_option_says_so(recognizer: CtcRecognizer, spoken: list[Samples]) -> None:
    watched = WatchedRecognizer(recognizer.model)
    clip = np.concatenate([spoken[0], noise(60)])
    recognised(watched, [clip], skip_silence=False)
    assert sum(watched.costs) >= len(clip)


def test_transcripts_with_and_without_silence_are_cached_apart(
    recognizer: CtcRecognizer, spoken: list[Samples], tmp_path: Path
) -> None:
    path = tmp_path / "long.wav"
    soundfile.write(path, np.concatenate([spoken[0], noise(60)]), RATE_HZ)
    watched, cache = WatchedRecognizer(recognizer.model), MemoryCache()
    n_passes = []
    for skip_silence in (True, False, True, False):
        Engine(watched).transcribe(
            [Clip.of(str(path))],
            CallOptions(GreedyDecoder(), skip_silence=skip_silence),
            cache=cache,
            monitor=SilentMonitor(),
        )
        n_passes.append(len(watched.sizes))
    assert n_passes[0] < n_passes[1] == n_passes[3]


@pytest.mark.parametrize("labels_per_frame", [1, 8])
def test_words_on_both_sides_of_skipped_silence_stay_apart(
    recognizer: CtcRecognizer, spoken: list[Samples], labels_per_frame: int
) -> None:
    """Also where the model ends no word at the edges of the silence."""
    prepared = recognizer.prepare(np.concatenate([spoken[0], noise(60), spoken[1]]))
    assert isinstance(prepared, PreparedClip)
    assert len(prepared.windows) == 2
    letter = recognizer.vocabulary.tokens.index("A")
    outputs = [
        FrameScores(
            np.full((window.core.stop, labels_per_frame), letter, np.int16),
            np.full((window.core.stop, labels_per_frame), -0.01, np.float32),
        )
        for window in prepared.windows
    ]
    joined = recognizer.join(prepared, outputs)
    assert np.isfinite(joined.log_probs).all()
    [hypothesis] = recognizer.decode([FrameScores(joined.ids[:, :1], joined.log_probs[:, :1])], GreedyDecoder())
    assert hypothesis.text == "A A"


class Progress(RecordingMonitor):
    """Records how far the statement has come after each report."""

    def __init__(self) -> None:
        super().__init__()
        self.shares: list[float] = []
        self.share = 0.0
        self.partial_s = 0.0

    def clip_advanced(self, share: float, audio_s: float) -> None:
        self.share += share
        self.partial_s += audio_s
        self.shares.append(self.n_done + self.share)


def test_the_progress_of_a_long_clip_moves_while_it_runs(recognizer: CtcRecognizer, spoken: list[Samples]) -> None:
    monitor = Progress()
    clip = np.concatenate(10 * spoken)
    transcribe(Engine(recognizer, read=library_of([clip])), ["clip 0"], monitor=monitor, max_clips=2)
    *moving, last = monitor.shares
    assert len(moving) >= 10
    assert moving == sorted(moving)
    assert moving[-1] == pytest.approx(1)
    assert last == pytest.approx(0)  # taken back, since `clips_done` counts the clip
    assert monitor.partial_s == pytest.approx(0)
    assert (monitor.n_done, monitor.audio_s) == (1, len(clip) / RATE_HZ)


def test_short_clips_are_only_reported_whole(recognizer: CtcRecognizer, spoken: list[Samples]) -> None:
    monitor = Progress()
    transcribe(Engine(recognizer, read=library_of(spoken)), names(spoken), monitor=monitor)
    assert monitor.shares == []
    assert monitor.n_done == len(spoken)


def test_an_interrupt_of_a_long_recording_is_answered_within_a_second(
    recognizer: CtcRecognizer, spoken: list[Samples]
) -> None:
    stop = threading.Event()
    stopped_s = []

    class Stopping(Progress):
        def clip_advanced(self, share: float, audio_s: float) -> None:
            super().clip_advanced(share, audio_s)
            if not stop.is_set():
                stopped_s.append(time.monotonic())
                stop.set()

        def raise_if_cancelled(self) -> None:
            if stop.is_set():
                raise Cancelled("stop")

    clip = np.tile(np.concatenate(spoken), 30)  # over half an hour
    with pytest.raises(Cancelled):
        transcribe(Engine(recognizer, read=library_of([clip])), ["clip 0"], monitor=Stopping())
    assert time.monotonic() - stopped_s[0] < 1


def test_a_long_silence_takes_no_memory_once_it_is_prepared(recognizer: CtcRecognizer, spoken: list[Samples]) -> None:
    clip = np.concatenate([noise(600), spoken[0], noise(600, 1)])
    prepared = recognizer.prepare(clip)
    assert isinstance(prepared, PreparedClip)
    assert prepared.n_bytes < clip.nbytes / 20
    for window in prepared.windows:
        whole = window.features.samples
        while isinstance(whole.base, np.ndarray):
            whole = whole.base
        assert whole.nbytes < clip.nbytes / 20


def test_the_option_of_a_statement_reaches_the_engine(spoken: list[Samples], tmp_path: Path) -> None:
    path = tmp_path / "long.wav"
    soundfile.write(path, np.concatenate([noise(40), spoken[0], noise(40, 1)]), RATE_HZ)
    with thano_duckdb.connect(progress=False) as con:
        ask = "PREDICT USING Wav2Vec2TinyEn OPTIONS (include='words'{}) AS SELECT ? AS audio_path"
        skipping, whole = (
            con.execute(ask.format(option), [str(path)]).fetchall() for option in ("", ", skip_silence=False")
        )
        by_call = con.execute(
            "SELECT thano_transcribe('Wav2Vec2TinyEn', ?, {'skip_silence': false}).text", [str(path)]
        ).fetchall()
    assert skipping != whole
    assert by_call[0][0] == whole[0][1]
