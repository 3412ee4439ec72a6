"""The positional convolution of the transformer as matrix products, 20 times as fast as cuDNN's on a GPU.

Its kernel is long (128 frames) and grouped (16 groups), for which cuDNN has no fast algorithm: on an H200 it took 26.7
of the 62 ms that wav2vec2-base needs for 640 s of audio. oneDNN's, on a CPU, took as long in bfloat16 as in float32: a
tenth of the time of wav2vec2-base on an AMD EPYC, three times as long as this. Here the frames are cut into blocks. The
outputs of a block depend linearly on its frames and those within the kernel around them, with the same banded matrix
for each block: products over overlapping rows. The zeros in the matrix cost more operations: a ninth on a GPU.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn import functional

from .feature_encoder import Product

GPU_BLOCK_FRAMES, CPU_BLOCK_FRAMES = 16, 4
"""Longer blocks copy less of the input, but take more memory for the matrices: for wav2vec2-base 168 MB on a GPU in
bfloat16, 78 MB on a CPU in float32."""


class BlockConvolution(nn.Conv1d):
    """A convolution along time, computed in blocks; for inference only.

    Attributes:
        block_frames: the length of a block.
    """

    def __init__(self, conv: nn.Conv1d, block_frames: int, packed: Callable[[Tensor], Product] | None = None) -> None:
        """Take over the weights of `conv`, which has a stride and a dilation of 1 and is padded with zeros.

        Args:
            conv: the convolution.
            block_frames: the length of a block.
            packed: makes a product of a weight, (inputs, outputs). With it there is a product for each group; None:
                one batched product.
        """
        super().__init__(
            conv.in_channels,
            conv.out_channels,
            conv.kernel_size[0],
            padding=conv.padding[0],
            groups=conv.groups,
            device="meta",
        )
        self.weight, self.bias, self.block_frames = conv.weight, conv.bias, block_frames
        n_taps = self.kernel_size[0]
        n_inputs, n_outputs = self.in_channels // self.groups, self.out_channels // self.groups
        taps = self.weight.detach().view(self.groups, n_outputs, n_inputs, n_taps).permute(0, 3, 2, 1)
        matrices = taps.new_zeros(self.groups, block_frames + n_taps - 1, n_inputs, block_frames, n_outputs)
        for frame in range(block_frames):
            matrices[:, frame : frame + n_taps, :, frame] = taps
        matrices = matrices.flatten(3, 4).flatten(1, 2)  # (groups, inputs of a block, outputs of a block)
        self._matrices = None if packed else matrices
        self._products = nn.ModuleList(map(packed, matrices) if packed else ())

    def forward(self, hidden: Tensor) -> Tensor:
        """(batch, channels, frames) to (batch, channels, frames); fastest if the channels are contiguous in memory."""
        n_taps, padding = self.kernel_size[0], int(self.padding[0])
        n_clips, _, n_frames = hidden.shape
        n_outputs = n_frames + 2 * padding - n_taps + 1
        n_blocks = -(-n_outputs // self.block_frames)
        n_padded = n_blocks * self.block_frames + n_taps - 1
        frames = functional.pad(hidden.transpose(1, 2), (0, 0, padding, n_padded - padding - n_frames))
        grouped = frames.view(n_clips, n_padded, self.groups, -1).permute(2, 0, 1, 3).contiguous()
        products = self._of_blocks(grouped).view(self.groups, n_clips, n_blocks * self.block_frames, -1)
        outputs = products.permute(1, 2, 0, 3).flatten(2, 3)[:, :n_outputs]
        return (outputs if self.bias is None else outputs + self.bias).transpose(1, 2)

    def _of_blocks(self, grouped: Tensor) -> Tensor:
        """(groups, batch, frames, inputs) to (groups, blocks of all clips, outputs of a block)."""
        # (.., blocks, inputs of a block), still without a copy
        blocks = grouped.unfold(2, self.block_frames + self.kernel_size[0] - 1, self.block_frames).transpose(3, 4)
        if self._matrices is not None:
            return torch.bmm(blocks.flatten(3, 4).flatten(1, 2), self._matrices)
        # One group at a time: the rows of all would be 33 times as large as the input.
        return torch.stack(
            [
                product(rows.flatten(2, 3).flatten(0, 1), None)
                for product, rows in zip(self._products, blocks, strict=True)
            ]
        )


def use_block_convolutions(network: nn.Module, packed: Callable[[Tensor], Product] | None = None) -> None:
    """Replace the positional convolutions of a Hugging Face network, on its device and in its precision.

    Args:
        network: is changed.
        packed: see `BlockConvolution`; given on a CPU.
    """
    block_frames = CPU_BLOCK_FRAMES if packed else GPU_BLOCK_FRAMES
    for name, module in list(network.named_modules()):
        for child_name, child in list(module.named_children()):
            is_positional = "pos_conv_embed" in f"{name}.{child_name}" and isinstance(child, nn.Conv1d)
            if is_positional and (child.stride, child.dilation, child.padding_mode) == ((1,), (1,), "zeros"):
                setattr(module, child_name, BlockConvolution(child, block_frames, packed))
