"""Which epoch is the best on the held-out rows, and whether it is worth going on."""

from __future__ import annotations

import math
from collections.abc import Sequence

from thano_duckdb.monitoring.training_monitor import EpochMetrics

Rank = tuple[float, float, float]
"""The lower, the better."""


def rank(wer: float | None, cer: float | None, loss: float | None) -> Rank:
    """By WER; where that is equal by CER, then by loss. What is not a number counts as the worst."""
    wer, cer, loss = (math.inf if value is None or math.isnan(value) else value for value in (wer, cer, loss))
    return wer, cer, loss


def best_epoch(metrics: Sequence[EpochMetrics]) -> int:
    """The number of the best epoch; of equal ones the first."""
    return min(metrics, key=lambda epoch: rank(epoch.wer, epoch.cer, epoch.eval_loss)).epoch


def is_out_of_patience(metrics: Sequence[EpochMetrics], patience: int | None) -> bool:
    """Whether the last `patience` epochs were all no better than the best one before them; never where it is None."""
    return patience is not None and bool(metrics) and metrics[-1].epoch - best_epoch(metrics) >= patience
