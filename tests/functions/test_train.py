"""`_thano_build`, called by plain DuckDB."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import duckdb
import pytest

import thano_duckdb
from thano_duckdb.errors import ThanoWarning
from thano_duckdb.training.training_options import Example

COLUMNS = (
    "model", "version", "epoch", "train_loss", "eval_loss", "wer", "cer", "learning_rate", "audio_hours", "skipped",
    "seconds", "base_wer", "base_cer", "kept",
)  # fmt: skip


@pytest.fixture(scope="module", autouse=True)
def one_thread() -> Iterator[None]:
    """Networks this small are slower on several threads, many times so where the machine has other work."""
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture
def raw(tmp_path: Path, clips: list[Example]) -> Iterator[duckdb.DuckDBPyConnection]:
    """A plain connection with our functions and a table of rows."""
    with duckdb.connect() as connection:
        thano_duckdb.load(connection, model_home=tmp_path / "home")
        connection.execute("CREATE TABLE rows (audio_path VARCHAR, audio BLOB, words VARCHAR)")
        connection.executemany(
            "INSERT INTO rows VALUES (?, ?, ?)",
            [[clip.audio, Path(str(clip.audio)).read_bytes(), clip.text] for clip in clips],
        )
        yield connection


def build(
    connection: duckdb.DuckDBPyConnection,
    base: object,
    audio: str = "audio_path",
    where: str = "true",
    **options: object,
) -> duckdb.DuckDBPyConnection:
    return connection.execute(
        f"""SELECT unnest(thano_build('mine', ?, ?, {{'audio': {audio}, 'text': words}}), recursive := true)
            FROM rows WHERE {where}""",
        [str(base), json.dumps({"device": "cpu", **options})],
    )


def test_a_build_returns_one_row_per_epoch_and_registers_the_model(
    raw: duckdb.DuckDBPyConnection, small_model: Path
) -> None:
    epochs = build(raw, small_model, epochs=2, validation_split=0.5)
    assert tuple(column[0] for column in epochs.description or ()) == COLUMNS
    rows = epochs.fetchall()
    assert [row[:3] for row in rows] == [("mine", 1, 1), ("mine", 1, 2)]
    assert all(value is not None for row in rows for value in row)
    assert raw.execute("SELECT version, kind FROM thano_models() WHERE name = 'mine'").fetchall() == [(1, "built")]
    clip = raw.execute("SELECT thano_transcribe('mine', audio_path).error FROM rows LIMIT 1").fetchone()
    assert clip == (None,)


def test_blobs_train_like_files_also_where_only_the_model_home_may_be_written(
    raw: duckdb.DuckDBPyConnection, small_model: Path, tmp_path: Path
) -> None:
    (loss,) = {row[3] for row in build(raw, small_model, epochs=1).fetchall()}
    raw.execute(f"SET allowed_directories = ['{tmp_path / 'home'}']")
    raw.execute("SET enable_external_access = false")
    with pytest.raises(duckdb.Error, match="may not read files"):
        build(raw, "mine", overwrite=True)
    (row,) = build(raw, "mine", audio="audio", epochs=1, overwrite=True).fetchall()
    assert row[:2] == ("mine", 2)
    assert row[3] == pytest.approx(loss, rel=0.5)


def test_wrong_arguments_are_refused_before_training_starts(raw: duckdb.DuckDBPyConnection, small_model: Path) -> None:
    for problem, call in {
        "returns no rows to train on": lambda: build(raw, small_model, where="false"),
        "thano_build has no option 'epoch'. Did you mean 'epochs'": lambda: build(raw, small_model, epoch=1),
        "The option 'epochs' must be a whole number from 1 to 2147483647, not 0": lambda: build(
            raw, small_model, epochs=0
        ),
        "there is no model 'nobody'": lambda: build(raw, "nobody"),
        "not a LIST": lambda: build(raw, small_model, audio="[42]"),
    }.items():
        with pytest.raises(duckdb.Error, match=problem):
            call()
    assert raw.execute("SELECT count(*) FROM thano_models() WHERE kind = 'built'").fetchone() == (0,)


def test_one_warning_reports_all_skipped_rows(raw: duckdb.DuckDBPyConnection, small_model: Path) -> None:
    raw.execute("INSERT INTO rows VALUES ('nowhere.wav', NULL, 'YES'), (NULL, NULL, 'NO')")
    with pytest.warns(ThanoWarning, match="2 rows were skipped") as caught:
        (row,) = build(raw, small_model, epochs=1).fetchall()
    assert len(caught) == 1
    assert row[COLUMNS.index("skipped")] == 2


def test_a_group_keeps_its_rows_on_one_side(raw: duckdb.DuckDBPyConnection, small_model: Path) -> None:
    row = "{'audio': audio_path, 'text': words, 'group': rowid // 3}"
    call = f"SELECT unnest(thano_build('mine', ?, ?, {row}), recursive := true) FROM rows"
    options = {"device": "cpu", "epochs": 1}
    with pytest.raises(duckdb.Error, match="option 'split_by' says which rows are held out together: add a validation"):
        raw.execute(call, [str(small_model), json.dumps(options)])
    with pytest.warns(ThanoWarning, match="3 of 6 rows are held out, not 1 as"):
        raw.execute(call, [str(small_model), json.dumps({**options, "validation_split": 0.1})])
