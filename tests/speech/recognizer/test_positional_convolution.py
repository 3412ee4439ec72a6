"""The positional convolution in blocks agrees with torch's own convolution."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from thano_duckdb.speech.recognizer.packed_products import PackedProduct, can_pack_products
from thano_duckdb.speech.recognizer.positional_convolution import BlockConvolution, use_block_convolutions

packed = pytest.param(
    PackedProduct,
    marks=pytest.mark.skipif(not can_pack_products(), reason="torch has no oneDNN on this processor"),
    id="packed",
)
with_and_without_packing = pytest.mark.parametrize("product", [pytest.param(None, id="batched"), packed])


@with_and_without_packing
@given(
    block_frames=st.sampled_from([1, 4, 16]),
    n_frames=st.integers(1, 50),
    n_taps=st.integers(1, 40),
    n_groups=st.sampled_from([1, 2, 4]),
    n_clips=st.integers(1, 3),
    has_bias=st.booleans(),
)
def test_equals_the_convolution_of_torch(
    product: type[PackedProduct] | None,
    block_frames: int,
    n_frames: int,
    n_taps: int,
    n_groups: int,
    n_clips: int,
    has_bias: bool,
) -> None:
    torch.manual_seed(n_frames)
    conv = nn.Conv1d(8, 12, n_taps, padding=n_taps // 2, groups=n_groups, bias=has_bias)
    hidden = torch.randn(n_clips, n_frames, 8).transpose(1, 2)
    with torch.inference_mode():
        found = BlockConvolution(conv, block_frames, product)(hidden)
        torch.testing.assert_close(found, conv(hidden), rtol=1e-4, atol=1e-5)


def test_only_positional_convolutions_that_it_can_compute_are_replaced() -> None:
    network = nn.ModuleDict(
        {
            "pos_conv_embed": nn.ModuleDict({"conv": nn.Conv1d(4, 4, 4, padding=2, groups=2)}),
            "squeezed": nn.ModuleDict({"pos_conv_embed": nn.Conv1d(4, 4, 4, padding=2, stride=2)}),
            "other": nn.Conv1d(4, 4, 4),
        }
    )
    use_block_convolutions(network)
    replaced = [name for name, module in network.named_modules() if isinstance(module, BlockConvolution)]
    assert replaced == ["pos_conv_embed.conv"]


@with_and_without_packing
@pytest.mark.parametrize("n_frames", [1, 16, 100])
def test_keeps_the_channels_contiguous_for_the_layers_that_follow(
    product: type[PackedProduct] | None, n_frames: int
) -> None:
    conv = BlockConvolution(nn.Conv1d(8, 8, 4, padding=2, groups=2), 16, product)
    with torch.inference_mode():
        assert conv(torch.randn(2, n_frames, 8).transpose(1, 2)).stride(1) == 1
