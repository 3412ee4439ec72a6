"""The `Recognizer` of CTC models: the windows of a clip are joined on frames, and a decoder turns them into text."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from thano_duckdb.errors import counted
from thano_duckdb.monitoring.monitor import Monitor
from thano_duckdb.speech.decoding.decoder import Decoder, FrameScores, Hypothesis
from thano_duckdb.speech.decoding.greedy import GreedyDecoder
from thano_duckdb.speech.decoding.vocabulary import Vocabulary
from thano_duckdb.speech.device import Device
from thano_duckdb.speech.windows import SAMPLE_RATE_HZ, plan_windows

from .acoustic_model import AcousticModel
from .features import Features
from .level import Level
from .recognizer import ClipFailure, PreparedClip


@dataclass(frozen=True)
class CtcWindow:
    """A part of a clip that goes through the model by itself.

    Attributes:
        features: its samples, a view into those of the clip, with the statistics of the whole clip.
        core: the frames that are kept; those around them are context.
    """

    features: Features
    core: slice


@dataclass(frozen=True)
class CtcRecognizer:
    """Implements `Recognizer` with an acoustic model.

    Attributes:
        model: the loaded checkpoint.
    """

    model: AcousticModel

    @property
    def device(self) -> Device:
        """See `Recognizer`."""
        return self.model.device

    @property
    def max_clips(self) -> int | None:
        """See `Recognizer`."""
        return self.model.max_clips

    @property
    def max_batch_samples(self) -> int:
        """See `Recognizer`."""
        return self.model.max_batch_samples

    @property
    def default_decoder(self) -> Decoder:
        """See `Recognizer`."""
        return GreedyDecoder()

    @property
    def vocabulary(self) -> Vocabulary:
        """See `Recognizer`."""
        return self.model.vocabulary

    def fingerprint(self, decoder: Decoder) -> str:
        """See `Recognizer`."""
        return f"{self.model.fingerprint}, {decoder.fingerprint}"

    def prepare(
        self, samples: NDArray[np.float32], *, level: Level = "robust"
    ) -> PreparedClip[CtcWindow] | ClipFailure:
        """See `Recognizer`."""
        n_samples, n_needed = len(samples), self.model.grid.receptive_field
        if n_samples < n_needed:
            return ClipFailure(
                f"It is too short: it has {counted(n_samples, 'sample')}, and the model needs at least {n_needed} "
                f"({1000 * n_needed / SAMPLE_RATE_HZ:g} ms)."
            )
        clip = self.model.features(samples, level=level)
        windows = tuple(
            CtcWindow(
                Features(clip.samples[window.start : window.stop], clip.moments),
                slice(window.core_start, window.core_stop),
            )
            for window in plan_windows(n_samples, self.model.grid)
        )
        return PreparedClip(windows, clip.samples.nbytes)

    def n_samples(self, window: CtcWindow) -> int:
        """See `Recognizer`."""
        return len(window.features.samples)

    def silence(self) -> CtcWindow:
        """See `Recognizer`."""
        samples = np.zeros(max(SAMPLE_RATE_HZ, self.model.grid.receptive_field), np.float32)
        return CtcWindow(self.model.features(samples), slice(None))

    def run(self, batch: Sequence[CtcWindow], decoder: Decoder, monitor: Monitor) -> list[FrameScores | ClipFailure]:
        """See `Recognizer`."""
        scores = self.model.forward(
            [window.features for window in batch], monitor, labels_per_frame=decoder.labels_per_frame
        )
        return [self._checked(window_scores) for window_scores in scores]

    def _checked(self, scores: FrameScores) -> FrameScores | ClipFailure:
        if np.isfinite(scores.log_probs).all():
            return scores
        return ClipFailure(f"The model's scores for it are not finite (NaN or infinite; {self.device}).")

    def join(self, clip: PreparedClip[CtcWindow], outputs: Sequence[FrameScores]) -> FrameScores:
        """See `Recognizer`."""
        if len(outputs) == 1:
            return outputs[0]
        cores = [window.core for window in clip.windows]
        return FrameScores(
            np.concatenate([scores.ids[core] for scores, core in zip(outputs, cores, strict=True)]),
            np.concatenate([scores.log_probs[core] for scores, core in zip(outputs, cores, strict=True)]),
        )

    def decode(self, outputs: Sequence[FrameScores], decoder: Decoder) -> list[Hypothesis]:
        """See `Recognizer`."""
        return decoder.decode(outputs, self.model.vocabulary, stride=self.model.grid.stride)
