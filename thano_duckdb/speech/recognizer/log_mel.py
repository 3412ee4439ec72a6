"""Log-mel features for the networks that read these instead of the waveform, computed as Hugging Face does for a clip.

wav2vec2-BERT reads Kaldi's filter banks (`SeamlessM4TFeatureExtractor`), two frames of 10 ms to a row; Parakeet reads
NeMo's (`ParakeetFeatureExtractor`). Both are normalised, for each mel bin, over the whole clip. Everything is computed
in float64 and block by block, so that the spectra of an hour of audio are never in memory.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from thano_duckdb.speech.windows import SAMPLE_RATE_HZ, FrameGrid

from .features import features
from .level import Level

HOP_SAMPLES = 160
WINDOW_SAMPLES = 400
N_FFT = 512
PREEMPHASIS = 0.97
BLOCK_FRAMES = 1024
ADAPTER_STRIDE = 2
"""Rows that each layer of an adapter of wav2vec2-BERT makes into one."""


@dataclass(frozen=True)
class LogMelFeatures:
    """The input of the network for one clip, or for one window of it.

    Attributes:
        rows: (rows, values).
        n_valid: how many of them the network attends to; another one may follow, which has an output all the same.
        row_samples: from one row to the next.
    """

    rows: NDArray[np.float32]
    n_valid: int
    row_samples: int

    @property
    def n_samples(self) -> int:
        """The length of the audio."""
        return len(self.rows) * self.row_samples

    @property
    def n_bytes(self) -> int:
        """The memory that they take."""
        return self.rows.nbytes

    def cut(self, start: int, stop: int, grid: FrameGrid) -> LogMelFeatures:
        """Those of a window, from one sample to another; the first is that of a frame."""
        first = start // self.row_samples
        rows = self.rows[first : first + max(1, (stop - start - grid.receptive_field) // self.row_samples + 1)]
        return LogMelFeatures(rows, min(len(rows), self.n_valid - first), self.row_samples)


@dataclass(frozen=True)
class LogMelInput:
    """How a family of networks reads a clip.

    Attributes:
        kind: `kaldi` or `nemo`.
        n_mels: mel bins.
        subsampling: rows that the network reduces to a frame.
    """

    kind: Literal["kaldi", "nemo"]
    n_mels: int
    subsampling: int = 1

    @property
    def row_samples(self) -> int:
        """From one row to the next."""
        return HOP_SAMPLES * self._stacked

    @property
    def grid(self) -> FrameGrid:
        """The frames that the network gives."""
        receptive_field = WINDOW_SAMPLES if self.kind == "kaldi" else HOP_SAMPLES
        return FrameGrid(receptive_field, self.row_samples * self.subsampling)

    @property
    def min_samples(self) -> int:
        """The shortest clip that can be normalised: it has two frames of the filter bank."""
        return (WINDOW_SAMPLES if self.kind == "kaldi" else HOP_SAMPLES) + HOP_SAMPLES

    @property
    def _stacked(self) -> int:
        return 2 if self.kind == "kaldi" else 1

    def features(self, samples: NDArray[np.float32], *, level: Level = "robust") -> LogMelFeatures:
        """The features of a clip.

        Args:
            samples: mono at 16 kHz, at least `min_samples`.
            level: see `features.features`.
        """
        samples = features(samples, normalize=False, convolution=None, level=level).samples
        frames = np.concatenate(list(self._log_mel(samples)))  # (frames, mel bins) float64
        centred = frames - frames.mean(axis=0)
        deviation = centred.std(axis=0, ddof=1)
        if self.kind == "kaldi":
            rows = centred / np.sqrt(np.square(deviation) + 1e-7)
        else:
            rows = centred / (deviation + 1e-5)
        n_valid, n_left = divmod(len(rows), self._stacked)
        rows = np.pad(rows, ((0, n_left), (0, 0))).astype(np.float32)
        return LogMelFeatures(rows.reshape(-1, self._stacked * self.n_mels), n_valid, self.row_samples)

    def _log_mel(self, samples: NDArray[np.float32]) -> Iterator[NDArray[np.float64]]:
        """The log-mel spectra of blocks of frames, (frames, mel bins)."""
        for frames in self._frames(samples):
            spectra = np.fft.rfft(frames * self._window, N_FFT)
            powers = np.square(spectra.real) + np.square(spectra.imag)
            mel = powers @ self._filters
            yield np.log(np.maximum(mel, 1.192092955078125e-07) if self.kind == "kaldi" else mel + 2**-24)

    def _frames(self, samples: NDArray[np.float32]) -> Iterator[NDArray[np.float64]]:
        """Blocks of frames, (frames, samples) float64, before the window."""
        if self.kind == "nemo":
            emphasised = samples.copy()
            emphasised[1:] -= np.float32(PREEMPHASIS) * samples[:-1]
            n_frames = len(samples) // HOP_SAMPLES
            samples = np.pad(emphasised, WINDOW_SAMPLES // 2)  # a frame lies around its first sample
        else:
            n_frames = (len(samples) - WINDOW_SAMPLES) // HOP_SAMPLES + 1
        views = sliding_window_view(samples, WINDOW_SAMPLES)[::HOP_SAMPLES][:n_frames]
        for start in range(0, n_frames, BLOCK_FRAMES):
            frames = views[start : start + BLOCK_FRAMES].astype(np.float64)
            if self.kind == "kaldi":
                frames *= 2**15  # Kaldi reads samples of 16 bits
                frames -= frames.mean(axis=1, keepdims=True)
                frames[:, 1:] -= PREEMPHASIS * frames[:, :-1]
                frames[:, 0] *= 1 - PREEMPHASIS
            yield frames

    @cached_property
    def _window(self) -> NDArray[np.float64]:
        hann = np.hanning(WINDOW_SAMPLES)
        return hann**0.85 if self.kind == "kaldi" else hann  # Povey's window

    @cached_property
    def _filters(self) -> NDArray[np.float64]:  # (frequencies, mel bins)
        from transformers.audio_utils import mel_filter_bank

        kaldi = self.kind == "kaldi"
        filters: NDArray[np.float64] = mel_filter_bank(
            num_frequency_bins=N_FFT // 2 + 1,
            num_mel_filters=self.n_mels,
            min_frequency=20.0 if kaldi else 0.0,
            max_frequency=SAMPLE_RATE_HZ / 2,
            sampling_rate=SAMPLE_RATE_HZ,
            norm=None if kaldi else "slaney",
            mel_scale="kaldi" if kaldi else "slaney",
            triangularize_in_mel_space=kaldi,
        ).astype(np.float64)
        return filters
