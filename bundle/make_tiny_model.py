"""Make the small English model: `python -m bundle.make_tiny_model CORPORA WORK`.

CORPORA is a folder of speech and text (see recorded_speech.sql and training_sentences.sql); WORK receives everything
else: the database, the models of all stages, and their checkpoints. A run that was stopped continues after its last
finished epoch. It trains on one thread, because two would often wait for each other on a machine with other work.
"""

from __future__ import annotations

import argparse
import re
from pathlib import Path

import torch

import thano_duckdb
from thano_duckdb.dialect import split_statements
from thano_duckdb.models.bundled import dataset_folder

FOLDER = Path(__file__).parent
_TRAINS = re.compile(r"^\s*FIT\s+MODEL\s+(\w+)", re.MULTILINE)


def connect(corpora: Path, work: Path, *, database: str = ":memory:") -> thano_duckdb.Connection:
    """A connection that knows where the data lies, with the table `people` of recorded_speech.sql."""
    con = thano_duckdb.connect(database, model_home=work / "models")
    folders = {"corpora": corpora, "work": work, "tutorial": dataset_folder("librispeech_data")}
    for name, folder in folders.items():
        con.execute(f"SET VARIABLE {name} = '{folder}'")
    con.execute((FOLDER / "recorded_speech.sql").read_text(encoding="utf-8"))
    return con


def train(con: thano_duckdb.Connection) -> None:
    """Run the stages of train_tiny_model.sql that have not been finished yet."""
    for statement in split_statements((FOLDER / "train_tiny_model.sql").read_text(encoding="utf-8")):
        stage = _TRAINS.search(statement)
        finished = {name for (name,) in con.execute("SELECT name FROM thano_models()").fetchall()}
        if stage and stage[1] in finished:
            continue
        result = con.execute(statement)
        if stage:
            print(stage[1], *result.fetchall(), sep="\n", flush=True)


def main() -> None:
    """Make the data and train."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("corpora", type=Path)
    parser.add_argument("work", type=Path)
    parser.add_argument("--threads", type=int, default=1, help="threads of the training")
    arguments = parser.parse_args()
    arguments.work.mkdir(parents=True, exist_ok=True)
    torch.set_num_threads(arguments.threads)
    with connect(arguments.corpora, arguments.work, database=str(arguments.work / "training.duckdb")) as con:
        train(con)


if __name__ == "__main__":
    main()
