"""Evaluates a network on utterances: loss, word and character error rates."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch

from thano_duckdb.monitoring.training_monitor import TrainingMonitor
from thano_duckdb.speech.batching import plan_batches
from thano_duckdb.speech.decoding.decoder import FrameScores
from thano_duckdb.speech.decoding.greedy import GreedyDecoder
from thano_duckdb.speech.metrics import character_errors, error_rate, word_errors

from .audio_store import AudioStore
from .comparison import Evaluation
from .loader import Batch, BatchLoader
from .network import CtcNetwork
from .utterances import Utterances


class FixedBatches:
    """The same batches in every epoch."""

    def __init__(self, batches: Sequence[Sequence[int]]) -> None:
        """Take the indices of the utterances of each batch."""
        self._batches = [list(batch) for batch in batches]
        self.n_batches = len(self._batches)

    def batches(self, epoch: int) -> list[list[int]]:
        """The batches, which do not depend on the epoch."""
        return self._batches


class Validation:
    """Evaluates a network on the same utterances as often as it is asked, by greedy decoding.

    Attributes:
        utterances: on which it evaluates.
    """

    def __init__(
        self,
        utterances: Utterances,
        network: CtcNetwork,
        store: AudioStore,
        *,
        max_clips: int | None,
        max_batch_samples: int,
        monitor: TrainingMonitor,
    ) -> None:
        """Plan batches with the limits of `plan_batches`."""
        self.utterances = utterances
        self._network = network
        self._monitor = monitor
        self._order = plan_batches(utterances.n_samples, max_clips=max_clips, max_batch_samples=max_batch_samples)
        self._batches = BatchLoader(utterances, FixedBatches(self._order), network, store, seed=None, monitor=monitor)

    @torch.no_grad()
    def evaluate(
        self, call: Callable[..., Any], to_device: Callable[[Batch], Batch], *, shown_as: str | None = None
    ) -> Evaluation:
        """Evaluate the network; it is in evaluation mode meanwhile.

        Args:
            call: the network as wrapped by a trainer.
            to_device: moves a batch to the device of the network.
            shown_as: what the progress is called; None to report none.
        """
        network, n_clips = self._network, len(self.utterances)
        if shown_as:
            self._monitor.evaluation_started(shown_as, n_clips)
        was_training = network.module.training
        network.module.eval()
        try:
            loss_sum = 0.0
            hypotheses = [""] * n_clips
            for indices, batch in zip(self._order, self._batches, strict=True):
                output = network.run(to_device(batch), call)
                loss_sum += len(indices) * float(output.loss)
                for index, hypothesis in zip(indices, self._decode(indices, output.logits), strict=True):
                    hypotheses[index] = hypothesis
                if shown_as:
                    self._monitor.clips_done(len(indices), batch["audio_s"])
        finally:
            network.module.train(was_training)
        references = [utterance.text for utterance in self.utterances]
        locale = network.vocabulary.locale
        return Evaluation(
            loss_sum / n_clips,
            error_rate(word_errors(references, hypotheses, locale=locale)),
            error_rate(character_errors(references, hypotheses, locale=locale)),
        )

    def _decode(self, indices: Sequence[int], logits: torch.Tensor) -> list[str]:
        """The hypotheses of a batch, from logits (batch, frames, vocab)."""
        log_probs, ids = logits.float().log_softmax(-1).max(-1, keepdim=True)  # (batch, frames, 1)
        n_frames = [self._network.grid.n_frames(int(self.utterances.n_samples[index])) for index in indices]
        scores = [
            FrameScores(clip_ids[:count], clip_log_probs[:count])
            for clip_ids, clip_log_probs, count in zip(
                ids.cpu().numpy(), log_probs.cpu().numpy(), n_frames, strict=True
            )
        ]
        decoded = GreedyDecoder().decode(scores, self._network.vocabulary, stride=self._network.grid.stride)
        return [each.text for each in decoded]
