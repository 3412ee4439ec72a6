"""Flash attention over a padded batch, without a mask.

Hugging Face's `sdpa` takes a mask of (batch, 1, frames, frames) for a padded batch. With a mask, torch cannot use flash
attention; on recent GPUs it uses cuDNN's, which took 0.53 ms for a layer of wav2vec2-base over 600 s on an H100, and
which prepares itself anew, for tens of milliseconds, for every shape and thread. The clips of a batch differ only in
how many of their frames are valid, so flash attention's number of keys for each sequence says the same as the mask.
(Dao 2023, FlashAttention-2, https://arxiv.org/abs/2307.08691.)
"""

from __future__ import annotations

from contextlib import AbstractContextManager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from transformers import AttentionInterface

from thano_duckdb.speech.device import Device

from .thread_values import assigned

NAME = "thano_padded_flash"
"""Under this name Hugging Face's attention layers find `padded_flash_attention`."""
LARGEST_HEAD = 256
FIRST_CAPABILITY = (8, 0)
"""The oldest GPUs for which torch has flash attention: Ampere."""


@dataclass(frozen=True)
class ClipFrames:
    """The frames of the clips of a padded batch, on the device.

    Attributes:
        starts: (batch + 1) int32, where each row of the batch starts if all rows follow each other.
        n_frames: (batch) int32, how many frames of each row are valid.
    """

    starts: Tensor
    n_frames: Tensor


_frames: ContextVar[ClipFrames] = ContextVar("frames of the batch that this thread computes")


def use_padded_flash_attention(network: Any, device: Device) -> bool:
    """Make a Hugging Face network use flash attention, within `attending`, if both it and the device support that."""
    config = network.config
    head_size = config.hidden_size // config.num_attention_heads
    is_supported = (
        device.is_cuda
        and torch.version.cuda is not None
        and torch.cuda.get_device_capability(device.torch_device) >= FIRST_CAPABILITY
        and device.dtype in (torch.float16, torch.bfloat16)
        and head_size <= LARGEST_HEAD
        and head_size % 8 == 0
        and config._attn_implementation == "sdpa"
        and attends_plainly(config)
    )
    if is_supported:
        AttentionInterface.register(NAME, padded_flash_attention)
        config._attn_implementation = NAME
    return is_supported


def attends_plainly(config: Any) -> bool:
    """Whether each layer of a network attends to all frames of a clip, by products of queries and keys alone.

    SEW attends to pooled frames, and some Conformers add a bias that depends on the distance of two frames.
    """
    has_bias = getattr(config, "position_embeddings_type", None) not in (None, "rotary")
    return getattr(config, "squeeze_factor", 1) == 1 and not has_bias


def attending(n_frames: Tensor, longest: int) -> AbstractContextManager[None]:
    """Within this context, on this thread, networks attend only to the first `n_frames` frames of each clip.

    Args:
        n_frames: (batch) int32, on the device.
        longest: frames of the padded batch.
    """
    starts = torch.arange(0, (len(n_frames) + 1) * longest, longest, dtype=torch.int32, device=n_frames.device)
    return assigned(_frames, ClipFrames(starts, n_frames))


def padded_flash_attention(
    _module: nn.Module, query: Tensor, key: Tensor, value: Tensor, _mask: Tensor | None, **settings: Any
) -> tuple[Tensor, None]:
    """Attention as Hugging Face's layers call it.

    Args:
        query: (batch, heads, frames, head size); so are `key` and `value`.
        settings: `scaling`, the factor of the products; anything else does not matter here.

    Returns:
        (batch, frames, heads, head size), arbitrary where the batch is padded; and no attention weights.
    """
    n_clips, _, longest, _ = query.shape
    frames = _frames.get()
    packed = (tensor.transpose(1, 2).flatten(0, 1) for tensor in (query, key, value))
    attended, *_ = torch.ops.aten._flash_attention_forward(
        *packed,
        frames.starts,
        frames.starts,
        longest,
        longest,
        0.0,
        False,
        False,
        scale=settings["scaling"],
        seqused_k=frames.n_frames,
    )
    return attended.unflatten(0, (n_clips, longest)), None
