"""The curve of a training: loss and error rates over the epochs, as an SVG picture."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from thano_duckdb.errors import ThanoError

from .page import Page, count, render
from .tables import as_table, shown

WIDTH, HEIGHT = 460, 260
LEFT, RIGHT, TOP, BOTTOM = 52, 448, 40, 216
"""The box that the lines are drawn in."""
MAX_DOTS = 200
"""A longer curve has no dots, and so no values to point at."""


@dataclass(frozen=True)
class Tick:
    """A mark of an axis, `at` so many units of the picture."""

    at: float
    label: str


@dataclass(frozen=True)
class Dot:
    """A figure of an epoch, with the text that pointing at it shows."""

    x: float
    y: float
    title: str


@dataclass(frozen=True)
class Line:
    """A line of a panel: an SVG path, and its dots."""

    name: str
    path: str
    dots: tuple[Dot, ...]


@dataclass(frozen=True)
class Panel:
    """A picture with axes of its own."""

    title: str
    x_ticks: tuple[Tick, ...]
    y_ticks: tuple[Tick, ...]
    lines: tuple[Line, ...]


def curve(metrics_rows: Any) -> Page:
    """The rows of BUILD or FIT, or of `thano_training`, as a curve; of a single epoch as a table.

    Args:
        metrics_rows: a list of dicts or whatever `as_table` reads, with `epoch`, `train_loss`, and where clips were
            held out `eval_loss`, `wer`, `cer`.

    Raises:
        ThanoError: there are no such columns.
    """
    table = as_table(metrics_rows)
    if not {"epoch", "train_loss"} <= set(table.column_names):
        raise ThanoError(
            f"a training curve needs the columns epoch and train_loss; there are: {', '.join(table.column_names)}"
        )
    rows: list[dict[str, Any]] = sorted(table.to_pylist(), key=lambda row: row["epoch"])
    summary = count(len(rows), "epoch") + (f", training loss {rows[-1]['train_loss']:.3g}" if rows else "")
    panels = []
    if len(rows) > 1:
        losses = {"training": _figures(rows, "train_loss"), "held out": _figures(rows, "eval_loss")}
        rates = {"WER": _figures(rows, "wer"), "CER": _figures(rows, "cer")}
        panels = [
            _panel(title, figures)
            for title, figures in (("CTC loss", losses), ("held-out error rate", rates))
            if any(figures.values())
        ]
    cells = [(name, [shown(row[name]) for row in rows]) for name in table.column_names]
    return render(
        "curve.html",
        summary,
        panels=panels,
        cells=[(name, values) for name, values in cells if any(value != "NULL" for value in values)],
        n_rows=len(rows),
        box=(LEFT, RIGHT, TOP, BOTTOM),
        size=(WIDTH, HEIGHT),
    )


def _figures(rows: Sequence[dict[str, Any]], name: str) -> list[tuple[int, float]]:
    """(epoch, value) where there is a finite value."""
    values = ((row["epoch"], row.get(name)) for row in rows)
    return [(epoch, value) for epoch, value in values if value is not None and math.isfinite(value)]


def _panel(title: str, series: dict[str, list[tuple[int, float]]]) -> Panel:
    epochs = [epoch for figures in series.values() for epoch, _ in figures]
    first, last = min(epochs), max(epochs)
    y_marks = ticks(max(value for figures in series.values() for _, value in figures))

    def x_of(epoch: float) -> float:
        return round(LEFT + (RIGHT - LEFT) * (epoch - first) / max(last - first, 1), 1)

    def y_of(value: float) -> float:
        return round(BOTTOM - (BOTTOM - TOP) * max(value, 0) / y_marks[-1], 1)

    x_step = max(1, math.ceil(ticks(last - first)[1])) if last > first else 1
    return Panel(
        title,
        tuple(
            Tick(x_of(epoch), str(epoch)) for epoch in range(first, last + 1) if epoch % x_step == 0 or epoch == first
        ),
        tuple(Tick(y_of(value), f"{value:g}") for value in y_marks),
        tuple(
            Line(
                name,
                "M" + "L".join(f"{x_of(epoch)} {y_of(value)}" for epoch, value in figures) if figures else "",
                tuple(
                    Dot(x_of(epoch), y_of(value), f"epoch {epoch}: {name} {value:.4g}")
                    for epoch, value in figures
                    if len(figures) <= MAX_DOTS
                ),
            )
            for name, figures in series.items()
        ),
    )


def ticks(highest: float) -> list[float]:
    """Round marks from 0 up to `highest` or just above: steps of 1, 2 or 5 times a power of ten, six marks at most."""
    if highest <= 0:
        return [0.0, 1.0]
    power = 10 ** math.floor(math.log10(highest / 5))
    n_steps, step = next(
        (n, step) for step in (power, 2 * power, 5 * power, 10 * power) if (n := math.ceil(highest / step - 1e-6)) <= 5
    )
    return [float(f"{at * step:.6g}") for at in range(n_steps + 1)]
