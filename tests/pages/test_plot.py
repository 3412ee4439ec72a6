"""The training curve as a matplotlib figure."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import thano_duckdb
from thano_duckdb import ModelError

PNG = b"\x89PNG\r\n\x1a\n"


def test_losses_and_error_rates_are_plotted(an4_con: thano_duckdb.Connection, an4_model: Path, tmp_path: Path) -> None:
    rows = an4_con.sql("SELECT audio_path, text FROM an4 WHERE id < 8").df()
    with thano_duckdb.connect(model_home=tmp_path) as con:
        con.execute(
            f"BUILD MODEL mine USING '{an4_model}' OPTIONS (epochs=2, validation_split=0.25) AS SELECT * FROM rows"
        )
        epochs = con.sql("SELECT epoch, train_loss, eval_loss, wer, cer FROM thano_training('mine')").fetchall()
        ((kept,),) = con.sql("SELECT epoch FROM thano_training('mine') WHERE kept").fetchall()
        figure = thano_duckdb.plot_training(con, "mine", tmp_path / "curve.png")
        con.execute(f"UPLOAD MODEL other FROM '{an4_model}'")
        with pytest.raises(ModelError, match="other"):
            thano_duckdb.plot_training(con, "other")
        with pytest.raises(ModelError, match="nowhere"):
            thano_duckdb.plot_training(con, "nowhere")
    drawn = {
        line.get_label(): np.asarray(line.get_ydata()).tolist() for axes in figure.axes for line in axes.get_lines()
    }
    assert drawn.pop("published") == [0, 1]  # from the bottom to the top
    marks = [line for axes in figure.axes for line in axes.get_lines() if line.get_label() == "published"]
    assert [np.asarray(mark.get_xdata()).tolist() for mark in marks] == [[kept, kept]] * 2
    names = ["training", "held out", "WER", "CER"]
    assert [axes.get_title() for axes in figure.axes] == ["CTC loss per label", "held-out error rate"]
    assert drawn == {name: [epoch[column] for epoch in epochs] for column, name in enumerate(names, start=1)}
    assert (tmp_path / "curve.png").read_bytes().startswith(PNG)
    assert len(rows) == 8
