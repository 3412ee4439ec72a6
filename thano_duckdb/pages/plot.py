"""The training curve of a model as a matplotlib figure. Needs the extra `plots`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from thano_duckdb.connection import Connection
from thano_duckdb.errors import ModelError, ThanoError

from .curve_panels import curve_panels

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def plot_training(connection: Connection, model: str, path: str | Path | None = None) -> Figure:
    """Loss and error rates of a model over its epochs.

    Args:
        connection: the one whose registry holds the model.
        model: its name, or `name@version`.
        path: where to save the figure as well, in the format of its extension (png, svg, pdf).

    Returns:
        A matplotlib figure, which a notebook shows, with one panel for the losses and one for the error rates. A dotted
        line marks the epoch that was published.

    Raises:
        ModelError: there is no such model, or it was not made by BUILD or FIT.
        ThanoError: matplotlib is not installed.
        TypeError: `connection` is no connection.

    Example:
        >>> import thano_duckdb
        >>> con = thano_duckdb.connect(model_home="models")
        >>> _ = con.execute("GET THANOSQL DATASET librispeech_data")
        >>> rows = "FROM 'tutorial_data/librispeech_data/librispeech_train.csv' LIMIT 2"
        >>> _ = con.execute(f"BUILD MODEL mine USING Wav2Vec2TinyEn OPTIONS (epochs=2) AS {rows}")
        >>> figure = thano_duckdb.plot_training(con, "mine", "training.png")
        >>> [axes.get_title() for axes in figure.axes]
        ['CTC loss per label']
        >>> con.close()
    """
    if not hasattr(connection, "execute"):
        raise TypeError(f"plot_training takes a connection, then the model, not {type(connection).__name__}")
    try:
        from matplotlib.figure import Figure
        from matplotlib.ticker import MaxNLocator
    except ImportError:
        raise ThanoError("plot_training needs matplotlib: pip install 'thano_duckdb[plots]'") from None
    rows = _training_rows(connection, model)
    if not (panels := curve_panels(rows)):
        raise ModelError(
            f"the model '{model}' has no training curve: it was not made by BUILD or FIT, or its losses are not numbers"
        )
    figure = Figure(figsize=(4.5 * len(panels), 3.6), layout="constrained")
    figure.suptitle(f"Training of {model}")
    marker = "o" if len(rows) < 40 else None
    for panel, axes in zip(panels, figure.subplots(1, len(panels), squeeze=False)[0], strict=True):
        for series, style in zip(panel.series, ("-", "--"), strict=False):
            epochs, values = zip(*series.points, strict=True)
            axes.plot(epochs, values, linestyle=style, marker=marker, label=series.name)
        if panel.kept_epoch is not None:
            axes.axvline(panel.kept_epoch, color="tab:green", linestyle=":", label="published")
        axes.set(title=panel.title, xlabel="epoch")
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        axes.set_ylim(bottom=0)
        axes.grid(alpha=0.3)
        axes.legend(loc="upper right")
    if path is not None:
        figure.savefig(path, dpi=150)
    return figure


def _training_rows(connection: Connection, model: str) -> list[dict[str, Any]]:
    rows = connection.execute("SELECT * FROM thano_training(?)", [model]).fetchall()
    names = [column[0] for column in connection.description]
    return [dict(zip(names, row, strict=True)) for row in rows]
