"""Makes the output of a network for a clip independent of the padding in its batch.

The clips of a batch are padded to the length of the longest. Hugging Face's attention mask excludes the padded frames
from attention, but some parts of these models ignore the mask:

- a `group` feature encoder (wav2vec2-base, hubert-base and others) normalises each channel over all frames of the
  padded clip, which scales every activation by about sqrt(padded / valid);
- the positional convolution mixes neighbouring frames. Hugging Face sets the padded frames to zero once, before it, but
  a batch normalisation before it (in some HuBERT models) or an earlier layer of it (in Data2VecAudio) fills them again;
- the convolutions of Conformer layers mix neighbouring frames as well;
- the encoders of SEW and SEW-D pool frames (see `squeezed_frames`).

All are corrected without changing any parameter or its name, so `save_pretrained` still writes a plain checkpoint.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager
from contextvars import ContextVar
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from thano_duckdb.errors import ModelError
from thano_duckdb.speech.device import copy_to

from .features import FirstConvolution, Moments
from .squeezed_frames import SqueezedFrames
from .thread_values import assigned

_MIXING_CONVOLUTIONS = ("pos_conv_embed", "conv_module.depthwise_conv")
"""Convolutions over the frames of the whole network, by part of their names: what is padded must be zero in them."""

# Of the batch that this thread computes: several threads share a network.
_clip_statistics: ContextVar[tuple[Tensor, Tensor] | None] = ContextVar("mean and variance of each clip", default=None)
"""Both (batch, channels) float32."""
_frame_mask: ContextVar[Tensor | None] = ContextVar("mask of the frames", default=None)
"""(batch, frames) bool, True for the frames of a clip; None if nothing is padded."""


class ClipNorm(nn.GroupNorm):
    """A GroupNorm with one channel per group that is given mean and variance, instead of using padded activations."""

    def forward(self, hidden: Tensor) -> Tensor:
        """Normalise `hidden`, shape (batch, channels, frames)."""
        scale, shift = self.scale_and_shift()
        return (hidden * scale[:, :, None] + shift[:, :, None]).to(hidden.dtype)

    def scale_and_shift(self) -> tuple[Tensor, Tensor]:
        """The normalisation as a scale and a shift for each channel of each clip, both (batch, channels) float32."""
        statistics = _clip_statistics.get()
        if statistics is None:
            raise RuntimeError("ClipNorm has no statistics: call the network inside PaddingInvariance.for_batch()")
        mean, variance = statistics
        scale = self.weight * torch.rsqrt(variance + self.eps)
        return scale, self.bias - mean * scale


class PaddingInvariance:
    """Makes a network treat each clip of a batch as if it were alone.

    Attributes:
        normalized: the convolution whose channels are normalised over the clip; None if there is none.
    """

    def __init__(self, network: nn.Module) -> None:
        """Change `network` in place.

        Raises:
            ModelError: it normalises over time in a layer that is not supported.
        """
        self._norm: ClipNorm | None = None
        self.normalized: nn.Conv1d | None = None
        for module in list(network.modules()):
            self._replace_group_norm(module)
            _fold_mask_into_position_bias(module)
        if any(isinstance(module, nn.GroupNorm) and module is not self._norm for module in network.modules()):
            raise ModelError(
                f"{type(network).__name__} has a GroupNorm outside its first layer, which is not supported"
            )
        for name, module in network.named_modules():
            if isinstance(module, nn.Conv1d) and any(part in name for part in _MIXING_CONVOLUTIONS):
                module.register_forward_pre_hook(_zero_padded_frames)
            if SqueezedFrames.is_in(module):
                SqueezedFrames(module, _frame_mask.get)

    @property
    def convolution(self) -> FirstConvolution | None:
        """The convolution whose channels are normalised over the clip, if any; it needs the `Moments` of each clip."""
        return None if self.normalized is None else FirstConvolution.of(self.normalized)

    @contextlib.contextmanager
    def for_batch(self, moments: Sequence[Moments | None], frame_mask: Tensor | None) -> Iterator[None]:
        """Run the network on one batch within this context, on this thread.

        Args:
            moments: the moments of each clip of the batch.
            frame_mask: (batch, frames), True for the frames of the clip; None if no clip is padded.
        """
        statistics = None if self.normalized is None else channel_statistics(self.normalized, moments)
        with normalizing_by(statistics), assigned(_frame_mask, frame_mask):
            yield

    def _replace_group_norm(self, layer: nn.Module) -> None:
        norm, conv = getattr(layer, "layer_norm", None), getattr(layer, "conv", None)
        if not (isinstance(norm, nn.GroupNorm) and isinstance(conv, nn.Conv1d)):
            return
        if conv.in_channels != 1 or norm.num_groups != norm.num_channels or self._norm is not None:
            return  # not the layer that reads the waveform
        self.normalized, self._norm = conv, ClipNorm(norm.num_groups, norm.num_channels, norm.eps)
        self._norm.weight, self._norm.bias = norm.weight, norm.bias
        layer.layer_norm = self._norm


def normalizing_by(statistics: tuple[Tensor, Tensor] | None) -> AbstractContextManager[None]:
    """Within this context, on this thread, networks normalise clips by these (see `channel_statistics`)."""
    return assigned(_clip_statistics, statistics)


def _zero_padded_frames(_module: nn.Module, args: tuple[Tensor, ...]) -> tuple[Tensor, ...] | None:
    mask = _frame_mask.get()
    return None if mask is None else (args[0] * mask[:, None, :], *args[1:])  # (batch, channels, frames)


def channel_statistics(conv: nn.Conv1d, moments: Sequence[Moments | None]) -> tuple[Tensor, Tensor]:
    """Mean and variance of each output channel of `conv` over each clip, both (batch, channels) float32.

    `conv` has one input channel, so its outputs are linear in the frames that `Moments` describes. Computed in float64,
    because a high-pass filter leaves only a tiny part of a covariance that is mostly low frequencies. Differentiable in
    the weight.

    Raises:
        ValueError: the moments of a clip are missing.
    """
    present = [clip for clip in moments if clip is not None]
    if len(present) < len(moments):
        raise ValueError("this model needs the moments of every clip")
    # Apple's GPUs have no float64.
    device = torch.device("cpu") if conv.weight.device.type == "mps" else conv.weight.device
    weight = conv.weight[:, 0, :].to(device, torch.float64)  # (channels, kernel)
    means = copy_to(device, np.stack([clip.mean for clip in present]))  # (batch, kernel)
    covariances = copy_to(device, np.stack([clip.covariance for clip in present]))  # (batch, kernel, kernel)
    mean = means @ weight.T
    if conv.bias is not None:
        mean = mean + conv.bias.to(device, torch.float64)
    variance = torch.einsum("ck,bkl,cl->bc", weight, covariances, weight).clamp_min(0)
    return tuple(value.to(torch.float32).to(conv.weight.device) for value in (mean, variance))  # type: ignore[return-value]


def _fold_mask_into_position_bias(attention: Any) -> None:
    """Add the mask of WavLM's attention to its position bias.

    Hugging Face passes torch a boolean mask together with a float bias, which torch deprecates, with a warning.
    """
    attend = getattr(attention, "torch_multi_head_self_attention", None)
    if attend is None:
        return

    def attend_folded(
        hidden: Tensor, mask: Tensor | None, bias: Tensor
    ) -> Any:  # bias: (batch * heads, frames, frames)
        if mask is not None:
            is_masked = mask.ne(1)[:, None, None, :].expand(-1, attention.num_heads, -1, -1).flatten(0, 1)
            bias = bias.masked_fill(is_masked, float("-inf"))
        return attend(hidden, None, bias)

    attention.torch_multi_head_self_attention = attend_folded
