"""Batches for the network, made by threads ahead of it: decode, augment, standardise, pad."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Protocol

import numpy as np
import torch
from numpy.typing import NDArray

from thano_duckdb.audio.decode import AudioFailure
from thano_duckdb.errors import AudioError, brief_location
from thano_duckdb.monitoring.monitor import Monitor
from thano_duckdb.speech.readahead import ReadAhead
from thano_duckdb.speech.recognizer.features import Features

from .audio_store import AudioStore
from .augment import choose_augmentation, n_samples_at
from .corpus import Utterance
from .network import CtcNetwork

Batch = dict[str, Any]
"""What Hugging Face's Trainer moves to the device and hands on: see `BatchLoader`."""

AHEAD_BYTES = 256 * 1024 * 1024
_THREADS = 4
PAD_TO_SAMPLES = 1600
"""Batches are padded to a multiple of this, and long ones to coarser multiples: see `padded_length`."""
_STEPS_PER_OCTAVE = 8
IGNORED_LABEL = -100
"""Padding of labels, as in Hugging Face's models."""


class BatchPlan(Protocol):
    """Which utterances are together in the batches of an epoch."""

    n_batches: int

    def batches(self, epoch: int) -> list[list[int]]:
        """Indices of utterances, batch by batch."""


class BatchLoader:
    """Iterates over the batches of the epoch that `set_epoch` named.

    A batch holds `input_values` (batch, samples) float32; `sample_mask` (batch, samples) int64 and `frame_mask`
    (batch, frames) bool, both None where no clip is padded; `labels` (batch, labels) int64, padded with -100;
    `moments`, one per clip (see `features`); `audio_s`, the length of the clips as they were recorded.
    """

    def __init__(
        self,
        utterances: Sequence[Utterance],
        plan: BatchPlan,
        network: CtcNetwork,
        store: AudioStore,
        *,
        seed: int | None,
        monitor: Monitor,
    ) -> None:
        """Load `utterances` in the batches of `plan`; with a `seed`, augmented."""
        self.dataset = utterances  # Trainer asks for its length
        self._plan = plan
        self._network = network
        self._store = store
        self._seed = seed
        self._monitor = monitor
        self._epoch = 0

    def __len__(self) -> int:
        return self._plan.n_batches

    def set_epoch(self, epoch: int) -> None:
        """Choose the epoch, from 0."""
        self._epoch = epoch

    def __iter__(self) -> Iterator[Batch]:
        with ReadAhead(
            self._load,
            self._plan.batches(self._epoch),
            n_bytes=_n_bytes,
            max_bytes=AHEAD_BYTES,
            n_threads=_THREADS,
            monitor=self._monitor,
        ) as batches:
            for batch in batches:
                yield batch
                batches.release(_n_bytes(batch))

    def _load(self, indices: Sequence[int]) -> Batch:
        chosen = [self.dataset[index] for index in indices]
        clips = [self._features(index) for index in indices]
        n_samples = [len(clip.samples) for clip in clips]
        n_padded = padded_length(max(n_samples))
        values = np.zeros((len(clips), n_padded), np.float32)
        labels = np.full((len(clips), max(len(each.labels.ids) for each in chosen)), IGNORED_LABEL, np.int64)
        for row, (clip, utterance) in enumerate(zip(clips, chosen, strict=True)):
            values[row, : len(clip.samples)] = clip.samples
            labels[row, : len(utterance.labels.ids)] = utterance.labels.ids
        sample_mask, frame_mask = self._network.masks(n_samples, n_padded)
        return {
            "input_values": torch.from_numpy(values),
            "sample_mask": sample_mask,
            "frame_mask": frame_mask,
            "labels": torch.from_numpy(labels),
            "moments": [clip.moments for clip in clips],
            "audio_s": self._network.seconds(sum(each.n_samples for each in chosen)),
        }

    def _features(self, index: int) -> Features:
        utterance = self.dataset[index]
        samples = self._store.read(utterance.key, utterance.source)
        if isinstance(samples, AudioFailure):
            raise AudioError(
                f"{brief_location(utterance.source.location)} could be read when the build started "
                f"and cannot be now: {samples.reason}"
            )
        return self._network.features(self._augmented(index, samples))

    def _augmented(self, index: int, samples: NDArray[np.float32]) -> NDArray[np.float32]:
        if self._seed is None:
            return samples
        augmentation = choose_augmentation(self._seed, self._epoch, index)
        n_frames = self._network.grid.n_frames(n_samples_at(len(samples), augmentation.speed) - 1)
        fits = n_frames >= self.dataset[index].labels.n_frames_needed
        return augmentation.apply(samples, change_speed=fits)


def padded_length(n_samples: int) -> int:
    """The length to which a batch is padded whose longest clip has `n_samples`: at most an eighth more, beyond 1.6 s.

    On the CPU oneDNN prepares, and keeps, code for each shape that it meets. So there are few: with a shape of its own
    for every batch a step takes a tenth longer, and the process grows by gigabytes.
    """
    units = -(-n_samples // PAD_TO_SAMPLES)
    step = max(1, (1 << (units - 1).bit_length()) // 2 // _STEPS_PER_OCTAVE)
    return -(-units // step) * step * PAD_TO_SAMPLES


def _n_bytes(batch: Batch) -> int:
    size: int = batch["input_values"].nbytes
    return size
