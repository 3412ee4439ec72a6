"""Lower precision hardly changes the word error rate, and a clip stays independent of the rest of its batch."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import jiwer
import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import nn

import thano_duckdb
from tests.conftest import Utterance
from thano_duckdb.monitoring.monitor import SilentMonitor
from thano_duckdb.speech.recognizer.acoustic_model import AcousticModel
from thano_duckdb.speech.recognizer.int8 import Int8Linear, Int8Product

MAX_WER_RISE = {"bfloat16": 0.0014, "int8": 0.003}
"""One word of an4's test set is 0.0013. Near ties depend on the processor, and may go either way: 11,000 words of other
speech say more (docs/speed.md)."""


@pytest.mark.parametrize("precision", MAX_WER_RISE)
def test_word_error_rate_is_about_that_of_float32(
    an4_con: thano_duckdb.Connection, an4_model: Path, an4_test: list[Utterance], precision: str
) -> None:
    references = [clip.text for clip in an4_test]
    hypotheses = []
    for name in ("float32", precision):
        predict = f"PREDICT USING '{an4_model}' OPTIONS (precision='{name}') AS FROM an4"
        rows = an4_con.execute(f"SELECT predicted FROM ({predict}) ORDER BY id").fetchall()
        hypotheses.append([row[0] for row in rows])
    exact, coarse = (jiwer.wer(references, texts) for texts in hypotheses)
    assert coarse - exact <= MAX_WER_RISE[precision]
    n_changed = sum(map(str.__ne__, *hypotheses))
    assert 0 < n_changed < len(references) / 8  # a different computation, but nearly always the same text


@pytest.mark.parametrize("n_rows", [1, 7])
@pytest.mark.parametrize("has_bias", [True, False])
def test_an_8_bit_layer_is_within_one_percent_of_the_exact_one(n_rows: int, has_bias: bool) -> None:
    torch.manual_seed(0)
    linear = nn.Linear(96, 80, bias=has_bias)
    hidden = torch.randn(2, n_rows, 96) * torch.logspace(-3, 3, n_rows)[:, None]  # rows of very different magnitude
    with torch.inference_mode():
        exact, coarse = linear(hidden), Int8Linear(linear)(hidden)
    assert coarse.shape == exact.shape
    assert ((coarse - exact).norm(dim=-1) <= 0.01 * (exact.norm(dim=-1) + 1)).all()


def test_zero_rows_and_zero_weights_give_zero() -> None:
    product = Int8Product(torch.zeros(64, 8))
    assert product(torch.ones(3, 64), None).abs().max() == 0
    assert Int8Product(torch.ones(64, 8))(torch.zeros(3, 64), None).abs().max() == 0


def test_in_8_bits_the_output_for_a_clip_does_not_depend_on_its_batch_either(
    an4_model: Path, spoken: list[NDArray[np.float32]]
) -> None:
    model = AcousticModel.load(an4_model, device="cpu", precision="int8")
    assert any(isinstance(module, Int8Product) for module in model.network.modules())
    clips = [model.features(clip) for clip in spoken]
    together = model.forward(clips, SilentMonitor())
    alone = [model.forward([clip], SilentMonitor())[0] for clip in clips]
    # Where rounding moves a value across the midpoint of two integers, it is off by one: at most a few frames change.
    differ = np.concatenate([found.ids != one.ids for found, one in zip(together, alone, strict=True)])
    assert differ.mean() < 0.005
    for found, one in zip(together, alone, strict=True):
        np.testing.assert_allclose(found.log_probs, one.log_probs, atol=0.05)


@pytest.mark.parametrize("name", ["wavlm-group", "data2vec", "conformer-relative", "sew", "sew-d"])
def test_every_architecture_runs_in_8_bits(
    random_model: Callable[[str], Path], noises: list[NDArray[np.float32]], monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.setattr("thano_duckdb.speech.recognizer.int8.MIN_FEATURES", 16)
    exact = AcousticModel.load(random_model(name), device="cpu", precision="float32")
    coarse = AcousticModel.load(random_model(name), device="cpu", precision="int8")
    clip = exact.features(noises[3])
    ((one,), (other,)) = (model.forward([clip], SilentMonitor()) for model in (exact, coarse))
    assert (one.ids == other.ids).mean() > 0.7
    assert not np.array_equal(one.log_probs, other.log_probs)
