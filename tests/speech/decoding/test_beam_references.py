"""On real clips the beam search gives the texts of the library by itself, and of pyctcdecode where it is installed."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from thano_duckdb.audio.decode import Waveform, decode
from thano_duckdb.audio.source import Clip
from thano_duckdb.language.language_model import LanguageModel
from thano_duckdb.models import bundled
from thano_duckdb.monitoring.monitor import SilentMonitor
from thano_duckdb.speech.decoding import beam_library
from thano_duckdb.speech.decoding.beam import LM_WEIGHT, WORD_SCORE, BeamDecoder
from thano_duckdb.speech.decoding.beam_columns import BeamColumns
from thano_duckdb.speech.decoding.decoder import FrameScores
from thano_duckdb.speech.decoding.vocabulary import Vocabulary
from thano_duckdb.speech.recognizer.acoustic_model import AcousticModel

from .beam_oracle import Bigrams

pytestmark = [
    pytest.mark.skipif(bool(beam_library.problem()), reason=str(beam_library.problem())),
    pytest.mark.skipif(not bundled.has_model(), reason="this copy of the package has no small model"),
]
N_CLIPS = 10
HOTWORDS = ("LAMP", "BREAK", "UNDER", "BRIDGE")
SETTINGS: dict[str, Any] = {
    "beam_width": 100,
    "beam_prune_logp": beam_library.PRUNE_LOG_PROB,
    "token_min_logp": beam_library.MIN_LABEL_LOG_PROB,
    "prune_history": False,
}


@pytest.fixture(scope="module")
def clips() -> tuple[list[FrameScores], Vocabulary, int, list[str]]:
    folder = bundled.dataset_folder("librispeech_data")
    with (folder / "librispeech_test.csv").open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))[:N_CLIPS]
    model = AcousticModel.load(bundled.MODEL_FOLDER, device="cpu", precision="float32")
    scores = []
    for row in rows:
        waveform = decode(Clip.of(str(folder / Path(row["audio_path"]).name)))
        assert isinstance(waveform, Waveform)
        features = model.features(waveform.samples)
        scores += model.forward([features], SilentMonitor(), labels_per_frame=None)
    return scores, model.vocabulary, model.grid.stride, [row["text"] for row in rows]


@pytest.fixture(scope="module")
def language_model(clips: Any, tmp_path_factory: pytest.TempPathFactory) -> LanguageModel:
    words = tuple(sorted({word.strip(".,").upper() for text in clips[3] for word in text.split()}))
    path = tmp_path_factory.mktemp("language") / "tutorial.arpa"
    return Bigrams(words, np.random.default_rng(0), lm_weight=0.7, word_score=2.0).open(path)


def ours(clips: Any, **options: Any) -> list[str]:
    scores, vocabulary, stride, _texts = clips
    decoder = BeamDecoder(**options)
    best = [FrameScores(each.ids[:, :8], each.log_probs[:, :8]) for each in scores]
    return [found.text for found in decoder.decode(best, vocabulary, stride=stride)]


def all_log_probs(clips: Any) -> tuple[list[str], list[NDArray[np.float32]]]:
    """The labels as the references want them, and the scores of all of them, without our columns."""
    scores, vocabulary, _stride, _texts = clips
    written = [index for index, token in enumerate(vocabulary.tokens) if token is not None]
    labels = ["", *(" " if index in vocabulary.delimiter_ids else vocabulary.tokens[index] for index in written)]
    matrices = []
    for each in scores:
        by_label = np.take_along_axis(each.log_probs, np.argsort(each.ids, axis=1), axis=1)
        blank = np.logaddexp.reduce(np.delete(by_label, written, axis=1), axis=1)
        matrices.append(np.column_stack([blank, by_label[:, written]]).astype(np.float32))
    return labels, matrices


@pytest.mark.parametrize("hotwords", [(), HOTWORDS])
def test_without_a_language_model_the_texts_are_the_library_s_own(clips: Any, hotwords: tuple[str, ...]) -> None:
    import ctc_beam_decoder

    labels, matrices = all_log_probs(clips)
    reference = ctc_beam_decoder.build_ctcdecoder(labels)
    expected = [
        reference.decode_beams(each, **SETTINGS, hotwords=list(hotwords), hotword_weight=6.0)[0][0] for each in matrices
    ]
    assert ours(clips, hotwords=hotwords) == expected


@pytest.mark.parametrize("hotwords", [(), HOTWORDS])
def test_with_a_language_model_the_texts_are_those_of_pyctcdecode(
    clips: Any, language_model: LanguageModel, hotwords: tuple[str, ...]
) -> None:
    """`pip install --no-deps --target FOLDER pyctcdecode pygtrie kenlm-ex`, and FOLDER in PYTHONPATH.

    It too is made to write the end of the sentence: else it takes a text that ends in a space for one with another,
    unknown, word.
    """
    pyctcdecode = pytest.importorskip("pyctcdecode")
    labels, matrices = all_log_probs(clips)
    reference = pyctcdecode.build_ctcdecoder(
        [*labels, "</s>"],
        str(language_model.path),
        [*(language_model.unigrams() or ()), "</s>"],
        alpha=LM_WEIGHT,
        beta=WORD_SCORE,
    )
    expected = []
    for each in matrices:
        ended = np.pad(each, ((0, 2), (0, 1)), constant_values=-34.5)
        ended[-2, labels.index(" ")] = ended[-1, -1] = 0.0
        found = reference.decode_beams(ended, **SETTINGS, hotwords=list(hotwords), hotword_weight=6.0)
        expected.append(found[0][0].removesuffix("</s>").strip())
    assert ours(clips, language_model=language_model, hotwords=hotwords) == expected


def test_the_texts_hardly_change_with_fewer_labels_of_a_frame(clips: Any, language_model: LanguageModel) -> None:
    scores, vocabulary, stride, _texts = clips
    everything = BeamDecoder(language_model).decode(scores, vocabulary, stride=stride)
    assert ours(clips, language_model=language_model) == [found.text for found in everything]


def test_labels_in_small_letters_give_the_same_texts_in_small_letters(
    clips: Any, language_model: LanguageModel
) -> None:
    scores, vocabulary, stride, _texts = clips
    tokens = tuple(token and token.lower() for token in vocabulary.tokens)
    small = Vocabulary(tokens, vocabulary.delimiter_ids, " ", vocabulary.blank_id)
    assert BeamColumns(small, language_model.is_upper_case).labels == BeamColumns(vocabulary).labels
    found = BeamDecoder(language_model).decode(scores, small, stride=stride)
    assert [each.text.upper() for each in found] == ours(clips, language_model=language_model)
    assert all(each.text == each.text.lower() for each in found)
