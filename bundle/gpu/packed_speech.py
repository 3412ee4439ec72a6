"""Speech from pack.py, all of it decoded in the memory of a GPU."""

from __future__ import annotations

import csv
import io
import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import soundfile
import torch
from numpy.typing import NDArray
from torch import Tensor

from bundle.gpu.augmentation import disturb
from bundle.gpu.batches import RATE_HZ, RECEPTIVE_FIELD, STRIDE, Draw, n_frames
from bundle.gpu.teacher import FRAMES_PER_S, SIZE, Teacher

TEACHER_BATCH = 64


@dataclass(frozen=True)
class Batch:
    """What one step is computed from.

    Attributes:
        audio: (batch, n_samples) float32, each clip with mean 0 and variance 1, then zeros.
        n_samples: of each clip.
        targets: the teacher's states at the frames of the model, (batch, frames, 512).
        has_target: (batch, frames): whether the teacher heard something there.
        labels: of all clips one after the other.
        n_labels: of each clip.
        inside: (batch, frames): whether the frame belongs to the clip.
    """

    audio: Tensor
    n_samples: list[int]
    targets: Tensor | None
    has_target: Tensor | None
    labels: Tensor
    n_labels: list[int]
    inside: Tensor

    @property
    def n_frames(self) -> list[int]:
        """Frames of each clip."""
        return [n_frames(n) for n in self.n_samples]


class PackedSpeech:
    """All clips."""

    def __init__(self, pack: Path, device: str, n_clips: int | None = None) -> None:
        """Decode the clips of a folder; only some of each part if `n_clips` is given."""
        self.device = torch.device(device)
        contents = {path.name: np.memmap(path, mode="r") for path in pack.glob("clips-*.bin")}
        with (pack / "clips.csv").open(newline="") as file:
            self.rows = [row for row in csv.DictReader(file) if row["file"] in contents]
        if n_clips is not None:
            self.rows = self.rows[:: max(1, len(self.rows) // n_clips)]

        def decode(row: dict[str, str]) -> NDArray[np.int16]:
            start = int(row["offset"])
            content = contents[row["file"]][start : start + int(row["n_bytes"])].tobytes()
            samples, rate_hz = soundfile.read(io.BytesIO(content), dtype="int16")
            if rate_hz == RATE_HZ:
                return np.asarray(samples, np.int16)
            positions = np.arange(int(len(samples) * RATE_HZ / rate_hz)) * rate_hz / RATE_HZ
            return np.interp(positions, np.arange(len(samples)), samples).astype(np.int16)

        with ThreadPoolExecutor(os.cpu_count()) as pool:
            clips = list(pool.map(decode, self.rows))
        self.lengths = [len(clip) for clip in clips]
        self.starts = np.concatenate([[0], np.cumsum(self.lengths)[:-1]])
        self.samples = torch.from_numpy(np.concatenate(clips)).to(self.device)
        self.labels = [[int(label) for label in row["labels"].split()] for row in self.rows]
        self.states = torch.zeros(0, SIZE, dtype=torch.float16, device=self.device)
        self.state_starts = np.zeros(len(clips), np.int64)
        self.state_counts = np.zeros(len(clips), np.int64)

    def clip(self, index: int) -> Tensor:
        """(n_samples,) int16."""
        return self.samples[self.starts[index] : self.starts[index] + self.lengths[index]]

    def ask(self, teacher: Teacher, indexes: Sequence[int]) -> None:
        """Keep the teacher's states of these clips, without the mean of each position, scaled to variance 1."""
        found: list[Tensor] = []
        for first in range(0, len(indexes), TEACHER_BATCH):
            found += teacher.states([self.clip(index) for index in indexes[first : first + TEACHER_BATCH]])
        counts = np.array([len(states) for states in found])
        self.state_counts[list(indexes)] = counts
        self.state_starts[list(indexes)] = np.concatenate([[0], np.cumsum(counts)[:-1]])
        self.states = torch.cat(found)
        positions = torch.from_numpy(np.concatenate([np.arange(n) for n in counts])).to(self.device)
        sums = torch.zeros(int(counts.max()), SIZE, device=self.device)
        n_at = torch.zeros(int(counts.max()), 1, device=self.device)
        for first in range(0, len(positions), 500_000):
            part = positions[first : first + 500_000]
            sums.index_add_(0, part, self.states[first : first + 500_000].float())
            n_at.index_add_(0, part, torch.ones(len(part), 1, device=self.device))
        overall = sums.sum(0) / n_at.sum()
        means = (sums + 50 * overall) / (n_at + 50)  # few clips are long
        for first in range(0, len(positions), 500_000):
            self.states[first : first + 500_000] -= means[positions[first : first + 500_000]].half()
        parts = torch.split(self.states, 500_000)
        deviation = torch.stack([part.float().square().mean(0) for part in parts]).mean(0).sqrt()
        for part in parts:
            part /= deviation.half()

    def batch(self, draws: Sequence[Draw], frames: int, *, strength: float | None, with_targets: bool) -> Batch:
        """These clips, padded to as many samples as `frames` frames need, and disturbed unless `strength` is None."""
        n_samples = (frames - 1) * STRIDE + RECEPTIVE_FIELD
        indexes = [draw.index for draw in draws]
        starts = self._column(self.starts[indexes])
        lengths_here = self._column(np.array([self.lengths[index] for index in indexes]))
        speed = self._column(np.array([draw.speed for draw in draws]))
        offset = self._column(np.array([draw.before for draw in draws]))
        n_here = self._column(np.array([min(draw.n_samples, n_samples) for draw in draws]))
        positions = (torch.arange(n_samples, device=self.device)[None] - offset) * speed  # in the original
        whole = positions.floor().long()
        in_clip = (whole >= 0) & (whole < lengths_here - 1)
        whole = torch.where(in_clip, whole, 0)
        share = (positions - whole).float().clamp(0, 1)
        left, right = self.samples[starts + whole].float(), self.samples[starts + whole + 1].float()
        audio = torch.where(in_clip, left + share * (right - left), 0.0)
        inside = torch.arange(n_samples, device=self.device)[None] < n_here
        if strength is not None:
            audio = disturb(audio, inside, strength)
        mean = audio.sum(1, keepdim=True) / n_here
        audio = (audio - mean) * inside
        audio = audio / (audio.square().sum(1, keepdim=True) / n_here + 1e-7).sqrt()
        labels = [self.labels[index] for index in indexes]
        targets = has_target = None
        if with_targets:
            targets, has_target = self._targets(indexes, frames, speed, offset)
        joined = self._moved(torch.tensor([label for clip in labels for label in clip], dtype=torch.long))
        counts = [min(draw.n_samples, n_samples) for draw in draws]
        n_frames_here = self._column(np.array([n_frames(count) for count in counts]))
        frames_inside = torch.arange(frames, device=self.device)[None] < n_frames_here
        return Batch(audio, counts, targets, has_target, joined, [len(clip) for clip in labels], frames_inside)

    def _column(self, values: NDArray[np.generic]) -> Tensor:  # (batch, 1)
        return self._moved(torch.from_numpy(values))[:, None]

    def _moved(self, values: Tensor) -> Tensor:
        """On the device; the next batch is prepared while the GPU still computes, so nothing here waits for it."""
        return values.pin_memory().to(self.device, non_blocking=True) if self.device.type == "cuda" else values

    def _targets(self, indexes: Sequence[int], frames: int, speed: Tensor, offset: Tensor) -> tuple[Tensor, Tensor]:
        centres = torch.arange(frames, device=self.device)[None] * STRIDE + RECEPTIVE_FIELD / 2
        positions = (centres - offset) * speed * (FRAMES_PER_S / RATE_HZ) - 0.5
        starts = self._column(self.state_starts[list(indexes)])
        last = self._column(self.state_counts[list(indexes)] - 1)
        has_target = (positions >= 0) & (positions <= last)
        positions = torch.minimum(positions.clamp(min=0), last)
        left = positions.floor().long()
        share = (positions - left)[..., None].to(torch.bfloat16)
        first, second = self.states[starts + left], self.states[starts + torch.minimum(left + 1, last)]
        return first.bfloat16() * (1 - share) + second.bfloat16() * share, has_target
