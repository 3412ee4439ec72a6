"""Cuts long audio into windows whose frames can be joined again, by the arithmetic of the feature encoder alone.

Without padding, frame `t` of a stack of convolutions depends on the samples from `t * stride` to
`t * stride + receptive_field`. So if a window starts at a multiple of `stride`, its frames are aligned with those of
the whole clip, and the frames of neighbouring windows can be joined exactly.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise

SAMPLE_RATE_HZ = 16_000
SINGLE_PASS_MAX_S = 40.0
"""A clip up to this length goes through the model as a whole, as in Hugging Face's code."""
WINDOW_MAX_S = 30.0
"""Length of a window of a longer clip, including its context; models are trained on clips of up to about 20 s."""
CONTEXT_S = 2.0
"""Extra audio on each side of a window, whose frames are computed as context but not kept."""
PAUSE_SEARCH_S = 2.0
"""Windows meet in the longest pause within this time of where windows of equal length would meet."""


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


def is_long(n_samples: int) -> bool:
    """Whether a clip of this length goes through the model in several windows, or without its silence."""
    return n_samples > SINGLE_PASS_MAX_S * SAMPLE_RATE_HZ


def whole_clip(n_samples: int, grid: FrameGrid) -> Window:
    """The only window of a clip that is not long; it has at least one receptive field."""
    return Window(0, n_samples, 0, grid.n_frames(n_samples))


def plan_windows(parts: Sequence[slice], grid: FrameGrid, quietest: Callable[[int, int], int]) -> list[Window]:
    """The windows of a long clip, in order, whose cores together are all frames of its parts, each exactly once.

    The cores are as equal in length as the pauses allow, so that the windows of a clip fill batches with little
    padding.

    Args:
        parts: what goes through the model, in samples of the clip, in order; they do not overlap, and each has at least
            one receptive field. No window has samples of two parts.
        grid: the frame grid of the model.
        quietest: where it is best to cut between two samples: in the middle of a pause.
    """
    return [window for part in parts for window in _windows_of_part(part, grid, quietest)]


def _windows_of_part(part: slice, grid: FrameGrid, quietest: Callable[[int, int], int]) -> list[Window]:
    begin, end = -(-part.start // grid.stride), grid.n_frames(part.stop)  # in frames of the clip
    context = max(1, round(CONTEXT_S / grid.frame_s))
    search = round(PAUSE_SEARCH_S / grid.frame_s)
    longest_core = max(1, round(WINDOW_MAX_S / grid.frame_s) - 2 * context)
    bounds = [begin, end]
    if end - begin > longest_core + 2 * context:
        n_windows = -(-(end - begin) // max(1, longest_core - 2 * search))
        bounds = [begin + index * (end - begin) // n_windows for index in range(n_windows + 1)]
        for index, frame in enumerate(bounds[1:-1], start=1):
            cut = quietest((frame - search) * grid.stride, (frame + search) * grid.stride) // grid.stride
            bounds[index] = min(max(cut, bounds[index - 1] + 1), bounds[index + 1] - 1)
    windows = []
    for core_start, core_stop in pairwise(bounds):
        first = max(begin, core_start - context)
        last = min(end, core_stop + context) - 1
        windows.append(
            Window(
                start=first * grid.stride,
                stop=last * grid.stride + grid.receptive_field,
                core_start=core_start - first,
                core_stop=core_stop - first,
            )
        )
    return windows
