"""A build, from its rows to a published model that can be found and says where it comes from."""

from __future__ import annotations

import itertools
import math
import random
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import soundfile
import torch
from safetensors.torch import load_file
from transformers import AutoProcessor, Wav2Vec2ForCTC

from tests.speech.oracles import transcribe
from tests.training.kit import NotingMonitor, run_build
from thano_duckdb.errors import AudioError, RegistryError, ThanoError
from thano_duckdb.models.registry import Registry
from thano_duckdb.speech.loading import load_engine
from thano_duckdb.training import trainer as ctc_trainer
from thano_duckdb.training.build import Base, BuildResult, build_model
from thano_duckdb.training.network import CtcNetwork
from thano_duckdb.training.training_options import Example, TrainingOptions

if TYPE_CHECKING:
    from tests.conftest import Utterance


def test_the_published_model_loads_in_plain_transformers_and_gives_the_texts_of_the_engine(
    tmp_path: Path, an4_model: Path, an4_test: list[Utterance]
) -> None:
    rows = [Example(clip.audio_path, clip.text) for clip in an4_test[:6]]
    result = run_build(tmp_path, an4_model, rows, TrainingOptions(epochs=1, batch_size=3))
    assert Registry(tmp_path).find("MODEL") == result.entry

    # from_pretrained's annotation does not know that `output_loading_info` makes it a pair.
    pair: Any = Wav2Vec2ForCTC.from_pretrained(result.entry.path, output_loading_info=True)
    plain, loading = pair
    assert not loading["missing_keys"]
    assert not loading["unexpected_keys"]
    processor = AutoProcessor.from_pretrained(result.entry.path)
    texts = []
    for row in rows:
        samples, rate_hz = soundfile.read(str(row.audio), dtype="float32")
        inputs = processor(samples, sampling_rate=rate_hz, return_tensors="pt")
        with torch.inference_mode():
            text = processor.batch_decode(plain(inputs.input_values).logits.argmax(-1))[0]
        texts.append(" ".join(text.split()))
    engine = load_engine(result.entry.path, device="cpu")
    transcripts = transcribe(engine, [row.audio for row in rows if isinstance(row.audio, str)], max_clips=3)
    assert [each.text for each in transcripts if each] == texts
    assert all(texts)


def test_the_loss_falls_by_half_over_thirty_epochs(tmp_path: Path, small_model: Path, clips: list[Example]) -> None:
    options = TrainingOptions(
        epochs=30, learning_rate=1e-2, freeze_feature_encoder=False, batch_size=3, mask_time_prob=0
    )
    metrics = run_build(tmp_path, small_model, clips, options).metrics
    assert [each.epoch for each in metrics] == list(range(1, 31))
    assert metrics[-1].train_loss < 0.5 * metrics[0].train_loss


def make_loss_nan(monkeypatch: pytest.MonkeyPatch, nan_step: int) -> None:
    """Make the loss of one training step NaN."""
    run, steps = CtcNetwork.run, itertools.count()

    def run_with_nan(self: CtcNetwork, *args: Any) -> Any:
        output = run(self, *args)
        if self.module.training and next(steps) == nan_step:
            output.loss = output.loss * float("nan")
        return output

    monkeypatch.setattr(CtcNetwork, "run", run_with_nan)


def test_a_step_whose_gradient_is_nan_is_skipped_with_a_warning(
    tmp_path: Path, small_model: Path, clips: list[Example], monkeypatch: pytest.MonkeyPatch
) -> None:
    make_loss_nan(monkeypatch, 1)
    monkeypatch.setattr(ctc_trainer, "MAX_SKIPPED_SHARE", 0.5)
    monitor = NotingMonitor()
    result = run_build(tmp_path, small_model, clips, TrainingOptions(epochs=2, batch_size=2), monitor=monitor)
    sentence = monitor.sentences[0]  # a second one may say that so few steps did not make the model better
    assert re.fullmatch(r"1 step was skipped in epoch 1 \(of \d+\), because the gradients were not finite .*", sentence)
    weights = load_file(Path(result.entry.path) / "model.safetensors")
    assert all(weight.isfinite().all() for weight in weights.values())
    assert all(math.isfinite(each.train_loss) for each in result.metrics)


def test_many_steps_whose_gradients_are_nan_stop_the_build(
    tmp_path: Path, small_model: Path, clips: list[Example], monkeypatch: pytest.MonkeyPatch
) -> None:
    make_loss_nan(monkeypatch, 1)
    with pytest.raises(ThanoError, match=r"diverged in epoch 1.*smaller learning_rate"):
        run_build(tmp_path, small_model, clips, TrainingOptions(epochs=2, batch_size=2))
    assert Registry(tmp_path).find("model") is None


def test_rows_in_any_order_and_any_random_state_give_the_same_model(
    tmp_path: Path, small_model: Path, clips: list[Example]
) -> None:
    options = TrainingOptions(epochs=2, validation_split=0.3, seed=7, batch_size=2)
    first = run_build(tmp_path / "a", small_model, clips, options)
    torch.manual_seed(99)
    second = run_build(tmp_path / "b", small_model, clips[::-1], options)
    assert _curve(first) == pytest.approx(_curve(second), rel=1e-5)
    other = run_build(tmp_path / "c", small_model, clips, TrainingOptions(epochs=2, validation_split=0.3, seed=8))
    assert _curve(first) != pytest.approx(_curve(other), rel=1e-5)


def test_a_build_does_not_disturb_the_random_state_of_the_process(
    tmp_path: Path, small_model: Path, clips: list[Example]
) -> None:
    def numbers() -> list[float]:
        return [random.random(), float(np.random.random()), float(torch.rand(()))]

    random.seed(5), np.random.seed(5), torch.manual_seed(5)
    expected = numbers()
    random.seed(5), np.random.seed(5), torch.manual_seed(5)
    run_build(tmp_path, small_model, clips, TrainingOptions(epochs=1))
    assert numbers() == expected


def test_held_out_rows_are_evaluated_after_each_epoch(tmp_path: Path, small_model: Path, clips: list[Example]) -> None:
    monitor = NotingMonitor()
    result = run_build(tmp_path, small_model, clips, TrainingOptions(epochs=2, validation_split=0.5), monitor=monitor)
    assert monitor.epochs == list(result.metrics)
    for each in result.metrics:
        assert each.eval_loss is not None
        assert each.eval_loss > 0
        assert each.wer is not None
        assert each.cer is not None
    rows = result.entry.lineage["rows"]
    assert (rows["train"], rows["validation"]) == (3, 3)


def test_gradient_accumulation_changes_neither_the_rows_nor_the_loss(
    tmp_path: Path, small_model: Path, clips: list[Example]
) -> None:
    monitor = NotingMonitor()
    options = TrainingOptions(epochs=1, batch_size=1, gradient_accumulation=4, learning_rate=1e-4)
    metrics = run_build(tmp_path, small_model, clips, options, monitor=monitor).metrics
    plain = run_build(tmp_path / "plain", small_model, clips, TrainingOptions(epochs=1, batch_size=1)).metrics
    assert metrics[0].audio_hours == plain[0].audio_hours
    # At such a low learning rate the weights hardly move: the loss must not depend on how rows are grouped into steps.
    assert metrics[0].train_loss == pytest.approx(plain[0].train_loss, rel=0.02)


def test_from_scratch_needs_no_weights_and_takes_its_architecture_from_the_base(
    tmp_path: Path, clips: list[Example]
) -> None:
    options = TrainingOptions(epochs=1, from_scratch=True, batch_size=6)
    entry = build_model("tiny", Base("Wav2Vec2TinyEn", None), options, clips, Registry(tmp_path), NotingMonitor()).entry
    config = Wav2Vec2ForCTC.from_pretrained(entry.path).config
    assert (config.hidden_size, config.num_hidden_layers, config.vocab_size) == (256, 10, 32)
    assert entry.base == "Wav2Vec2TinyEn"


def test_lineage_says_how_the_model_was_made(tmp_path: Path, small_model: Path, clips: list[Example]) -> None:
    result = build_model(
        "model",
        Base("small", small_model),
        TrainingOptions(epochs=1, seed=3),
        clips,
        Registry(tmp_path),
        NotingMonitor(),
        sql="BUILD MODEL model",
    )
    found = Registry(tmp_path).find("model")
    assert found is not None
    assert found.kind == "built"
    assert found.base == "small"
    lineage = found.lineage
    assert lineage["sql"] == "BUILD MODEL model"
    assert lineage["options"]["seed"] == 3
    assert lineage["metrics"][0]["train_loss"] == result.metrics[0].train_loss
    assert lineage["libraries"]["torch"] == torch.__version__.split("+")[0]
    assert lineage["rows"]["train"] == len(clips)


def test_a_built_model_can_be_trained_further_as_a_new_version(
    tmp_path: Path, small_model: Path, clips: list[Example]
) -> None:
    first = run_build(tmp_path, small_model, clips, TrainingOptions(epochs=1)).entry
    options = TrainingOptions(epochs=1, overwrite=True)
    second = build_model(
        "model", Base("model@1", first.path), options, clips, Registry(tmp_path), NotingMonitor()
    ).entry
    assert (first.version, second.version, second.base) == (1, 2, "model@1")


def test_a_name_that_is_taken_is_refused_before_any_clip_is_read(
    tmp_path: Path, small_model: Path, clips: list[Example]
) -> None:
    run_build(tmp_path, small_model, clips, TrainingOptions(epochs=1))
    with pytest.raises(RegistryError, match="overwrite=True"):
        run_build(tmp_path, small_model, [Example("nowhere.wav", "YES")], TrainingOptions(epochs=1))


def test_unusable_rows_are_skipped_and_counted_in_one_warning(
    tmp_path: Path, small_model: Path, clips: list[Example]
) -> None:
    bad = [
        Example(None, "YES"),
        Example(clips[0].audio, None),
        Example(clips[1].audio, "   "),
        Example(str(tmp_path / "missing.wav"), "NO"),
        Example(b"not a sound", "NO"),
        Example(clips[0].audio, "A" * 20),  # 0.6 s are 29 frames; 20 equal labels need 19 blanks between them: 39
    ]
    monitor = NotingMonitor()
    metrics = run_build(tmp_path, small_model, [*clips, *bad], TrainingOptions(epochs=1), monitor=monitor).metrics
    assert metrics[0].skipped == len(bad)
    (sentence,) = monitor.sentences
    assert sentence.startswith("6 rows were skipped in training (")


def test_a_clip_with_exactly_as_many_frames_as_its_text_needs_is_used(
    tmp_path: Path, small_model: Path, clips: list[Example]
) -> None:
    rows = [Example(clips[0].audio, "A" * 15)]  # 15 labels and 14 blanks
    assert run_build(tmp_path, small_model, rows, TrainingOptions(epochs=1)).metrics[0].skipped == 0
    with pytest.raises(ThanoError, match="29 frames, but the text needs at least 31"):
        run_build(tmp_path, small_model, [Example(clips[0].audio, "A" * 16)], TrainingOptions(epochs=1), name="other")


def test_a_build_without_any_usable_row_fails_before_training(tmp_path: Path, small_model: Path) -> None:
    with pytest.raises(ThanoError, match=r"returns no rows to train on$"):
        run_build(tmp_path, small_model, [], TrainingOptions(epochs=1))
    with pytest.raises(ThanoError, match=r"the only row of the query cannot be used for training \(nowhere.wav"):
        run_build(tmp_path, small_model, [Example("nowhere.wav", "YES")], TrainingOptions(epochs=1))
    assert Registry(tmp_path).entries(report_damaged=pytest.fail) == []


def test_on_error_fail_stops_at_the_first_unreadable_clip(
    tmp_path: Path, small_model: Path, clips: list[Example]
) -> None:
    with pytest.raises(AudioError, match=r"nowhere\.wav"):
        run_build(
            tmp_path, small_model, [*clips, Example("nowhere.wav", "YES")], TrainingOptions(epochs=1, on_error="fail")
        )


def test_a_training_that_diverges_fails_and_publishes_nothing(
    tmp_path: Path, small_model: Path, clips: list[Example]
) -> None:
    options = TrainingOptions(epochs=3, learning_rate=1e30, warmup_ratio=0, freeze_feature_encoder=False)
    with pytest.raises(ThanoError, match="smaller learning_rate"):
        run_build(tmp_path, small_model, clips, options)
    assert Registry(tmp_path).entries(report_damaged=pytest.fail) == []


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("epochs", 0),
        ("batch_size", 0),
        ("learning_rate", 0.0),
        ("learning_rate", float("nan")),
        ("warmup_ratio", 1.1),
        ("validation_split", 1.0),
        ("seed", -1),
        ("mask_time_prob", -0.1),
        ("gradient_accumulation", 0),
        ("on_error", "ignore"),
        ("precision", "int8"),
        ("device", "cuda:1"),
    ],
)
def test_an_option_out_of_range_is_named(name: str, value: object) -> None:
    with pytest.raises(ThanoError, match=f"The option '{name}' must be "):
        TrainingOptions(**{name: value})  # type: ignore[arg-type]


def _curve(result: BuildResult) -> list[float | None]:
    return [value for each in result.metrics for value in (each.train_loss, each.eval_loss)]
