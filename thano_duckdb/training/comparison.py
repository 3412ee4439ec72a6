"""A new model beside its base, on the same rows."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from thano_duckdb.errors import counted
from thano_duckdb.monitoring.training_monitor import EpochMetrics

from .best_epoch import rank


@dataclass(frozen=True)
class Evaluation:
    """Loss per label, averaged over the clips, and pooled error rates."""

    loss: float
    wer: float | None
    cer: float | None

    @classmethod
    def of(cls, epoch: EpochMetrics) -> Evaluation | None:
        """The evaluation after an epoch; None where no rows were held out."""
        return None if epoch.eval_loss is None else cls(epoch.eval_loss, epoch.wer, epoch.cer)


@dataclass(frozen=True)
class Comparison:
    """What a training has achieved.

    Attributes:
        is_held_out: whether the rows were held out; otherwise they are a sample of those that were trained on, which
            only shows whether the model has learnt anything.
        n_clips: the number of these rows.
        base: the figures of the base.
        model: the figures of the new model.
    """

    is_held_out: bool
    n_clips: int
    base: Evaluation
    model: Evaluation

    @property
    def is_better(self) -> bool:
        """Whether the new model is better than its base: by WER, then CER, then loss."""
        return _rank(self.model) < _rank(self.base)

    def describe(self) -> str:
        """The figures in a few words."""
        clips = counted(self.n_clips, "clip")
        rows = f"on {clips} that {'was' if self.n_clips == 1 else 'were'} held out"
        if not self.is_held_out:
            rows = f"on {clips} of the training"
        rates = [
            f"{name} {_shown(before)} -> {_shown(after)}"
            for name, before, after in (
                ("WER", self.base.wer, self.model.wer),
                ("CER", self.base.cer, self.model.cer),
            )
        ]
        return f"{', '.join(rates)} {rows}"

    def warning(self, learning_rate: float) -> str | None:
        """One sentence with the likely cure where the new model is not better than its base."""
        if self.is_better:
            return None
        if not self.model.loss < self.base.loss:  # also where it is not a number
            cure = f"a smaller learning_rate is the likely cure (it was {learning_rate:g})"
        elif self.is_held_out:
            cure = "more rows are the likely cure, or rows that are more like those it is meant for"
        else:
            cure = "more epochs or a larger learning_rate are the likely cure"
        loss = f"loss {self.base.loss:.3g} -> {self.model.loss:.3g}"
        return f"the new model is not better than its base ({self.describe()}, {loss}); {cure}"

    def to_json(self) -> dict[str, Any]:
        """For the lineage."""
        return {**asdict(self), "is_better": self.is_better}


def warning_without_base(loss: float, guessing: float, learning_rate: float) -> str | None:
    """One sentence where a model from scratch is worse than one that takes all labels for equally likely.

    Args:
        loss: of the model.
        guessing: what the loss of such a model is at most.
        learning_rate: with which it was trained.
    """
    if loss <= guessing:
        return None
    return (
        f"the new model has learnt nothing: its loss is {loss:.3g}, and guessing has {guessing:.3g} at most; a smaller "
        f"learning_rate is the likely cure (it was {learning_rate:g})"
    )


def _rank(evaluation: Evaluation) -> tuple[float, float, float]:
    return rank(evaluation.wer, evaluation.cer, evaluation.loss)


def _shown(rate: float | None) -> str:
    return "-" if rate is None else f"{rate:.3f}"
