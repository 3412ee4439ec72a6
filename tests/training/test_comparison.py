"""A new model is compared with its base on the same rows."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import TYPE_CHECKING

import jiwer
import pytest

from tests.speech.oracles import transcribe
from tests.training.kit import NotingMonitor, run_build
from thano_duckdb.errors import Cancelled
from thano_duckdb.models.registry import Registry
from thano_duckdb.speech.loading import load_engine
from thano_duckdb.training.build import Base, build_model
from thano_duckdb.training.comparison import Comparison, Evaluation
from thano_duckdb.training.training_options import Example, TrainingOptions

if TYPE_CHECKING:
    from tests.conftest import Utterance


def wer_of(model: Path, rows: list[Example]) -> float:
    """By the engine, as PREDICT computes it, and jiwer."""
    transcripts = transcribe(
        load_engine(model, device="cpu"), [row.audio for row in rows if isinstance(row.audio, str)], max_clips=4
    )
    return jiwer.wer([str(row.text) for row in rows], [(each.text if each else None) or "" for each in transcripts])


@pytest.mark.parametrize("share", [0.0, 0.3])
def test_both_models_get_the_figures_that_predict_gives_on_the_same_rows(
    tmp_path: Path, an4_model: Path, an4_test: list[Utterance], share: float
) -> None:
    rows = [Example(clip.audio_path, clip.text) for clip in an4_test[40:52]]
    monitor = Evaluations()
    options = TrainingOptions(epochs=2, validation_split=share, learning_rate=1e-4, keep="last", seed=4)
    result = run_build(tmp_path, an4_model, rows, options, monitor=monitor)
    comparison = result.comparison
    assert comparison is not None
    assert comparison.is_held_out == (share > 0)
    assert comparison.n_clips == (4 if share else 12)
    assert monitor.started == [("the base", comparison.n_clips)] + ([] if share else [("the new model", 12)])
    assert monitor.n_evaluated == sum(n_clips for _, n_clips in monitor.started)
    if not share:
        assert comparison.base.wer == wer_of(an4_model, rows)
        assert comparison.model.wer == wer_of(result.entry.path, rows)
    else:
        last = result.metrics[-1]
        assert (comparison.model.loss, comparison.model.wer) == (last.eval_loss, last.wer)
    assert result.entry.lineage["comparison"] == {**dataclasses.asdict(comparison), "is_better": comparison.is_better}
    assert result.entry.description.endswith(f": {comparison.describe()}")


class Evaluations(NotingMonitor):
    def __init__(self) -> None:
        super().__init__()
        self.started: list[tuple[str, int]] = []
        self.n_evaluated = 0

    def evaluation_started(self, what: str, n_clips: int) -> None:
        self.started.append((what, n_clips))

    def clips_done(self, n_clips: int, audio_s: float) -> None:
        if self.started:
            self.n_evaluated += n_clips


@pytest.mark.parametrize("share", [0.0, 0.3])
def test_a_learning_rate_that_wrecks_the_model_is_reported(
    tmp_path: Path, an4_model: Path, an4_test: list[Utterance], share: float
) -> None:
    rows = [Example(clip.audio_path, clip.text) for clip in an4_test[:8]]
    monitor = NotingMonitor()
    options = TrainingOptions(epochs=1, learning_rate=10, validation_split=share)
    result = run_build(tmp_path, an4_model, rows, options, monitor=monitor)
    (sentence,) = monitor.sentences
    assert sentence.startswith("the new model is not better than its base (WER ")
    assert sentence.endswith("; a smaller learning_rate is the likely cure (it was 10)")
    assert result.entry.lineage["notes"] == [sentence]
    assert not result.entry.lineage["comparison"]["is_better"]


def test_a_model_from_scratch_has_no_base_to_compare_with(tmp_path: Path, clips: list[Example]) -> None:
    monitor = Evaluations()
    options = TrainingOptions(epochs=1, from_scratch=True, batch_size=6)
    result = build_model("tiny", Base("Wav2Vec2TinyEn", None), options, clips, Registry(tmp_path), monitor)
    assert result.comparison is None
    assert result.entry.lineage["comparison"] is None
    assert (monitor.started, monitor.sentences) == ([], [])


def test_a_learning_rate_that_wrecks_a_model_from_scratch_is_reported(tmp_path: Path, clips: list[Example]) -> None:
    monitor = NotingMonitor()
    options = TrainingOptions(epochs=2, from_scratch=True, batch_size=2, learning_rate=1, warmup_ratio=0)
    result = build_model("tiny", Base("Wav2Vec2TinyEn", None), options, clips, Registry(tmp_path), monitor)
    (sentence,) = monitor.sentences
    assert sentence.startswith("the new model has learnt nothing: its loss is ")
    assert sentence.endswith("a smaller learning_rate is the likely cure (it was 1)")
    assert result.entry.lineage["notes"] == [sentence]


def test_the_evaluation_of_the_base_can_be_interrupted(tmp_path: Path, small_model: Path, clips: list[Example]) -> None:
    class Impatient(Evaluations):
        def raise_if_cancelled(self) -> None:
            if self.started:
                raise Cancelled

    with pytest.raises(Cancelled, match="before the first epoch was finished"):
        run_build(tmp_path, small_model, clips, TrainingOptions(epochs=1), monitor=Impatient())


def test_the_figures_are_described_and_the_likely_cure_is_named() -> None:
    base, worse = Evaluation(0.5, 0.25, 0.125), Evaluation(0.4, 0.3, None)
    held_out = Comparison(True, 20, base, worse)
    assert held_out.describe() == "WER 0.250 -> 0.300, CER 0.125 -> - on 20 clips that were held out"
    assert "more rows are the likely cure" in str(held_out.warning(1e-4))
    sample = Comparison(False, 1, base, dataclasses.replace(base, loss=0.5))
    assert sample.describe() == "WER 0.250 -> 0.250, CER 0.125 -> 0.125 on 1 clip of the training"
    assert "a smaller learning_rate" in str(sample.warning(1e-4))
    assert "more epochs or a larger learning_rate" in str(Comparison(False, 1, base, worse).warning(1e-4))
    assert Comparison(True, 20, base, dataclasses.replace(base, cer=0.1)).warning(1e-4) is None
    assert Comparison(True, 20, base, Evaluation(float("nan"), 0.25, 0.125)).warning(1e-4) is not None
