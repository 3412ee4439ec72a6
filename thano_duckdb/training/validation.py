"""Evaluates a network on held-out utterances: loss, word and character error rates."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import torch

from thano_duckdb.speech.decoding.decoder import FrameScores
from thano_duckdb.speech.decoding.greedy import GreedyDecoder
from thano_duckdb.speech.metrics import character_errors, error_rate, word_errors

from .corpus import Utterance
from .loader import Batch
from .network import CtcNetwork


class FixedBatches:
    """The same batches in every epoch."""

    def __init__(self, batches: Sequence[Sequence[int]]) -> None:
        """Take the indices of the utterances of each batch."""
        self._batches = [list(batch) for batch in batches]
        self.n_batches = len(self._batches)

    def batches(self, epoch: int) -> list[list[int]]:
        """The batches, which do not depend on the epoch."""
        return self._batches


@dataclass(frozen=True)
class Evaluation:
    """Loss per label, averaged over the clips, and pooled error rates."""

    loss: float
    wer: float | None
    cer: float | None


@torch.no_grad()
def evaluate(
    network: CtcNetwork,
    batches: Iterable[Batch],
    order: Sequence[Sequence[int]],
    utterances: Sequence[Utterance],
    *,
    call: Callable[..., Any],
    to_device: Callable[[Batch], Batch],
) -> Evaluation:
    """Evaluate a network by greedy decoding; it is in evaluation mode meanwhile.

    Args:
        network: the network to evaluate.
        batches: the batches of all utterances.
        order: the indices of the utterances in each batch.
        utterances: the held-out utterances.
        call: the network as wrapped by a trainer.
        to_device: moves a batch to the device of the network.
    """
    was_training = network.module.training
    network.module.eval()
    try:
        loss_sum = 0.0
        hypotheses = [""] * len(utterances)
        for indices, batch in zip(order, batches, strict=True):
            output = network.run(to_device(batch), call)
            loss_sum += len(indices) * float(output.loss)
            log_probs, ids = output.logits.float().log_softmax(-1).max(-1, keepdim=True)  # (batch, frames, 1)
            n_frames = [network.grid.n_frames(utterances[index].n_samples) for index in indices]
            scores = [
                FrameScores(clip_ids[:count], clip_log_probs[:count])
                for clip_ids, clip_log_probs, count in zip(
                    ids.cpu().numpy(), log_probs.cpu().numpy(), n_frames, strict=True
                )
            ]
            decoded = GreedyDecoder().decode(scores, network.vocabulary, stride=network.grid.stride)
            for index, hypothesis in zip(indices, decoded, strict=True):
                hypotheses[index] = hypothesis.text
    finally:
        network.module.train(was_training)
    references = [utterance.text for utterance in utterances]
    return Evaluation(
        loss_sum / len(utterances),
        error_rate(word_errors(references, hypotheses)),
        error_rate(character_errors(references, hypotheses)),
    )
