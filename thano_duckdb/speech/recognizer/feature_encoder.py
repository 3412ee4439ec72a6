"""The convolutions that read the waveform, applied to all clips of a batch as one stream, tile by tile.

Hugging Face's feature encoder pads the clips of a batch to the longest and computes one layer after the other, with
activations of hundreds of MB. Without padding, a frame depends only on the samples in its receptive field, so the clips
can instead be concatenated into one stream, each starting at a multiple of the model's stride. Then nothing is padded,
the stream can be cut into tiles of any length, and the activations between two layers stay in the processor's cache.

In (frames, channels) order, a convolution of kernel `k` and stride `s` is ceil(k / s) matrix products over views of its
input, without a copy: row `t` of the first view is the samples `t s .. t s + s - 1`, which are contiguous in memory.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any, cast

import torch
from torch import Tensor, nn
from torch.nn import functional

from thano_duckdb.errors import ModelError
from thano_duckdb.speech.windows import FrameGrid

from .clip_stream import ClipStream
from .padding_invariance import ClipNorm
from .thread_values import assigned

CPU_TILE_BYTES = 4 * 2**20
GPU_TILE_BYTES = 1024 * 2**20
"""Size of the largest activation of a tile: on a CPU it fits in the cache, on a GPU it keeps all cores busy."""
GPU_ROW_VALUES = 8
"""The length of a row of a matrix is a multiple of this on a GPU: 16 bytes in half precision."""

_stream: ContextVar[ClipStream | None] = ContextVar("stream of the batch that this thread computes", default=None)


class FeatureEncoder(nn.Module):
    """Replaces the `feature_extractor` of a Hugging Face model, with the same weights, for inference only."""

    def __init__(self, encoder: Any, grid: FrameGrid) -> None:
        """Take over the layers of `encoder`, with their device and dtype.

        Raises:
            ModelError: a layer is of a kind that is not supported.
        """
        super().__init__()
        convolutions = [Convolution(layer) for layer in getattr(encoder, "conv_layers", ())]
        if not convolutions or convolutions[0].n_inputs != 1:
            raise ModelError(f"the {type(encoder).__name__} of this model is not supported")
        self.layers = nn.ModuleList(convolutions)
        self._grid = grid
        # Frames of the first layer for each frame of the last.
        self._first_layer_frames = grid.stride // convolutions[0].stride
        weight: Tensor = encoder.conv_layers[0].conv.weight
        tile_bytes = CPU_TILE_BYTES if weight.device.type == "cpu" else GPU_TILE_BYTES
        self._tile_frames = max(1, tile_bytes // (_frame_values(convolutions) * weight.element_size()))

    def forward(self, samples: Tensor) -> Tensor:
        """The frames of the clips, (batch, channels, longest), from a stream of samples, (1, n_samples)."""
        stream, grid = _stream.get(), self._grid
        if stream is None:
            raise RuntimeError("call the network inside reading()")
        samples = samples[0][:, None]  # (n_samples, 1)
        tiles = []
        for first in range(0, stream.n_stream_frames, self._tile_frames):
            last = min(stream.n_stream_frames, first + self._tile_frames)
            hidden = samples[first * grid.stride : (last - 1) * grid.stride + grid.receptive_field]
            clips = stream.clips_within(first, last)
            segments = [Segment(clip, (start - first) * self._first_layer_frames) for clip, start in clips]
            for layer in self.layers:
                hidden = layer(hidden, segments)
            tiles.append(hidden)
        frames = torch.cat(tiles)  # (stream frames, channels)
        return frames[stream.rows.to(frames.device, non_blocking=True)].transpose(1, 2)


def reading(stream: ClipStream) -> AbstractContextManager[None]:
    """Within this context, on this thread, networks read the samples of `stream`."""
    return assigned(_stream, stream)


@dataclass(frozen=True)
class Segment:
    """The rows of a tile that belong to one clip.

    Attributes:
        clip: index of the clip in the batch.
        start: first row in the output of the first layer; the segment ends where the next one starts.
    """

    clip: int
    start: int


class Product(nn.Module):
    """A matrix product with fixed weights."""

    weight: Tensor

    def __init__(self, weight: Tensor) -> None:
        """`weight` is (inputs, outputs)."""
        super().__init__()
        self.n_inputs = len(weight)
        self.weight = weight

    def forward(self, rows: Tensor, onto: Tensor | None) -> Tensor:
        """The product of `rows`, (n, inputs), and the weights, added to `onto`: a bias, or a sum to change in place."""
        if onto is None:
            return rows @ self.weight
        return onto.addmm_(rows, self.weight) if onto.ndim == 2 else torch.addmm(onto, rows, self.weight)


class Convolution(nn.Module):
    """A layer of the feature encoder: convolution, normalisation (if any), activation."""

    def __init__(self, layer: Any) -> None:
        super().__init__()
        conv, norm = layer.conv, getattr(layer, "layer_norm", None)
        is_plain = (*conv.padding, *conv.dilation, conv.groups) == (0, 1, 1)
        if not is_plain or not isinstance(norm, (ClipNorm, nn.LayerNorm, type(None))):
            raise ModelError(f"the {type(layer).__name__} of this model is not supported")
        self.n_inputs, self.n_outputs = conv.in_channels, conv.out_channels
        self.kernel, self.stride = conv.kernel_size[0], conv.stride[0]
        # A filter over one channel is short: a single product over overlapping rows is faster than two that are summed.
        step = self.kernel if self.n_inputs == 1 else self.stride
        self.offsets = range(0, self.kernel, step)
        taps = conv.weight.detach().permute(2, 1, 0)  # (taps, inputs, outputs)
        # A GPU's matrix units need rows that start at multiples of 16 bytes: zeros fill those of the waveform.
        self.n_zero_taps = -self.kernel % GPU_ROW_VALUES if self.n_inputs == 1 and taps.is_cuda else 0
        taps = functional.pad(taps, (0, 0, 0, 0, 0, self.n_zero_taps))
        self.products = nn.ModuleList(
            Product(taps[offset : offset + step + self.n_zero_taps].flatten(0, 1).contiguous())
            for offset in self.offsets
        )  # (taps * inputs, outputs) each
        self.bias, self.norm, self.activation = conv.bias, norm, layer.activation

    def forward(self, hidden: Tensor, segments: Sequence[Segment]) -> Tensor:
        """(rows, inputs) to (fewer rows, outputs)."""
        if isinstance(self.norm, ClipNorm):
            hidden = self._normalized_by_clip(hidden, self.norm, segments)
        else:
            hidden = self._products(hidden)
            if self.norm is not None:
                hidden = self.norm(hidden)
        return self.activation(hidden)  # type: ignore[no-any-return]

    def _views(self, hidden: Tensor) -> Iterator[tuple[Tensor, Product]]:
        n_rows = (len(hidden) - self.kernel) // self.stride + 1
        if self.n_zero_taps:
            hidden = functional.pad(hidden, (0, 0, 0, self.n_zero_taps))
        for offset, module in zip(self.offsets, self.products, strict=True):
            product = cast(Product, module)
            rows = hidden[offset:].as_strided((n_rows, product.n_inputs), (self.stride * self.n_inputs, 1))
            yield rows.contiguous() if self.n_zero_taps else rows, product

    def _products(self, hidden: Tensor) -> Tensor:
        total = self.bias
        for view, product in self._views(hidden):
            total = product(view, total)
        return total  # type: ignore[no-any-return]

    def _normalized_by_clip(self, hidden: Tensor, norm: ClipNorm, segments: Sequence[Segment]) -> Tensor:
        """Multiply the weights by the scale of each clip, so that the largest activation is written only once."""
        ((view, product),) = self._views(hidden)
        scales, shifts = norm.scale_and_shift()  # (batch, channels) float32
        total = view.new_empty(len(view), self.n_outputs)
        ends = [*(segment.start for segment in segments[1:]), len(view)]
        clips = slice(segments[0].clip, segments[-1].clip + 1)
        scales, shifts = scales[clips], shifts[clips]
        if self.bias is not None:
            shifts = shifts + self.bias * scales
        weights, shifts = (product.weight * scales[:, None]).to(hidden.dtype), shifts.to(hidden.dtype)
        for segment, end, weight, shift in zip(segments, ends, weights, shifts, strict=True):
            rows = slice(max(0, segment.start), end)
            torch.addmm(shift, view[rows], weight, out=total[rows])
        return total


def _frame_values(convolutions: Sequence[Convolution]) -> int:
    """Values in the largest activation for each output frame of the encoder."""
    largest, per_frame = 0, 1
    for convolution in reversed(convolutions):
        largest = max(largest, convolution.n_outputs * per_frame)
        per_frame *= convolution.stride
    return largest
