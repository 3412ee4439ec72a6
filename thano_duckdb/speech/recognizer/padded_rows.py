"""Stacks the log-mel features of the clips of a batch, with a mask of what the network attends to."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from .log_mel import LogMelFeatures


@dataclass(frozen=True)
class PaddedRows:
    """A batch of clips.

    Attributes:
        rows: (batch, longest, values) float32, on the host; zeros where a clip is padded.
        mask: (batch, longest) bool, on the host: True for the valid rows of each clip; None if all are.
        n_rows: (batch,) int64, on the host: the number of rows of each clip.
        n_frames: the number of frames that the network gives for each clip.
    """

    rows: Tensor
    mask: Tensor | None
    n_rows: Tensor
    n_frames: tuple[int, ...]

    @classmethod
    def of(cls, batch: Sequence[LogMelFeatures], subsampling: int, *, pinned: bool = False) -> PaddedRows:
        """Stack clips.

        Args:
            batch: the clips.
            subsampling: rows that the network reduces to a frame.
            pinned: whether to use page-locked memory, from which a GPU can copy asynchronously.
        """
        n_rows = [len(clip.rows) for clip in batch]
        rows = torch.zeros(len(batch), max(n_rows), batch[0].rows.shape[1], pin_memory=pinned)
        for row, clip in zip(rows, batch, strict=True):
            row[: len(clip.rows)] = torch.from_numpy(clip.rows)
        n_valid = torch.tensor([clip.n_valid for clip in batch])
        mask = None if n_valid.min() == max(n_rows) else torch.arange(max(n_rows)) < n_valid[:, None]
        if mask is not None and pinned:
            mask = mask.pin_memory()
        return cls(rows, mask, torch.tensor(n_rows), tuple((count - 1) // subsampling + 1 for count in n_rows))
