"""The convolutions that read the waveform, over all clips of a batch end to end, a tile at a time.

Hugging Face's feature encoder pads the clips of a batch to the longest and computes one layer after the other, each of
them hundreds of MB large. Without padding, a frame depends on its receptive field alone, so the clips may as well stand
behind each other in one stream, each at a multiple of the model's stride: then nothing is padded, the stream can be cut
into tiles of any length, and what passes between two layers stays in the processor's cache.

In (frames, channels) order a convolution of kernel `k` and stride `s` is ceil(k / s) matrix products over views of its
input, without a copy: row `t` of the first is the samples `t s .. t s + s - 1`, which are neighbours in memory.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, cast

import torch
from torch import Tensor, nn

from thano_duckdb.errors import ModelError
from thano_duckdb.speech.windows import FrameGrid

from .clip_stream import ClipStream
from .padding_invariance import ClipNorm

CPU_TILE_BYTES = 4 * 2**20
GPU_TILE_BYTES = 512 * 2**20
"""Of the largest layer of a tile: on a CPU a part of its cache, on a GPU enough to fill it."""


class FeatureEncoder(nn.Module):
    """Stands in for the `feature_extractor` of a Hugging Face model, with its weights, for inference alone."""

    def __init__(self, encoder: Any, grid: FrameGrid) -> None:
        """Take over the layers of `encoder`, on their device and in their type.

        Raises:
            ModelError: they are of a kind that is not supported.
        """
        super().__init__()
        convolutions = [Convolution(layer) for layer in getattr(encoder, "conv_layers", ())]
        if not convolutions or convolutions[0].n_inputs != 1:
            raise ModelError(f"the {type(encoder).__name__} of this model is not supported")
        self.layers = nn.ModuleList(convolutions)
        self._grid = grid
        self._first_frames = grid.stride // convolutions[0].stride  # of the first layer, for each frame of the last
        weight: Tensor = encoder.conv_layers[0].conv.weight
        tile_bytes = CPU_TILE_BYTES if weight.device.type == "cpu" else GPU_TILE_BYTES
        self._tile_frames = max(1, tile_bytes // (_frame_values(convolutions) * weight.element_size()))
        self._stream: ClipStream | None = None

    @contextlib.contextmanager
    def reading(self, stream: ClipStream) -> Iterator[None]:
        """Call the network on the samples of `stream` within this context."""
        self._stream = stream
        try:
            yield
        finally:
            self._stream = None

    def forward(self, samples: Tensor) -> Tensor:
        """Frames of the clips in a stream, shape (1, n_samples), as (batch, channels, longest)."""
        stream, grid = self._stream, self._grid
        if stream is None:
            raise RuntimeError("call the network inside FeatureEncoder.reading()")
        samples = samples[0][:, None]  # (n_samples, 1)
        tiles = []
        for first in range(0, stream.n_stream_frames, self._tile_frames):
            last = min(stream.n_stream_frames, first + self._tile_frames)
            hidden = samples[first * grid.stride : (last - 1) * grid.stride + grid.receptive_field]
            clips = stream.clips_within(first, last)
            parts = [Part(clip, (start - first) * self._first_frames) for clip, start in clips]
            for layer in self.layers:
                hidden = layer(hidden, parts)
            tiles.append(hidden)
        frames = torch.cat(tiles)  # (stream frames, channels)
        return frames[stream.rows.to(frames.device, non_blocking=True)].transpose(1, 2)


@dataclass(frozen=True)
class Part:
    """A clip in a tile.

    Attributes:
        clip: its number in the batch.
        start: its first row in the tile, in what the first layer gives; it ends where the next part starts.
    """

    clip: int
    start: int


class Product(nn.Module):
    """A matrix product with fixed weights."""

    weight: Tensor

    def __init__(self, weight: Tensor) -> None:
        """`weight` is (inputs, outputs)."""
        super().__init__()
        self.weight = weight

    def forward(self, rows: Tensor, onto: Tensor | None) -> Tensor:
        """The product of `rows`, (n, inputs), with the weights, added to `onto`: a bias, or a sum that may change."""
        if onto is None:
            return rows @ self.weight
        return onto.addmm_(rows, self.weight) if onto.ndim == 2 else torch.addmm(onto, rows, self.weight)


class Convolution(nn.Module):
    """A layer of the feature encoder: convolution, normalisation if there is one, activation."""

    def __init__(self, layer: Any) -> None:
        super().__init__()
        conv, norm = layer.conv, getattr(layer, "layer_norm", None)
        is_plain = (*conv.padding, *conv.dilation, conv.groups) == (0, 1, 1)
        if not is_plain or not isinstance(norm, (ClipNorm, nn.LayerNorm, type(None))):
            raise ModelError(f"the {type(layer).__name__} of this model is not supported")
        self.n_inputs, self.n_outputs = conv.in_channels, conv.out_channels
        self.kernel, self.stride = conv.kernel_size[0], conv.stride[0]
        # A filter over one channel is short: one product with a copy of the samples, rather than two with sums between.
        step = self.kernel if self.n_inputs == 1 else self.stride
        self.offsets = range(0, self.kernel, step)
        self.products = nn.ModuleList(
            Product(conv.weight.detach()[:, :, offset : offset + step].permute(2, 1, 0).flatten(0, 1).contiguous())
            for offset in self.offsets
        )  # of (taps * inputs, outputs) each
        self.bias, self.norm, self.activation = conv.bias, norm, layer.activation

    def forward(self, hidden: Tensor, parts: Sequence[Part]) -> Tensor:
        """(rows, inputs) to (fewer rows, outputs)."""
        if isinstance(self.norm, ClipNorm):
            hidden = self._normalised_by_clip(hidden, self.norm, parts)
        else:
            hidden = self._products(hidden)
            if self.norm is not None:
                hidden = self.norm(hidden)
        return self.activation(hidden)  # type: ignore[no-any-return]

    def _views(self, hidden: Tensor) -> Iterator[tuple[Tensor, Product]]:
        n_rows = (len(hidden) - self.kernel) // self.stride + 1
        for offset, module in zip(self.offsets, self.products, strict=True):
            product = cast(Product, module)
            n_values = len(product.weight)
            yield hidden[offset:].as_strided((n_rows, n_values), (self.stride * self.n_inputs, 1)), product

    def _products(self, hidden: Tensor) -> Tensor:
        total = self.bias
        for view, product in self._views(hidden):
            total = product(view, total)
        return total  # type: ignore[no-any-return]

    def _normalised_by_clip(self, hidden: Tensor, norm: ClipNorm, parts: Sequence[Part]) -> Tensor:
        """The scale of each clip goes into the weights, so the largest layer of all is written once."""
        ((view, product),) = self._views(hidden)
        scales, shifts = norm.scale_and_shift()  # (batch, channels) float32
        total = view.new_empty(len(view), self.n_outputs)
        ends = [*(part.start for part in parts[1:]), len(view)]
        for part, end in zip(parts, ends, strict=True):
            rows = slice(max(0, part.start), end)
            scale, shift = scales[part.clip], shifts[part.clip]
            if self.bias is not None:
                shift = shift + self.bias * scale
            weight = (product.weight * scale).to(hidden.dtype)
            torch.addmm(shift.to(hidden.dtype), view[rows], weight, out=total[rows])
        return total


def _frame_values(convolutions: Sequence[Convolution]) -> int:
    """Values of the largest layer for each frame that the encoder gives."""
    largest, per_frame = 0, 1
    for convolution in reversed(convolutions):
        largest = max(largest, convolution.n_outputs * per_frame)
        per_frame *= convolution.stride
    return largest
