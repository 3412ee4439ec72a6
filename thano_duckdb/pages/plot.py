"""The training curve of a model, from its lineage. Needs the extra `plots` (matplotlib)."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from thano_duckdb.connection import Connection
from thano_duckdb.errors import ModelError, ThanoError

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def plot_training(connection: Connection, model: str, path: str | Path | None = None) -> Figure:
    """Loss and error rates of a model over its epochs.

    Args:
        connection: on which `BUILD MODEL` made the model.
        model: its name, or `name@version`.
        path: also write the picture there, in the format of its ending (png, svg, pdf).

    Returns:
        A matplotlib figure, which a notebook shows.

    Raises:
        ModelError: there is no such model, or it was not built here.
        ThanoError: matplotlib is not installed.

    Example:
        >>> import thano_duckdb
        >>> con = thano_duckdb.connect(model_home="models")
        >>> _ = con.execute("GET THANOSQL DATASET librispeech_data")
        >>> rows = "FROM 'tutorial_data/librispeech_data/librispeech_train.csv' LIMIT 2"
        >>> _ = con.execute(f"BUILD MODEL mine USING Wav2Vec2TinyEn OPTIONS (epochs=2) AS {rows}")
        >>> figure = thano_duckdb.plot_training(con, "mine", "training.png")
        >>> figure.axes[0].get_title()
        'Training of mine'
        >>> con.close()
    """
    try:
        from matplotlib.figure import Figure
        from matplotlib.ticker import MaxNLocator
    except ImportError:
        raise ThanoError("plot_training needs matplotlib: pip install 'thano_duckdb[plots]'") from None
    epochs = _epochs(connection, model)
    numbers = [epoch["epoch"] for epoch in epochs]
    figure = Figure(figsize=(8, 4), layout="constrained")
    loss = figure.add_subplot()
    loss.set(title=f"Training of {model}", xlabel="epoch", ylabel="CTC loss per label")
    loss.xaxis.set_major_locator(MaxNLocator(integer=True))
    marker = "o" if len(epochs) < 40 else None
    lines = loss.plot(
        numbers, [epoch["train_loss"] for epoch in epochs], color="C0", marker=marker, label="training loss"
    )
    if epochs[-1]["eval_loss"] is not None:
        held_out = [epoch["eval_loss"] for epoch in epochs]
        lines += loss.plot(numbers, held_out, color="C0", linestyle="--", marker=marker, label="held-out loss")
        rates = loss.twinx()
        rates.set(ylabel="error rate of the held-out clips")
        lines += rates.plot(numbers, [epoch["wer"] for epoch in epochs], color="C3", marker=marker, label="WER")
        lines += rates.plot(numbers, [epoch["cer"] for epoch in epochs], color="C1", marker=marker, label="CER")
        rates.set_ylim(bottom=0)
    loss.set_ylim(bottom=0)
    loss.grid(alpha=0.3)
    loss.legend(handles=lines, loc="upper right")
    if path is not None:
        figure.savefig(path, dpi=150)
    return figure


def _epochs(connection: Connection, model: str) -> list[dict[str, Any]]:
    rows = connection.execute("SELECT * FROM thano_training(?)", [model]).fetchall()
    names = [column[0] for column in connection.description]
    if not rows:
        raise ModelError(f"the model '{model}' has no training curve: it was not built here")
    return [dict(zip(names, row, strict=True)) for row in rows]
