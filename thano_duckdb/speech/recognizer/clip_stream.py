"""Concatenates the clips of a batch into one stream of samples for the feature encoder.

Without padding, a frame depends only on the samples in its receptive field. So clips can follow each other in one
stream, each starting at a multiple of the model's stride, with gaps just long enough that no frame of a clip overlaps
another clip. Only the resulting frames are padded, when the clips are stacked into a batch for the attention layers.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from thano_duckdb.speech.windows import FrameGrid

from .features import Features, Moments


@dataclass(frozen=True)
class ClipStream:
    """A batch of clips as one stream.

    Attributes:
        samples: all clips, (1, n_samples) float32, on the host.
        starts: the first frame of each clip in the stream.
        n_frames: the number of frames of each clip.
        moments: the moments of each clip (see `features`).
        rows: (batch, longest) int64, on the host: which frame of the stream goes to each position of the padded batch;
            arbitrary where the batch is padded.
        frame_mask: (batch, longest) bool, on the host: True for the frames of each clip; None if nothing is padded.
    """

    samples: Tensor
    starts: tuple[int, ...]
    n_frames: tuple[int, ...]
    moments: tuple[Moments | None, ...]
    rows: Tensor
    frame_mask: Tensor | None

    @classmethod
    def of(cls, batch: Sequence[Features], grid: FrameGrid, *, pinned: bool = False) -> ClipStream:
        """Concatenate clips.

        Args:
            batch: the clips, each at least one receptive field long.
            grid: the frame grid of the model.
            pinned: whether to use page-locked memory, from which a GPU can copy asynchronously.
        """
        n_frames = tuple(grid.n_frames(len(clip.samples)) for clip in batch)
        # The receptive field of the last frame of a clip extends this many frames beyond its own stride.
        gap = -(-(grid.receptive_field - grid.stride) // grid.stride)
        starts, end = [], 0
        for count in n_frames:
            starts.append(end)
            end += count + gap
        n_samples = (starts[-1] + n_frames[-1] - 1) * grid.stride + grid.receptive_field
        samples = torch.empty(1, n_samples, pin_memory=pinned)
        values, filled = samples[0].numpy(), 0
        for clip, start, count in zip(batch, starts, n_frames, strict=True):
            begin = start * grid.stride
            stop = begin + (count - 1) * grid.stride + grid.receptive_field
            values[filled:begin] = 0
            values[begin:stop] = clip.samples[: stop - begin]  # without samples after the last whole frame
            filled = stop
        positions, lengths = torch.arange(max(n_frames)), torch.tensor(n_frames)[:, None]
        rows = torch.tensor(starts)[:, None] + positions.minimum(lengths - 1)
        frame_mask = None if min(n_frames) == max(n_frames) else positions < lengths
        if pinned:
            rows = rows.pin_memory()
            frame_mask = None if frame_mask is None else frame_mask.pin_memory()
        return cls(samples, tuple(starts), n_frames, tuple(clip.moments for clip in batch), rows, frame_mask)

    @property
    def n_stream_frames(self) -> int:
        """The number of frames of the stream, including those in the gaps between clips."""
        return self.starts[-1] + self.n_frames[-1]

    def clips_within(self, first: int, last: int) -> list[tuple[int, int]]:
        """Index and first frame of each clip that, with the gap after it, overlaps the frames `first .. last - 1`."""
        return [
            (clip, self.starts[clip])
            for clip in range(bisect_right(self.starts, first) - 1, bisect_left(self.starts, last))
        ]
