"""What a training curve shows, for the page (`curve`, as SVG) and for the matplotlib figure (`plot`) alike.

The two share this description and not one drawing: matplotlib is an extra, and the page must work without it; but what
`plot_training` returns must be a matplotlib figure, which its user can change and save in any format.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

_PANELS = (
    ("CTC loss per label", (("training", "train_loss"), ("held out", "eval_loss"))),
    ("held-out error rate", (("WER", "wer"), ("CER", "cer"))),
)
"""Titles, and the names of the series with their columns."""


@dataclass(frozen=True)
class Series:
    """A line: its name, and (epoch, value) wherever there is a finite value."""

    name: str
    points: tuple[tuple[int, float], ...]


@dataclass(frozen=True)
class Panel:
    """Lines that share an axis from 0 upwards, and the epoch that was published, where it is known."""

    title: str
    series: tuple[Series, ...]
    kept_epoch: int | None


def curve_panels(rows: Sequence[Mapping[str, Any]]) -> list[Panel]:
    """The panels and series that have a value, in the order in which they are drawn.

    Args:
        rows: one per epoch, with `epoch`, `train_loss`, and if clips were held out `eval_loss`, `wer`, `cer`; `kept`
            is true for the one that was published.
    """
    panels = []
    kept = kept_row(rows)
    for title, lines in _PANELS:
        series = [Series(name, _points(rows, column)) for name, column in lines]
        if drawn := tuple(each for each in series if each.points):
            panels.append(Panel(title, drawn, kept["epoch"] if kept else None))
    return panels


def kept_row(rows: Sequence[Mapping[str, Any]]) -> Mapping[str, Any] | None:
    """The row of the epoch that was published; None where the rows do not say."""
    return next((row for row in rows if row.get("kept")), None)


def _points(rows: Sequence[Mapping[str, Any]], column: str) -> tuple[tuple[int, float], ...]:
    values = sorted((row["epoch"], row[column]) for row in rows if row.get(column) is not None)
    return tuple((epoch, value) for epoch, value in values if math.isfinite(value))
