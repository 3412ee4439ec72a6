"""The `Recognizer` of CTC models: the windows of a clip are joined on frames, and a decoder turns them into text."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import KW_ONLY, dataclass

import numpy as np
from numpy.typing import NDArray

from thano_duckdb.errors import counted
from thano_duckdb.monitoring.monitor import Monitor
from thano_duckdb.speech.decoding.decoder import Decoder, FrameScores, Hypothesis
from thano_duckdb.speech.decoding.greedy import GreedyDecoder
from thano_duckdb.speech.decoding.vocabulary import Vocabulary
from thano_duckdb.speech.device import Device
from thano_duckdb.speech.loudness import Loudness
from thano_duckdb.speech.windows import SAMPLE_RATE_HZ, Window, is_long, plan_windows, whole_clip

from .clip_scorer import ClipFeatures, ClipScorer
from .level import Level
from .recognizer import ClipFailure, PreparedClip

IMPOSSIBLE = -100.0
"""Log-probability of every label but the best one in skipped silence; finite, so that nothing becomes NaN."""


@dataclass(frozen=True)
class CtcWindow:
    """A part of a clip that goes through the model by itself.

    Attributes:
        features: its part of those of the clip, normalised by the statistics of the whole clip.
        core: the frames that are kept; those around them are context.
        position: where they are among the frames of the clip.
    """

    features: ClipFeatures
    core: slice
    position: slice


@dataclass(frozen=True)
class CtcRecognizer:
    """Implements `Recognizer` with a network of CTC outputs.

    Attributes:
        model: the loaded checkpoint.
        notice: see `ModelDescription`.
    """

    model: ClipScorer
    _: KW_ONLY
    notice: str | None = None

    @property
    def device(self) -> Device:
        """See `Recognizer`."""
        return self.model.device

    @property
    def precision(self) -> str:
        """See `Recognizer`."""
        return self.model.device.arithmetic

    @property
    def hardware(self) -> str:
        """See `Recognizer`."""
        return self.model.device.described

    @property
    def max_clips(self) -> int | None:
        """See `Recognizer`."""
        return self.model.max_clips

    @property
    def max_passes(self) -> int | None:
        """See `Recognizer`."""
        return self.model.max_passes

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
        self, samples: NDArray[np.float32], *, skip_silence: bool = True, level: Level = "robust"
    ) -> PreparedClip[CtcWindow] | ClipFailure:
        """See `Recognizer`."""
        n_samples, n_needed = len(samples), self.model.min_samples
        if n_samples < n_needed:
            return ClipFailure(
                f"It is too short: it has {counted(n_samples, 'sample')}, and the model needs at least {n_needed} "
                f"({1000 * n_needed / SAMPLE_RATE_HZ:g} ms)."
            )
        grid = self.model.grid
        parts = [slice(0, n_samples)]
        windows = [whole_clip(n_samples, grid)]
        if is_long(n_samples):
            loudness = Loudness.of(samples)
            if skip_silence:
                parts = self._aligned(loudness.speech())
            windows = plan_windows(parts, grid, loudness.quietest)
        if not windows:
            return PreparedClip((), 0, n_samples)
        if parts != [slice(0, n_samples)]:
            samples = np.concatenate([samples[part] for part in parts])
        clip = self.model.features(samples, level=level)
        return PreparedClip(tuple(self._windows(clip, parts, windows)), clip.n_bytes, n_samples)

    def _aligned(self, parts: Sequence[slice]) -> list[slice]:
        """Parts that begin with a row of the input also when they follow each other."""
        step = self.model.row_samples
        starts = [-(-part.start // step) * step for part in parts]
        stops = [part.stop // step * step for part in parts[:-1]] + [part.stop for part in parts[-1:]]
        return [slice(*edges) for edges in zip(starts, stops, strict=True)]

    def _windows(self, clip: ClipFeatures, parts: Sequence[slice], windows: Sequence[Window]) -> Iterator[CtcWindow]:
        """The windows of a clip.

        Args:
            clip: of its `parts`, one after the other.
            parts: in samples of the clip.
            windows: likewise, in order, each within a part.
        """
        remaining, offset = deque(parts), 0
        for window in windows:
            while window.start >= remaining[0].stop:
                skipped = remaining.popleft()
                offset += skipped.stop - skipped.start
            shift = offset - remaining[0].start
            first = window.start // self.model.grid.stride
            yield CtcWindow(
                clip.cut(window.start + shift, window.stop + shift, self.model.grid),
                slice(window.core_start, window.core_stop),
                slice(first + window.core_start, first + window.core_stop),
            )

    def n_samples(self, window: CtcWindow) -> int:
        """See `Recognizer`."""
        n_samples: int = window.features.n_samples
        return n_samples

    def silence(self) -> CtcWindow:
        """See `Recognizer`."""
        samples = np.zeros(max(SAMPLE_RATE_HZ, self.model.min_samples), np.float32)
        return CtcWindow(self.model.features(samples), slice(None), slice(None))

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
        """See `Recognizer`. In skipped silence the best label is the blank, and in its middle the end of a word."""
        n_frames = self.model.grid.n_frames(clip.n_samples)
        if len(outputs) == 1 and len(outputs[0].ids) == n_frames:
            return outputs[0]
        vocabulary = self.model.vocabulary
        n_labels, kind = (outputs[0].ids.shape[1], outputs[0].ids.dtype) if outputs else (1, np.dtype(np.int32))
        joined = FrameScores(
            np.full((n_frames, n_labels), vocabulary.blank_id, kind),
            np.full((n_frames, n_labels), IMPOSSIBLE, np.float32),
        )
        joined.log_probs[:, 0] = 0
        end = 0
        for window, scores in zip(clip.windows, outputs, strict=True):
            if end < window.position.start and vocabulary.delimiter_ids:
                joined.ids[(end + window.position.start) // 2, 0] = min(vocabulary.delimiter_ids)
            joined.ids[window.position] = scores.ids[window.core]
            joined.log_probs[window.position] = scores.log_probs[window.core]
            end = window.position.stop
        return joined

    def decode(self, outputs: Sequence[FrameScores], decoder: Decoder) -> list[Hypothesis]:
        """See `Recognizer`."""
        return decoder.decode(outputs, self.model.vocabulary, stride=self.model.grid.stride)
