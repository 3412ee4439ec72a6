"""The positional convolution of the transformer as matrix products, 20 times as fast as cuDNN's on a GPU.

Its kernel is long (128 frames) and grouped (16 groups), for which cuDNN has no fast algorithm: on an H200 it took 26.7
of the 62 ms that wav2vec2-base needs for 640 s of audio. Here the frames are cut into blocks of `BLOCK_FRAMES`. A block
of outputs depends linearly on `BLOCK_FRAMES + kernel - 1` frames of inputs, with the same banded matrix for each block:
one batched product over overlapping rows. The zeros in the matrix cost a ninth more operations.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

BLOCK_FRAMES = 16
"""Longer blocks copy less of the input, but take more memory for the matrices: 168 MB for wav2vec2-base in bfloat16."""


class BlockConvolution(nn.Conv1d):
    """A convolution along time, computed in blocks; for inference only.

    Attributes:
        matrices: (groups, inputs of a block, outputs of a block).
    """

    matrices: Tensor

    def __init__(self, conv: nn.Conv1d) -> None:
        """Take over the weights of `conv`, which has a stride and a dilation of 1 and is padded with zeros."""
        super().__init__(
            conv.in_channels,
            conv.out_channels,
            conv.kernel_size[0],
            padding=conv.padding[0],
            groups=conv.groups,
            device="meta",
        )
        self.weight, self.bias = conv.weight, conv.bias
        n_taps = self.kernel_size[0]
        n_inputs, n_outputs = self.in_channels // self.groups, self.out_channels // self.groups
        taps = self.weight.detach().view(self.groups, n_outputs, n_inputs, n_taps).permute(0, 3, 2, 1)
        matrices = taps.new_zeros(self.groups, BLOCK_FRAMES + n_taps - 1, n_inputs, BLOCK_FRAMES, n_outputs)
        for frame in range(BLOCK_FRAMES):
            matrices[:, frame : frame + n_taps, :, frame] = taps
        self.matrices = matrices.flatten(3, 4).flatten(1, 2)

    def forward(self, hidden: Tensor) -> Tensor:
        """(batch, channels, frames) to (batch, channels, frames); fastest if the channels are contiguous in memory."""
        n_taps, padding = self.kernel_size[0], int(self.padding[0])
        n_clips, _, n_frames = hidden.shape
        n_outputs = n_frames + 2 * padding - n_taps + 1
        n_blocks = -(-n_outputs // BLOCK_FRAMES)
        n_padded = n_blocks * BLOCK_FRAMES + n_taps - 1
        frames = functional.pad(hidden.transpose(1, 2), (0, 0, padding, n_padded - padding - n_frames))
        grouped = frames.view(n_clips, n_padded, self.groups, -1).permute(2, 0, 1, 3).contiguous()
        # (groups, batch, frames, inputs) to (groups, blocks of all clips, inputs of a block)
        blocks = grouped.unfold(2, BLOCK_FRAMES + n_taps - 1, BLOCK_FRAMES).transpose(3, 4).flatten(3, 4).flatten(1, 2)
        products = torch.bmm(blocks, self.matrices).view(self.groups, n_clips, n_blocks * BLOCK_FRAMES, -1)
        outputs = products.permute(1, 2, 0, 3).flatten(2, 3)[:, :n_outputs]
        return (outputs if self.bias is None else outputs + self.bias).transpose(1, 2)


def use_block_convolutions(network: nn.Module) -> None:
    """Replace the positional convolutions of a Hugging Face network, on its device and in its precision."""
    for name, module in list(network.named_modules()):
        for child_name, child in list(module.named_children()):
            is_positional = "pos_conv_embed" in f"{name}.{child_name}" and isinstance(child, nn.Conv1d)
            if is_positional and (child.stride, child.dilation, child.padding_mode) == ((1,), (1,), "zeros"):
                setattr(module, child_name, BlockConvolution(child))
