"""A beep, a click, an offset or a loud passage does not change the rest; ordinary speech stays as it is."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pytest
import soundfile
from numpy.typing import NDArray

from benchmarks.disturbances import DISTURBANCES, RATE_HZ, from_second_half, quiet, tone
from tests.conftest import SHARED, utterances
from thano_duckdb.models import bundled
from thano_duckdb.speech.recognizer.features import FirstConvolution, features, standardize
from thano_duckdb.speech.recognizer.frame_statistics import FRAME, FrameStatistics
from thano_duckdb.speech.recognizer.level import EvenClip, even_level
from thano_duckdb.speech.recognizer.passages import find_passages

Samples = NDArray[np.float32]
TUTORIAL = bundled.dataset_folder("librispeech_data")


def read(path: str | Path) -> Samples:
    return np.asarray(soundfile.read(path, dtype="float32")[0], np.float32)


def even(samples: Samples) -> EvenClip | None:
    return even_level(samples, FrameStatistics.of(samples))


@pytest.fixture(scope="module")
def tutorial() -> list[Samples]:
    """The clips of the tutorial, which ship with the package."""
    return [read(path) for path in sorted(TUTORIAL.glob("*.flac"))]


def test_the_tutorials_speech_stays_as_it_is(tutorial: list[Samples]) -> None:
    assert len(tutorial) == 100
    assert [index for index, clip in enumerate(tutorial) if even(clip) is not None] == []


@pytest.mark.parametrize("corpus", ["an4", "kathleen_arctic", "ljspeech_part1"])
def test_ordinary_speech_stays_as_it_is(corpus: str) -> None:
    folder = SHARED / "data" / corpus
    if not folder.exists():
        pytest.skip(f"the shared folder ../shared/data/{corpus} is not on this machine")
    if corpus == "an4":
        paths = [Path(utterance.audio_path) for utterance in utterances(folder, "test")]
    else:
        with (folder / "manifest.csv").open(encoding="utf-8", newline="") as manifest:
            paths = [folder / row["audio_path"] for row in csv.DictReader(manifest)]
        paths = [path for path in paths if path.suffix == ".flac"][:150]
    assert len(paths) > 100
    for path in paths:
        clip = read(path)
        robust = features(clip, normalize=True, convolution=None)
        np.testing.assert_array_equal(robust.samples, standardize(clip), strict=True)


def undisturbed_part(name: str, clip: Samples) -> slice:
    """Where the disturbed clip holds the speech."""
    return slice(len(DISTURBANCES[name](clip)) - len(clip), None) if name.endswith("before it") else slice(len(clip))


@pytest.mark.parametrize("name", DISTURBANCES)
def test_the_speech_beside_a_disturbance_keeps_its_level(name: str, tutorial: list[Samples]) -> None:
    differences_db = []
    for clip in tutorial[::4]:
        part = undisturbed_part(name, clip)
        disturbed = DISTURBANCES[name](clip)
        found = FrameStatistics.of(features(disturbed, normalize=True, convolution=None).samples[part]).levels_db
        plain = FrameStatistics.of(standardize(clip)).levels_db
        is_loud = plain > plain.max() - 30
        differences_db.append(found[is_loud] - plain[is_loud])
        if name.startswith(("beep", "hold")):
            exact = FrameStatistics.of(standardize(disturbed)[part]).levels_db
            assert np.median(np.abs(exact - plain)[is_loud]) > 15  # so that there is something to correct
    differences = np.concatenate(differences_db)
    assert np.abs(np.median(differences)) < 2.0
    assert np.quantile(np.abs(differences), 0.9) < 5.0


def test_a_beep_hardly_counts_and_is_hardly_heard(tutorial: list[Samples]) -> None:
    clip = tutorial[3]
    found = even(np.concatenate([quiet(clip), tone(1, 1000)]))
    assert found is not None
    assert found.n_muted == pytest.approx(RATE_HZ, abs=2 * FRAME)
    beep, speech = found.samples[len(clip) + FRAME :], found.samples[: len(clip)]
    assert np.abs(beep).max() < 0.05 * np.abs(speech).max()
    np.testing.assert_array_equal(speech[: len(clip) // 2], quiet(clip)[: len(clip) // 2])


def test_a_passage_of_another_level_ends_where_it_does(tutorial: list[Samples]) -> None:
    n_wrong_frames = []
    for clip in tutorial[::2]:
        found = even(from_second_half(clip, 0.03))
        assert found is not None
        plain_db = FrameStatistics.of(clip).levels_db
        gain_db = FrameStatistics.of(found.samples).levels_db - plain_db
        is_second = np.arange(len(plain_db)) >= len(plain_db) / 2
        expected_db = np.where(is_second, np.median(gain_db[is_second]), np.median(gain_db[~is_second]))
        is_wrong = np.abs(gain_db - expected_db) > 6
        n_wrong_frames.append(int((is_wrong & (plain_db > plain_db.max() - 30)).sum()))
    assert np.median(n_wrong_frames) == 0
    assert np.quantile(n_wrong_frames, 0.9) < 10


def test_a_level_that_fades_slowly_is_raised(tutorial: list[Samples]) -> None:
    speech = np.concatenate(tutorial)  # four minutes
    faded = speech * np.geomspace(1, 0.01, len(speech)).astype(np.float32)
    found = even(faded)
    assert found is not None
    n_end = 20 * RATE_HZ
    assert np.std(faded[-n_end:]) < 0.02 * np.std(faded[:n_end])
    assert np.std(found.samples[-n_end:]) > 0.1 * np.std(found.samples[:n_end])


def test_breath_between_sentences_is_no_passage() -> None:
    random = np.random.default_rng(2)
    speech = -25 + 6 * random.standard_normal(300)
    breath = -50 + 4 * random.standard_normal(40)
    quiet_speech = -50 + 6 * random.standard_normal(60)
    assert len(find_passages(np.concatenate([speech, breath, speech]))) == 1
    passages = find_passages(np.concatenate([speech, quiet_speech, speech]))
    assert [(passage.first, passage.n_frames) for passage in passages] == [(0, 300), (300, 60), (360, 300)]
    assert [round(passage.level_db, -1) for passage in passages] == [-20, -50, -20]


@pytest.mark.parametrize(
    "samples",
    [np.zeros(400, np.float32), np.zeros(50_000, np.float32), tone(2, 440), np.full(9_000, 0.5, np.float32)],
    ids=["short silence", "silence", "a tone alone", "an offset alone"],
)
def test_what_holds_no_speech_stays_as_it_is(samples: Samples) -> None:
    assert even(samples) is None


@pytest.mark.parametrize("n_samples", [1, 319, 320, 321, 1_000, 4_161])
def test_noise_of_any_length_is_processed(n_samples: int) -> None:
    random = np.random.default_rng(n_samples)
    samples = (0.01 * random.standard_normal(n_samples)).astype(np.float32)
    samples[n_samples // 2 :] *= 50
    found = features(samples, normalize=True, convolution=FirstConvolution(1, 1) if n_samples > 400 else None)
    assert found.samples.shape == samples.shape
    assert np.isfinite(found.samples).all()


def test_the_original_samples_stay_as_they_are(tutorial: list[Samples]) -> None:
    disturbed = DISTURBANCES["second half at 3 %"](tutorial[0])
    copy = disturbed.copy()
    disturbed.flags.writeable = False
    assert even(disturbed) is not None
    np.testing.assert_array_equal(disturbed, copy)


def test_models_that_take_samples_as_they_are_get_an_even_level_but_the_level_of_the_speech(
    tutorial: list[Samples],
) -> None:
    clip = quiet(tutorial[5])
    found = features(np.concatenate([tone(1, 1000), clip]), normalize=False, convolution=None).samples
    np.testing.assert_array_equal(found[-len(clip) // 2 :], clip[-len(clip) // 2 :])
    halves = features(from_second_half(tutorial[5], 0.03), normalize=False, convolution=None).samples
    assert np.std(halves) == pytest.approx(np.std(tutorial[5]), rel=0.5)
    shifted = features(clip + np.float32(0.5), normalize=False, convolution=None).samples
    np.testing.assert_allclose(shifted, clip - clip.mean(), atol=1e-6)
    np.testing.assert_array_equal(features(clip, normalize=False, convolution=None).samples, clip)


def test_a_hold_tone_does_not_change_the_moments_of_the_speech(tutorial: list[Samples]) -> None:
    clip, convolution = quiet(tutorial[5]), FirstConvolution(10, 5)
    plain = features(clip, normalize=True, convolution=convolution).moments
    found = features(np.concatenate([tone(10, 440), clip]), normalize=True, convolution=convolution).moments
    assert plain is not None
    assert found is not None
    np.testing.assert_allclose(found.covariance, plain.covariance, atol=0.05)


def test_exact_is_plain_standardisation(tutorial: list[Samples]) -> None:
    disturbed = DISTURBANCES["beep of 1 s after it"](tutorial[0])
    exact = features(disturbed, normalize=True, convolution=None, level="exact").samples
    np.testing.assert_array_equal(exact, standardize(disturbed))
    by_hand = (disturbed - disturbed.mean(dtype=np.float64)) / disturbed.std(dtype=np.float64)
    np.testing.assert_allclose(exact, by_hand, rtol=1e-4, atol=1e-5)
