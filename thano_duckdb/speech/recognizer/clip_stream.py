"""The clips of a batch end to end in one stream of samples, as the feature encoder reads them.

Without padding, a frame depends on its receptive field alone. So clips may stand behind each other, each at a multiple
of the model's stride, with just enough between them that no frame of one hears another; only the frames of the result
are padded, where the clips stand side by side for attention.
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
    """A batch.

    Attributes:
        samples: all clips, (1, n_samples) float32, on the host.
        starts: first frame of each clip in the stream.
        n_frames: frames of each clip.
        moments: of each clip (see `features`).
        rows: (batch, longest) int64, on the host: the stream's frame at each place of the padded batch, any in its
            padding.
        frame_mask: (batch, longest) bool, on the host: True for the frames of each clip; None where none is padded.
    """

    samples: Tensor
    starts: tuple[int, ...]
    n_frames: tuple[int, ...]
    moments: tuple[Moments | None, ...]
    rows: Tensor
    frame_mask: Tensor | None

    @classmethod
    def of(cls, batch: Sequence[Features], grid: FrameGrid, *, pinned: bool = False) -> ClipStream:
        """Put clips behind each other.

        Args:
            batch: clips, each at least one receptive field long.
            grid: frames of the model.
            pinned: in memory from which a GPU copies by itself.
        """
        n_frames = tuple(grid.n_frames(len(clip.samples)) for clip in batch)
        # The last frame of a clip reaches this many frames beyond its own stride.
        gap = -(-(grid.receptive_field - grid.stride) // grid.stride)
        starts, end = [], 0
        for count in n_frames:
            starts.append(end)
            end += count + gap
        n_samples = (starts[-1] + n_frames[-1] - 1) * grid.stride + grid.receptive_field
        samples = torch.empty(1, n_samples, pin_memory=pinned)
        row, filled = samples[0].numpy(), 0
        for clip, start, count in zip(batch, starts, n_frames, strict=True):
            begin = start * grid.stride
            stop = begin + (count - 1) * grid.stride + grid.receptive_field
            row[filled:begin] = 0
            row[begin:stop] = clip.samples[: stop - begin]  # what no frame hears stays behind
            filled = stop
        places, lengths = torch.arange(max(n_frames)), torch.tensor(n_frames)[:, None]
        rows = torch.tensor(starts)[:, None] + places.minimum(lengths - 1)
        frame_mask = None if min(n_frames) == max(n_frames) else places < lengths
        if pinned:
            rows = rows.pin_memory()
            frame_mask = None if frame_mask is None else frame_mask.pin_memory()
        return cls(samples, tuple(starts), n_frames, tuple(clip.moments for clip in batch), rows, frame_mask)

    @property
    def n_stream_frames(self) -> int:
        """Frames of the stream, those between two clips included."""
        return self.starts[-1] + self.n_frames[-1]

    def clips_within(self, first: int, last: int) -> list[tuple[int, int]]:
        """The number and the first frame of each clip that has, or is followed by, a frame in `first .. last - 1`."""
        return [
            (clip, self.starts[clip])
            for clip in range(bisect_right(self.starts, first) - 1, bisect_left(self.starts, last))
        ]
