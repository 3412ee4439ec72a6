"""Speech with a beep, a hold tone, a click, an offset or another level is transcribed as well as without."""

from __future__ import annotations

import csv
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import jiwer
import numpy as np
import pyarrow as pa
import pytest
import soundfile
from numpy.typing import NDArray

import thano_duckdb
from benchmarks.disturbances import DISTURBANCES
from tests.speech.oracles import RATE_HZ, Clips, library_of, names, texts, transcribe
from thano_duckdb.models import bundled
from thano_duckdb.speech.engine import Engine
from thano_duckdb.speech.normalize import normalize
from thano_duckdb.speech.recognizer.acoustic_model import AcousticModel
from thano_duckdb.speech.recognizer.ctc_recognizer import CtcRecognizer
from thano_duckdb.speech.recognizer.level import Level

TOLERANCE = 0.05
"""Difference in CER."""


@dataclass(frozen=True)
class Corpus:
    """Clips with their texts, and a model that knows such speech."""

    recognizer: CtcRecognizer
    clips: Clips
    references: list[str]

    @cached_property
    def plain_cer(self) -> float:
        """Of the clips as they are."""
        return self.cer(lambda clip: clip)

    def cer(self, disturb: Callable[[NDArray[np.float32]], NDArray[np.float32]], level: Level = "robust") -> float:
        """Of greedy texts of the disturbed clips."""
        clips = [disturb(clip) for clip in self.clips]
        engine = Engine(self.recognizer, read=library_of(clips))
        found = texts(transcribe(engine, names(clips), level=level))
        return float(jiwer.cer(self.references, normalize(pa.array(found, pa.string())).to_pylist()))

    @cached_property
    def joined(self) -> Corpus:
        """All clips as one recording."""
        loudest = [clip / np.abs(clip).max() for clip in self.clips]
        return Corpus(self.recognizer, [np.concatenate(loudest)], [" ".join(self.references)])


def corpus(folder: Path, paths: Sequence[str | Path], references: Sequence[str]) -> Corpus:
    model = AcousticModel.load(folder, device="cpu", precision="float32")
    clips = [soundfile.read(path, dtype="float32")[0] for path in paths]
    return Corpus(CtcRecognizer(model), clips, normalize(pa.array(references)).to_pylist())


@pytest.fixture(scope="module")
def tutorial() -> Corpus:
    """The test clips of the tutorial and the small model, both of which are in the repository."""
    if not bundled.has_model():
        pytest.skip(f"the weights of {bundled.MODEL} are not in this checkout")
    folder = bundled.dataset_folder("librispeech_data")
    with (folder / "librispeech_test.csv").open(encoding="utf-8", newline="") as table:
        rows = list(csv.DictReader(table))
    paths = [folder / Path(row["audio_path"]).name for row in rows]
    return corpus(bundled.MODEL_FOLDER, paths, [row["text"] for row in rows])


@pytest.fixture(scope="module")
def an4_speech(an4_model: Path, an4_test: list[Any]) -> Corpus:
    """Three clips of each of the ten test speakers of an4."""
    rows = [row for speaker in sorted({row.speaker for row in an4_test})
            for row in [row for row in an4_test if row.speaker == speaker][:3]]  # fmt: skip
    return corpus(an4_model, [row.audio_path for row in rows], [row.text for row in rows])


@pytest.mark.parametrize("name", DISTURBANCES)
def test_short_clips_are_transcribed_as_well_as_without(name: str, tutorial: Corpus) -> None:
    assert tutorial.cer(DISTURBANCES[name]) < tutorial.plain_cer + TOLERANCE


@pytest.mark.parametrize("name", ["beep of 1 s before it", "second half at 3 %", "offset that steps to 0.3"])
def test_plain_standardisation_loses_short_clips(name: str, tutorial: Corpus) -> None:
    assert tutorial.cer(DISTURBANCES[name], "exact") > tutorial.plain_cer + 0.3


@pytest.mark.parametrize("name", DISTURBANCES)
def test_short_clips_of_ten_speakers_are_transcribed_as_well_as_without(name: str, an4_speech: Corpus) -> None:
    assert an4_speech.cer(DISTURBANCES[name]) < an4_speech.plain_cer + TOLERANCE


@pytest.mark.parametrize("name", DISTURBANCES)
def test_long_recordings_are_transcribed_as_well_as_without(name: str, tutorial: Corpus) -> None:
    recording = tutorial.joined
    assert len(recording.clips[0]) > 45 * RATE_HZ
    assert recording.cer(DISTURBANCES[name]) < recording.plain_cer + 0.02


@pytest.mark.parametrize("name", ["beep of 1 s after it", "loud first five seconds", "second half at 3 %"])
def test_long_recordings_of_ten_speakers_are_transcribed_as_well_as_without(name: str, an4_speech: Corpus) -> None:
    recording = an4_speech.joined
    assert len(recording.clips[0]) > 45 * RATE_HZ
    assert recording.cer(DISTURBANCES[name]) < recording.plain_cer + 0.02


@pytest.mark.parametrize("name", ["wav2vec2-group", "wav2vec2-layer", "hubert-group"])
def test_neighbours_do_not_change_the_text_of_a_disturbed_clip(
    loaded: Callable[[str], AcousticModel], spoken: Clips, name: str
) -> None:
    clips = [disturb(clip) for clip, disturb in zip(spoken, DISTURBANCES.values(), strict=False)]
    engine = Engine(CtcRecognizer(loaded(name)), read=library_of(clips))
    alone = texts(transcribe(engine, names(clips), max_clips=1))
    assert texts(transcribe(engine, names(clips), max_clips=None)) == alone
    assert texts(transcribe(engine, names(clips)[::-1], max_clips=3)) == alone[::-1]


def test_a_statement_chooses_the_level(con: thano_duckdb.Connection, tutorial: Corpus, tmp_path: Path) -> None:
    plain, disturbed = tutorial.clips[0], DISTURBANCES["beep of 1 s after it"](tutorial.clips[0])
    for name, clip in (("plain", plain), ("disturbed", disturbed)):
        soundfile.write(tmp_path / f"{name}.wav", clip, RATE_HZ, subtype="FLOAT")

    def text(name: str, options: str = "") -> str:
        statement = f"PREDICT USING Wav2Vec2TinyEn OPTIONS (language_model=NULL{options}) AS"
        ((found,),) = (
            con.sql(f"{statement} SELECT '{tmp_path / name}.wav' AS audio_path").project("predicted").fetchall()
        )
        return str(found)

    expected = text("plain")
    assert text("plain", ", level='exact'") == expected
    lost = text("disturbed", ", level='exact'")  # the cache keeps both texts of a clip
    assert jiwer.cer(expected, text("disturbed")) < 0.2 < 0.8 < jiwer.cer(expected, lost or "-")
    with pytest.raises(thano_duckdb.DialectError, match="must be one of 'robust', 'exact', not 'loud'"):
        text("plain", ", level='loud'")
