"""The page of a training curve: loss and error rates over the epochs, as SVG."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from thano_duckdb.errors import ThanoError

from .curve_panels import Panel, Series, curve_panels, kept_row
from .page import Page, count, render
from .tables import as_table, shown

WIDTH, HEIGHT = 460, 260
LEFT, RIGHT, TOP, BOTTOM = 52, 448, 40, 216
"""The box in which the lines are drawn, in units of the picture."""
MAX_DOTS = 200
"""A line with more points is drawn without dots, which would show the value when the mouse points at them."""


@dataclass(frozen=True)
class Tick:
    """A mark of an axis, `at` this many units of the picture."""

    at: float
    label: str


@dataclass(frozen=True)
class Dot:
    """The value of an epoch, with the text that appears when the mouse points at it."""

    x: float
    y: float
    title: str


@dataclass(frozen=True)
class DrawnLine:
    """A line of a panel: an SVG path, and its dots."""

    name: str
    path: str
    dots: tuple[Dot, ...]


@dataclass(frozen=True)
class DrawnPanel:
    """A panel with its axes; the published epoch is marked at `kept_at` units from the left."""

    title: str
    x_ticks: tuple[Tick, ...]
    y_ticks: tuple[Tick, ...]
    lines: tuple[DrawnLine, ...]
    kept_at: float | None


def curve(metrics_rows: Any) -> Page:
    """Draw the rows of BUILD or FIT, or of `thano_training`, as a curve; a single epoch is shown as a table.

    Args:
        metrics_rows: a list of dicts or whatever `as_table` reads, with `epoch`, `train_loss`, and if clips were
            held out `eval_loss`, `wer`, `cer`; `kept` is true for the published epoch, which is then marked.

    Raises:
        ThanoError: `epoch` or `train_loss` is missing.
    """
    table = as_table(metrics_rows)
    if not {"epoch", "train_loss"} <= set(table.column_names):
        raise ThanoError(
            f"a training curve needs the columns epoch and train_loss; there are: {', '.join(table.column_names)}"
        )
    rows: list[dict[str, Any]] = sorted(table.to_pylist(), key=lambda row: row["epoch"])
    summary = count(len(rows), "epoch") + (f", training loss {rows[-1]['train_loss']:.3g}" if rows else "")
    published = _published(rows)
    if published:
        summary += f", {published}"
    panels = [_draw(panel) for panel in curve_panels(rows)] if len(rows) > 1 else []
    cells = [(name, [shown(row[name]) for row in rows]) for name in table.column_names]
    return render(
        "curve.html",
        summary,
        published=f"{published[:1].upper()}{published[1:]}." if published else "",
        panels=panels,
        cells=[(name, values) for name, values in cells if any(value != "NULL" for value in values)],
        n_rows=len(rows),
        box=(LEFT, RIGHT, TOP, BOTTOM),
        size=(WIDTH, HEIGHT),
    )


def _published(rows: Sequence[dict[str, Any]]) -> str:
    """Which epoch was published, and its WER beside that of the base; empty where the rows do not say."""
    if (kept := kept_row(rows)) is None:
        return ""
    words = f"epoch {kept['epoch']} of {len(rows)} is published"
    if kept.get("wer") is not None and kept.get("base_wer") is not None:
        words += f": WER {kept['wer']:.3f}, of the base {kept['base_wer']:.3f}"
    return words


def _draw(panel: Panel) -> DrawnPanel:
    points = [point for series in panel.series for point in series.points]
    epochs = [epoch for epoch, _ in points]
    first, last = min(epochs), max(epochs)
    y_marks = ticks(max(value for _, value in points))

    def x_of(epoch: float) -> float:
        return round(LEFT + (RIGHT - LEFT) * (epoch - first) / max(last - first, 1), 1)

    def y_of(value: float) -> float:
        return round(BOTTOM - (BOTTOM - TOP) * max(value, 0) / y_marks[-1], 1)

    def line_of(series: Series) -> DrawnLine:
        path = "M" + "L".join(f"{x_of(epoch)} {y_of(value)}" for epoch, value in series.points)
        dots = [
            Dot(x_of(epoch), y_of(value), f"epoch {epoch}: {series.name} {value:.4g}") for epoch, value in series.points
        ]
        return DrawnLine(series.name, path, tuple(dots) if len(dots) <= MAX_DOTS else ())

    x_step = max(1, math.ceil(ticks(last - first)[1])) if last > first else 1
    x_marks = [epoch for epoch in range(first, last + 1) if epoch % x_step == 0 or epoch == first]
    return DrawnPanel(
        panel.title,
        tuple(Tick(x_of(epoch), str(epoch)) for epoch in x_marks),
        tuple(Tick(y_of(value), f"{value:g}") for value in y_marks),
        tuple(line_of(series) for series in panel.series),
        None if panel.kept_epoch is None else x_of(panel.kept_epoch),
    )


def ticks(highest: float) -> list[float]:
    """Round marks from 0 to `highest` or just above: steps of 1, 2 or 5 times a power of ten, six marks at most."""
    if highest <= 0:
        return [0.0, 1.0]
    power = 10 ** math.floor(math.log10(highest / 5))
    n_steps, step = next(
        (n, step) for step in (power, 2 * power, 5 * power, 10 * power) if (n := math.ceil(highest / step - 1e-6)) <= 5
    )
    return [float(f"{at * step:.6g}") for at in range(n_steps + 1)]
