"""BUILD MODEL on a GPU: it learns in bfloat16, and continues where it was stopped."""

from __future__ import annotations

from pathlib import Path

import pytest

import thano_duckdb
from tests.training.kit import NotingMonitor, run_build, write_clips, write_model
from thano_duckdb.errors import Cancelled
from thano_duckdb.training.training_options import TrainingOptions


@pytest.mark.parametrize("precision", ["bfloat16", "float32", "float16"])
def test_a_model_built_on_the_gpu_has_learnt(speech: thano_duckdb.Connection, precision: str) -> None:
    epochs = speech.execute(
        "BUILD MODEL on_gpu USING Wav2Vec2TinyEn OPTIONS (epochs=6, batch_size=16, learning_rate=3e-4, "
        f"device='cuda', precision='{precision}') AS SELECT audio_path, text FROM clips WHERE NOT is_test"
    ).fetchnumpy()
    assert epochs["train_loss"][-1] < 0.7 * epochs["train_loss"][0]
    wer = {
        model: dict(
            speech.execute(f"EVALUATE USING {model} OPTIONS (device='cuda') AS FROM clips WHERE NOT is_test").fetchall()
        )["wer"]
        for model in ("Wav2Vec2TinyEn", "on_gpu")
    }
    assert wer["on_gpu"] < wer["Wav2Vec2TinyEn"]


def test_an_interrupted_build_continues_where_it_stopped(tmp_path: Path) -> None:
    model, clips = write_model(tmp_path / "small"), write_clips(tmp_path / "clips")
    options = TrainingOptions(
        epochs=4, batch_size=2, learning_rate=3e-3, device="cuda", freeze_feature_encoder=False, augment=True
    )
    whole = NotingMonitor()
    run_build(tmp_path / "whole", model, clips, options, monitor=whole)
    with pytest.raises(Cancelled, match="after epoch 2 of 4"):
        run_build(tmp_path / "parts", model, clips, options, monitor=NotingMonitor(stop_after=2))
    rest = NotingMonitor()
    run_build(tmp_path / "parts", model, clips, options, monitor=rest)
    assert [each.epoch for each in rest.epochs] == [3, 4]
    for found, expected in zip(rest.epochs, whole.epochs[2:], strict=True):
        assert found.train_loss == pytest.approx(expected.train_loss, rel=0.02)
