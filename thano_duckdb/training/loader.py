"""Prepares batches in threads, ahead of the network: decodes, augments, standardises and pads clips."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Protocol

import numpy as np
import torch
from numpy.typing import NDArray

from thano_duckdb.audio.decode import AudioFailure
from thano_duckdb.errors import AudioError
from thano_duckdb.monitoring.monitor import Monitor
from thano_duckdb.speech.readahead import ReadAhead
from thano_duckdb.speech.recognizer.features import Features

from .audio_store import AudioStore
from .augment import choose_augmentation, n_samples_at
from .network import CtcNetwork
from .utterances import Utterance, Utterances

Batch = dict[str, Any]
"""A batch as Hugging Face's Trainer moves it to the device: see `BatchLoader`."""

PREFETCH_BYTES = 256 * 1024 * 1024
_N_THREADS = 4
PAD_TO_SAMPLES = 1600
"""Batches are padded to a multiple of this length, and long batches to a coarser one: see `padded_length`."""
_STEPS_PER_OCTAVE = 8
IGNORED_LABEL = -100
"""Fills the padding of labels, as in Hugging Face's models."""


class BatchPlan(Protocol):
    """The batches of each epoch."""

    n_batches: int

    def batches(self, epoch: int) -> list[list[int]]:
        """The indices of the utterances of each batch."""


class BatchLoader:
    """Iterates over the batches of the epoch that was set by `set_epoch`.

    A batch holds `input_values` (batch, samples) float32; `sample_mask` (batch, samples) int64 and `frame_mask`
    (batch, frames) bool, both None if no clip is padded; `labels` (batch, labels) int64, padded with -100;
    `moments`, one per clip (see `features`); `audio_s`, the duration of the clips before augmentation.
    """

    def __init__(
        self,
        utterances: Utterances,
        plan: BatchPlan,
        network: CtcNetwork,
        store: AudioStore,
        *,
        seed: int | None,
        monitor: Monitor,
    ) -> None:
        """Load `utterances` in the batches of `plan`, and augment them if there is a `seed`."""
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
            max_bytes=PREFETCH_BYTES,
            n_threads=_N_THREADS,
            monitor=self._monitor,
        ) as batches:
            for batch in batches:
                yield batch
                batches.release(_n_bytes(batch))

    def _load(self, indices: Sequence[int]) -> Batch:
        chosen = [self.dataset[index] for index in indices]
        clips = [self._features(index, utterance) for index, utterance in zip(indices, chosen, strict=True)]
        n_samples = [len(clip.samples) for clip in clips]
        n_padded = padded_length(max(n_samples))
        values = np.zeros((len(clips), n_padded), np.float32)
        labels = np.full((len(clips), max(len(utterance.labels.ids) for utterance in chosen)), IGNORED_LABEL, np.int64)
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
            "audio_s": self._network.seconds(sum(utterance.n_samples for utterance in chosen)),
        }

    def _features(self, index: int, utterance: Utterance) -> Features:
        samples = self._store.read(utterance.row, lambda: utterance.source)
        if isinstance(samples, AudioFailure):
            raise AudioError(
                f"{utterance.example.location} could be read when the build started, but not any more: {samples.reason}"
            )
        return self._network.features(self._augmented(index, utterance, samples))

    def _augmented(self, index: int, utterance: Utterance, samples: NDArray[np.float32]) -> NDArray[np.float32]:
        if self._seed is None:
            return samples
        augmentation = choose_augmentation(self._seed, self._epoch, index)
        n_frames = self._network.grid.n_frames(n_samples_at(len(samples), augmentation.speed) - 1)
        fits = n_frames >= utterance.labels.n_frames_needed
        return augmentation.apply(samples, change_speed=fits)


def padded_length(n_samples: int) -> int:
    """The length to which to pad a batch whose longest clip has `n_samples`: at most an eighth more, beyond 1.6 s.

    On the CPU, oneDNN compiles and caches code for each shape that it meets. So we use few shapes: if every batch had
    its own, a step would take a tenth longer, and the process would grow by gigabytes.
    """
    units = -(-n_samples // PAD_TO_SAMPLES)
    step = max(1, (1 << (units - 1).bit_length()) // 2 // _STEPS_PER_OCTAVE)
    return -(-units // step) * step * PAD_TO_SAMPLES


def _n_bytes(batch: Batch) -> int:
    size: int = batch["input_values"].nbytes
    return size
