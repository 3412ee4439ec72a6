"""Cuts long audio into windows whose frames can be joined again, by the arithmetic of the feature encoder alone.

Without padding, frame `t` of a stack of convolutions depends on the samples from `t * stride` to
`t * stride + receptive_field`. So if a window starts at a multiple of `stride`, its frames are aligned with those of
the whole clip, and the frames of neighbouring windows can be joined exactly.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

SAMPLE_RATE_HZ = 16_000
SINGLE_PASS_MAX_S = 40.0
"""A clip up to this length goes through the model as a whole, as in Hugging Face's code."""
WINDOW_MAX_S = 30.0
"""Length of a window of a longer clip, including its context; models are trained on clips of up to about 20 s."""
CONTEXT_S = 2.0
"""Extra audio on each side of a window, whose frames are computed as context but not kept."""


@dataclass(frozen=True)
class FrameGrid:
    """Receptive field and stride of the frames of a feature encoder, both in samples."""

    receptive_field: int
    stride: int

    @classmethod
    def of_convolutions(cls, kernels: Sequence[int], strides: Sequence[int]) -> FrameGrid:
        """The grid of a stack of convolutions without padding, given from first to last."""
        receptive_field, stride = 1, 1
        for kernel, step in zip(kernels, strides, strict=True):
            receptive_field += (kernel - 1) * stride
            stride *= step
        return cls(receptive_field, stride)

    def n_frames(self, n_samples: int) -> int:
        """The number of frames for `n_samples` samples; 0 if they are fewer than the receptive field."""
        return max(0, (n_samples - self.receptive_field) // self.stride + 1)

    @property
    def frame_s(self) -> float:
        """Seconds from one frame to the next."""
        return self.stride / SAMPLE_RATE_HZ


@dataclass(frozen=True)
class Window:
    """A part of a clip that goes through the model by itself. Its core is the part whose frames are kept.

    Attributes:
        start: the first sample of the window in the clip.
        stop: the sample after the last one.
        core_start: the first frame of the core, counted from the first frame of the window.
        core_stop: the frame after the last one of the core.
    """

    start: int
    stop: int
    core_start: int
    core_stop: int


def plan_windows(n_samples: int, grid: FrameGrid) -> list[Window]:
    """The windows of a clip, whose cores together are all frames of the clip, in order, each exactly once.

    The cores are as equal in length as possible, so that the windows of a clip fill batches without padding.

    Args:
        n_samples: length of the clip, at least one receptive field.
        grid: the frame grid of the model.
    """
    n_frames = grid.n_frames(n_samples)
    if n_samples <= SINGLE_PASS_MAX_S * SAMPLE_RATE_HZ:
        return [Window(0, n_samples, 0, n_frames)]
    context = max(1, round(CONTEXT_S / grid.frame_s))
    longest_core = max(1, round(WINDOW_MAX_S / grid.frame_s) - 2 * context)
    n_windows = -(-n_frames // longest_core)
    bounds = [index * n_frames // n_windows for index in range(n_windows + 1)]
    windows = []
    for core_start, core_stop in pairwise(bounds):
        first = max(0, core_start - context)
        last = min(n_frames, core_stop + context) - 1
        windows.append(
            Window(
                start=first * grid.stride,
                stop=last * grid.stride + grid.receptive_field,
                core_start=core_start - first,
                core_stop=core_stop - first,
            )
        )
    return windows
