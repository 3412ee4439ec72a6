"""Products by oneDNN are those of torch, and the networks of every architecture stay the same."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import nn
from torch.nn import functional

from thano_duckdb.monitoring.monitor import SilentMonitor
from thano_duckdb.speech import processor
from thano_duckdb.speech.recognizer import acoustic_model, packed_products
from thano_duckdb.speech.recognizer.acoustic_model import AcousticModel
from thano_duckdb.speech.recognizer.feature_encoder import Product
from thano_duckdb.speech.recognizer.packed_products import PackedLinear, PackedProduct, can_pack_products

pytestmark = pytest.mark.skipif(not can_pack_products(), reason="torch has no oneDNN on this processor")


@pytest.mark.parametrize("n_rows", [1, 300])
@pytest.mark.parametrize("has_bias", [True, False])
@pytest.mark.parametrize("gelu", [True, False])
def test_a_packed_layer_computes_what_the_layer_computes(n_rows: int, has_bias: bool, gelu: bool) -> None:
    torch.manual_seed(0)
    linear, hidden = nn.Linear(96, 160, bias=has_bias), torch.randn(2, n_rows, 96)
    with torch.inference_mode():
        expected, found = linear(hidden), PackedLinear(linear, gelu=gelu)(hidden)
    torch.testing.assert_close(found, functional.gelu(expected) if gelu else expected, atol=1e-5, rtol=1e-5)


def test_a_packed_product_adds_to_a_bias_a_sum_or_nothing_also_where_rows_overlap() -> None:
    torch.manual_seed(0)
    weight, samples = torch.randn(96, 80), torch.randn(64 * 40)
    rows = samples.as_strided((30, 96), (64, 1))
    product, packed = Product(weight), PackedProduct(weight)
    with torch.inference_mode():
        for onto in (None, torch.randn(80), torch.randn(30, 80)):
            copies = [None if onto is None else onto.clone() for _ in range(2)]
            torch.testing.assert_close(packed(rows, copies[0]), product(rows, copies[1]), atol=1e-4, rtol=1e-5)


@pytest.mark.parametrize("name", ["wav2vec2-group", "wavlm-group", "data2vec", "conformer-relative", "sew", "sew-d"])
def test_scores_are_those_of_plain_products(
    random_model: Callable[[str], Path], noises: list[NDArray[np.float32]], monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.setattr(packed_products, "MIN_FEATURES", 8)
    monkeypatch.setattr(processor, "has_avx512", lambda: True)
    packed = AcousticModel.load(random_model(name), device="cpu", precision="float32")
    assert any(isinstance(module, PackedLinear) for module in packed.network.modules())
    monkeypatch.setattr(acoustic_model, "packs_products", lambda *_: False)
    plain = AcousticModel.load(random_model(name), device="cpu", precision="float32")
    clips = [plain.features(clip) for clip in noises]
    for found, expected in zip(*(model.forward(clips, SilentMonitor()) for model in (packed, plain)), strict=True):
        np.testing.assert_allclose(found.log_probs, expected.log_probs, atol=1e-4)
