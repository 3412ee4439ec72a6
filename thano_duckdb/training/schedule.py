"""How long a training lasts, and how fast it learns."""

from __future__ import annotations

from dataclasses import dataclass

from .training_options import TrainingOptions

HEAD_FACTOR = 10.0
"""A new head starts from random weights, under an encoder that knows speech: it learns that many times as fast."""


@dataclass(frozen=True)
class Schedule:
    """The options of the same names, with the defaults that suit the network.

    Attributes:
        epochs: passes over the rows.
        learning_rate: the highest, of all weights but those of the head.
        warmup_ratio: share of the steps over which the learning rates rise from 0.
        head_factor: by how much the learning rate of the head is higher.
    """

    epochs: int
    learning_rate: float
    warmup_ratio: float
    head_factor: float

    @classmethod
    def of(cls, options: TrainingOptions, *, has_new_head: bool) -> Schedule:
        """The schedule of a training; `has_new_head`: whether the outputs are random, and the encoder is not."""
        epochs, warmup_ratio, head_factor = (30, 0.2, HEAD_FACTOR) if has_new_head else (5, 0.1, 1.0)
        return cls(
            epochs if options.epochs is None else options.epochs,
            options.learning_rate,
            warmup_ratio if options.warmup_ratio is None else options.warmup_ratio,
            head_factor,
        )
