"""The positional convolution of the transformer as matrix products, 20 times as fast as cuDNN's on a GPU.

Its kernel is long (128 frames) and grouped (16 groups), for which cuDNN has no fast algorithm: on an H200 it took 26.7
of the 62 ms that wav2vec2-base needs for 640 s of audio. Here the frames are cut into blocks of `BLOCK_FRAMES`. A block
of outputs depends linearly on `BLOCK_FRAMES + kernel - 1` frames of inputs, with the same banded matrix for each block:
one batched product over overlapping rows. The zeros in the matrix cost a ninth more operations.
"""

from __future__ import annotations

import functools

import torch
from torch import Tensor, nn
from torch.nn import functional

BLOCK_FRAMES = 16
"""Longer blocks copy less of the input, but take more memory for the matrices: 168 MB for wav2vec2-base in bfloat16."""


class BlockConvolution(nn.Conv1d):
    """A convolution along time, computed in blocks; for inference only.

    Attributes:
        matrices: see `banded_matrices`.
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
        self.matrices = banded_matrices(self.weight.detach(), self.groups)

    def forward(self, hidden: Tensor) -> Tensor:
        """(batch, channels, frames) to (batch, channels, frames); fastest if the channels are contiguous in memory."""
        return block_convolution(hidden, self.matrices, self.bias, self.kernel_size[0], int(self.padding[0]))


def banded_matrices(weight: Tensor, n_groups: int) -> Tensor:
    """What a block of outputs is, given its inputs: (groups, inputs of a block, outputs of a block).

    Args:
        weight: of the convolution, (channels, inputs of a group, taps); gradients reach it.
        n_groups: of the convolution.
    """
    n_inputs, n_taps = weight.shape[1:]
    taps = weight.view(n_groups, -1, n_inputs, n_taps).permute(0, 3, 2, 1)  # (groups, taps, inputs, outputs)
    shifted = [functional.pad(taps, (0, 0, 0, 0, frame, BLOCK_FRAMES - 1 - frame)) for frame in range(BLOCK_FRAMES)]
    matrices = torch.stack(shifted, dim=3)  # (groups, frames of inputs, inputs, frames of outputs, outputs)
    assert matrices.shape[1] == BLOCK_FRAMES + n_taps - 1
    return matrices.flatten(3, 4).flatten(1, 2)


def block_convolution(hidden: Tensor, matrices: Tensor, bias: Tensor | None, n_taps: int, padding: int) -> Tensor:
    """The convolution whose `banded_matrices` are given: (batch, channels, frames) to (batch, channels, frames)."""
    n_groups, n_clips, n_frames = len(matrices), hidden.shape[0], hidden.shape[2]
    n_outputs = n_frames + 2 * padding - n_taps + 1
    n_blocks = -(-n_outputs // BLOCK_FRAMES)
    n_padded = n_blocks * BLOCK_FRAMES + n_taps - 1
    frames = functional.pad(hidden.transpose(1, 2), (0, 0, padding, n_padded - padding - n_frames))
    grouped = frames.reshape(n_clips, n_padded, n_groups, -1).permute(2, 0, 1, 3).contiguous()
    # (groups, batch, frames, inputs) to (groups, blocks of all clips, inputs of a block)
    blocks = grouped.unfold(2, BLOCK_FRAMES + n_taps - 1, BLOCK_FRAMES).transpose(3, 4).flatten(3, 4).flatten(1, 2)
    products = torch.bmm(blocks, matrices).view(n_groups, n_clips, n_blocks * BLOCK_FRAMES, -1)
    outputs = products.permute(1, 2, 0, 3).flatten(2, 3)[:, :n_outputs]
    return (outputs if bias is None else outputs + bias).transpose(1, 2)


def is_positional(name: str, module: nn.Module) -> bool:
    """Whether the module of that name in a Hugging Face network is a convolution that can be computed in blocks."""
    return (
        "pos_conv_embed" in name
        and isinstance(module, nn.Conv1d)
        and (module.stride, module.dilation, module.padding_mode) == ((1,), (1,), "zeros")
    )


def train_in_blocks(network: nn.Module) -> None:
    """Let the positional convolutions of a Hugging Face network compute in blocks on a GPU, gradients included.

    Its weights, whatever parametrises them, and their names stay as they are. In BUILD of wav2vec2-base on an H200 they
    took half of the GPU's time with cuDNN.
    """
    for name, module in network.named_modules():
        if is_positional(name, module):
            module.forward = functools.partial(_forward_in_blocks, module)


def _forward_in_blocks(conv: nn.Conv1d, hidden: Tensor) -> Tensor:
    if not hidden.is_cuda:
        return nn.Conv1d.forward(conv, hidden)
    weight = conv.weight
    if torch.is_autocast_enabled("cuda"):  # the matrices are 16 times as large as the weights
        weight = weight.to(torch.get_autocast_dtype("cuda"))
    matrices = banded_matrices(weight, conv.groups)
    return block_convolution(hidden, matrices, conv.bias, conv.kernel_size[0], int(conv.padding[0]))


def use_block_convolutions(network: nn.Module) -> None:
    """Replace the positional convolutions of a Hugging Face network, on its device and in its precision."""
    for name, module in list(network.named_modules()):
        for child_name, child in list(module.named_children()):
            if is_positional(f"{name}.{child_name}", child):
                setattr(module, child_name, BlockConvolution(child))
