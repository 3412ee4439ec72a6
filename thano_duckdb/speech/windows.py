"""Long audio in windows that join on frames. Pure arithmetic over the convolutions of the feature encoder.

Without padding, frame `t` of a stack of convolutions sees the samples from `t * stride` up to
`t * stride + receptive_field`. So a window that starts at a multiple of `stride` has the frames of the whole clip, at
the same places, and the frames of its neighbours join its own exactly.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

SAMPLE_RATE_HZ = 16_000
SINGLE_PASS_MAX_S = 40.0
"""Up to here a clip goes through the model whole, as Hugging Face's code would do it."""
WINDOW_MAX_S = 30.0
"""Length of a window of a longer clip, its context included; models are trained on clips of up to about 20 s."""
CONTEXT_S = 2.0
"""What a window hears on each side beyond the frames that are kept of it."""


@dataclass(frozen=True)
class FrameGrid:
    """How the frames of a feature encoder lie over the samples, both numbers in samples."""

    receptive_field: int
    stride: int

    @classmethod
    def of_convolutions(cls, kernels: Sequence[int], strides: Sequence[int]) -> FrameGrid:
        """The grid of a stack of convolutions without padding, first to last."""
        receptive_field, stride = 1, 1
        for kernel, step in zip(kernels, strides, strict=True):
            receptive_field += (kernel - 1) * stride
            stride *= step
        return cls(receptive_field, stride)

    def n_frames(self, n_samples: int) -> int:
        """Frames of `n_samples` samples: 0 where they are fewer than the receptive field."""
        return max(0, (n_samples - self.receptive_field) // self.stride + 1)

    @property
    def frame_s(self) -> float:
        """Seconds from a frame to the next."""
        return self.stride / SAMPLE_RATE_HZ


@dataclass(frozen=True)
class Window:
    """A stretch of a clip that goes through the model by itself.

    Attributes:
        start: first sample of the clip that the window hears.
        stop: the sample after its last.
        core_start: first frame of the window that is kept, counted from the window's own first frame.
        core_stop: the frame after the last that is kept.
    """

    start: int
    stop: int
    core_start: int
    core_stop: int


def plan_windows(n_samples: int, grid: FrameGrid) -> list[Window]:
    """The windows of a clip: their cores are all frames of the clip, in order, each exactly once.

    Cores are as equal as can be, so that the windows of a clip fill batches without padding.

    Args:
        n_samples: length of the clip, at least one receptive field.
        grid: frames of the model.
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
