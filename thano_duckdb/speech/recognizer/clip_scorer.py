"""What a `CtcRecognizer` needs of a network, whether torch or OpenVINO runs it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from thano_duckdb.monitoring.monitor import Monitor
from thano_duckdb.speech.decoding.decoder import FrameScores
from thano_duckdb.speech.decoding.vocabulary import Vocabulary
from thano_duckdb.speech.device import Device
from thano_duckdb.speech.windows import FrameGrid

from .level import Level

ClipFeatures = Any
"""The input of a network for one clip, or for one window of it: `Features`, or `LogMelFeatures` for a network
that reads these."""


class ClipScorer(Protocol):
    """A loaded network: an `AcousticModel` or an `OpenVinoModel`. Any thread may call it.

    Attributes:
        vocabulary: the meaning of its labels.
        grid: receptive field and stride of its frames.
        device: the device on which it runs.
        fingerprint: identifies the files of the checkpoint and the precision; not the device, which must not matter.
        min_samples: the length of the shortest clip.
        row_samples: samples from one row of the features of a clip to the next; 1 where these are the samples.
        max_clips: the most clips in a batch; None for no such limit.
    """

    vocabulary: Vocabulary
    grid: FrameGrid
    device: Device
    fingerprint: str
    min_samples: int
    row_samples: int
    max_clips: int | None

    @property
    def max_passes(self) -> int | None:
        """How many passes run at a time, at most; None for as many as there are cores."""

    @property
    def max_batch_samples(self) -> int:
        """The highest cost of a batch (see `plan_batches`) to start with on this device."""

    def in_language(self, folder: Path, language: str) -> ClipScorer:
        """The same network in another language of its checkpoint, which is in `folder`.

        Raises:
            ModelError: the checkpoint lacks the language, or its file is damaged.
        """

    def features(self, samples: NDArray[np.float32], *, level: Level = "robust") -> ClipFeatures:
        """The input of the network for a clip.

        Args:
            samples: the whole clip, mono at 16 kHz, at least `min_samples`.
            level: see `features.features`.
        """

    def forward(
        self, batch: Sequence[ClipFeatures], monitor: Monitor, *, labels_per_frame: int | None = 1
    ) -> list[FrameScores]:
        """The scores of each clip of a batch.

        Args:
            batch: clips or windows of clips.
            monitor: asked meanwhile whether to stop.
            labels_per_frame: how many of the most likely labels of each frame to return; None for all.

        Raises:
            OutOfMemory: the batch does not fit in the memory of the device.
            Cancelled: `monitor` was cancelled, possibly during the pass.
            RuntimeError: the network fails on the batch.
        """


def most_likely(logits: Tensor, n_labels: int | None) -> tuple[Tensor, Tensor]:
    """The most likely labels of each frame, the first one first, and their log-probabilities.

    Args:
        logits: (batch, frames, labels) float32.
        n_labels: how many of each frame; None for all.

    Returns:
        Labels, int16 unless there are too many, and natural logarithms, both (batch, frames, n_labels).
    """
    n_outputs = logits.shape[-1]
    if n_labels == 1:
        best, ids = logits.max(dim=-1, keepdim=True)  # several times faster than `topk`
    else:
        best, ids = logits.topk(n_outputs if n_labels is None else min(n_labels, n_outputs), dim=-1)
    small = torch.int16 if n_outputs <= torch.iinfo(torch.int16).max else torch.int32
    return ids.to(small), best - logits.logsumexp(dim=-1, keepdim=True)
