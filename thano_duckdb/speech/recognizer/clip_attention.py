"""Attention on a CPU, one clip after the other, as matrix products of oneDNN.

torch's flash attention on CPUs multiplies by MKL, which is slow on AMD's processors: for 600 frames and 12 heads it
took twice as long as this in bfloat16 on an AMD EPYC, and 1.5 times as long in float32. Besides, the clips of a batch
need neither a mask nor the products of their padding. On processors with AMX torch itself multiplies fast in bfloat16.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager
from contextvars import ContextVar
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional
from transformers import AttentionInterface

from thano_duckdb.speech import processor
from thano_duckdb.speech.device import Device

from .packed_products import packs_products
from .padded_attention import attends_plainly
from .thread_values import assigned

NAME = "thano_clip_attention"
"""Under this name Hugging Face's attention layers find `clip_attention`."""
MIN_FRAMES = 200
"""Shorter clips are left to torch in float32: a product for each head costs more than it saves."""
MAX_SCORES = 4_500_000
"""So many scores of some heads are computed at a time: they stay in the cache."""

_n_frames: ContextVar[Sequence[int]] = ContextVar("frames of each clip of the batch that this thread computes")


def use_clip_attention(network: Any, device: Device) -> bool:
    """Make a Hugging Face network attend so, within `attending_to`, if it supports that and it is faster here."""
    config = network.config
    is_supported = (
        packs_products(device)
        and not processor.has_amx()
        and config._attn_implementation == "sdpa"
        and attends_plainly(config)
    )
    if is_supported:
        AttentionInterface.register(NAME, clip_attention)
        config._attn_implementation = NAME
    return is_supported


def attending_to(n_frames: Sequence[int]) -> AbstractContextManager[None]:
    """Within this context, on this thread, networks attend only to the first `n_frames` frames of each clip."""
    return assigned(_n_frames, n_frames)


def clip_attention(
    _module: nn.Module, query: Tensor, key: Tensor, value: Tensor, _mask: Tensor | None, **settings: Any
) -> tuple[Tensor, None]:
    """Attention as Hugging Face's layers call it.

    Args:
        query: (batch, heads, frames, head size); so are `key` and `value`.
        settings: `scaling`, the factor of the products; anything else does not matter here.

    Returns:
        (batch, frames, heads, head size), zeros where the batch is padded; and no attention weights.
    """
    n_clips, n_heads, longest, size = query.shape
    n_frames = _n_frames.get()
    new = query.new_empty if min(n_frames) == longest else query.new_zeros
    attended = new(n_clips, longest, n_heads, size)
    for clip, count in enumerate(n_frames):
        of_clip = (tensor[clip, :, :count] for tensor in (query, key, value))
        _attend(*of_clip, scaling=settings["scaling"], out=attended[clip, :count].transpose(0, 1))
    return attended, None


def _attend(query: Tensor, key: Tensor, value: Tensor, *, scaling: float, out: Tensor) -> None:
    """The attention of one clip: all are (heads, frames, head size)."""
    n_heads, n_frames, _ = query.shape
    if query.dtype == torch.bfloat16:
        query, key = query * scaling, key.transpose(1, 2)
        n_at_a_time = max(1, MAX_SCORES // n_frames**2)
        for first in range(0, n_heads, n_at_a_time):
            heads = slice(first, first + n_at_a_time)
            out[heads] = torch.bmm(torch.bmm(query[heads], key[heads]).softmax(-1), value[heads])
    elif n_frames < MIN_FRAMES:
        out.copy_(functional.scaled_dot_product_attention(query[None], key[None], value[None], scale=scaling)[0])
    else:  # torch's batched products in float32 are MKL's
        query, key, value = (query * scaling).contiguous(), key.contiguous(), value.transpose(1, 2).contiguous()
        for head in range(n_heads):
            out[head] = _product(_product(query[head], key[head]).softmax(-1), value[head])


def _product(rows: Tensor, columns: Tensor) -> Tensor:
    """The products of rows (n, k) and columns (m, k): (n, m)."""
    products: Tensor = torch.ops.mkldnn._linear_pointwise(rows, columns, None, "none", [], "")
    return products
