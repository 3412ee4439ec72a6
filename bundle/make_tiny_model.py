"""Make the small English model: `python -m bundle.make_tiny_model CORPORA WORK --styles FOLDER --teacher MODEL.BIN`.

CORPORA is a folder of speech and text (see recorded_speech.sql and training_sentences.sql), FOLDER has the style
vectors of the natural voices, and MODEL.BIN is the teacher (see gpu/teacher.py). WORK receives everything else:
sentences, synthetic speech, the pack for the GPU, and the models with their checkpoints. A run that was stopped
continues where it stopped: with the next sentence, or where the training was paused. What ships is made of the last
two models by `bundle.tiny_model`.

A machine with a GPU and no voices can do the middle part alone: `python -m bundle.gpu.train` with the pack.
"""

from __future__ import annotations

import argparse
import random
import subprocess
import sys
from pathlib import Path

import thano_duckdb
from bundle.training_text import spelling_and_numbers
from thano_duckdb.dialect import split_statements
from thano_duckdb.models import tiny
from thano_duckdb.models.bundled import dataset_folder

FOLDER = Path(__file__).parent
N_COMMANDS, SEED = 4_000, 7
ROBOTIC_FIRST_LINE, MORE_ROBOTIC_FIRST_LINE = 20_000, 22_400
"""The natural voices read the lines before them."""
FROM_GPU, FINISHED = "tiny_from_gpu", "tiny_finished"
RUNS_ON_GPU = (
    {"seconds": 380, "strength": 1.0, "learning-rate": 1.2e-3, "teacher-weight": 1.0},
    {"seconds": 500, "strength": 0.5, "learning-rate": 9e-4, "teacher-weight": 0.7},
)
"""Each goes on from the weights of the one before; see gpu/train.py."""


def connect(corpora: Path, work: Path) -> thano_duckdb.Connection:
    """A connection that knows where the data lies, with the tables of recorded_speech.sql."""
    work.mkdir(parents=True, exist_ok=True)
    con = thano_duckdb.connect(model_home=work / "models")
    folders = {"corpora": corpora, "work": work, "tutorial": dataset_folder("librispeech_data")}
    for name, folder in folders.items():
        con.execute(f"SET VARIABLE {name} = '{folder}'")
    con.execute((FOLDER / "recorded_speech.sql").read_text(encoding="utf-8"))
    return con


def write_sentences(con: thano_duckdb.Connection, work: Path) -> Path:
    """The file of the sentences that synthetic voices read."""
    rng = random.Random(SEED)
    commands = work / "commands.txt"
    commands.write_text("".join(f"{spelling_and_numbers(rng)}\n" for _ in range(N_COMMANDS)), encoding="utf-8")
    con.execute(f"SET VARIABLE spoken = '{commands}'")
    con.execute((FOLDER / "training_sentences.sql").read_text(encoding="utf-8"))
    return work / "sentences.txt"


def finish(con: thano_duckdb.Connection) -> None:
    """Run train_tiny_model.sql, unless its model exists, and print a row of figures for each epoch."""
    for statement in split_statements((FOLDER / "train_tiny_model.sql").read_text(encoding="utf-8")):
        if not statement.lstrip().startswith("FIT"):
            con.execute(statement)
        elif not _exists(con, FINISHED):
            for epoch in con.execute(statement).fetchall():
                print(*epoch, sep=",", flush=True)


def _exists(con: thano_duckdb.Connection, model: str) -> bool:
    return con.execute("SELECT count(*) > 0 FROM thano_models() WHERE name = ?", [model]).fetchall()[0][0] is True


def _run(python: Path, module: str, *arguments: object) -> None:
    subprocess.run([python, "-m", f"bundle.{module}", *map(str, arguments)], cwd=FOLDER.parent, check=True)


def train_on_gpu(pack: Path, work: Path, device: str) -> Path:
    """Run after run, each from the weights of the one before; returns the folder of the last."""
    shape = work / "shape"
    tiny.write_tiny(shape)
    start: list[object] = []
    for number, run in enumerate(RUNS_ON_GPU, 1):
        out = work / f"run_{number}"
        options = [word for name, value in run.items() for word in (f"--{name}", value)]
        _run(Path(sys.executable), "gpu.train", pack, out, "--config", shape, "--device", device, *options, *start)
        start = ["--weights", out]
    return out


def main() -> None:
    """Make the data and train."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("corpora", type=Path)
    parser.add_argument("work", type=Path)
    parser.add_argument("--styles", type=Path, required=True, help="Kokoro's style vectors")
    parser.add_argument("--teacher", type=Path, required=True, help="model.bin of Whisper base, for CTranslate2")
    parser.add_argument("--natural-hours", type=float, default=2.75)
    parser.add_argument("--robotic-hours", type=float, default=1.0)
    parser.add_argument("--more-robotic-hours", type=float, default=2.5)
    parser.add_argument("--voices-python", type=Path, default=Path(sys.executable), help="a Python that has the voices")
    parser.add_argument("--device", default="cuda")
    arguments = parser.parse_args()
    work: Path = arguments.work
    with connect(arguments.corpora, work) as con:
        sentences = write_sentences(con, work)
    for folder, kind, hours, option in (
        ("natural", "natural", arguments.natural_hours, f"--styles={arguments.styles}"),
        ("robotic", "robotic", arguments.robotic_hours, f"--first-line={ROBOTIC_FIRST_LINE}"),
        ("more_robotic", "robotic", arguments.more_robotic_hours, f"--first-line={MORE_ROBOTIC_FIRST_LINE}"),
    ):
        _run(arguments.voices_python, "training_speech", work / folder, sentences, kind, f"--hours={hours}", option)
    pack = work / "pack"
    if not (pack / "clips.csv").exists():
        _run(Path(sys.executable), "gpu.pack", arguments.corpora, work, pack, "--teacher", arguments.teacher)
    trained = train_on_gpu(pack, work, arguments.device)
    with connect(arguments.corpora, work) as con:
        if not _exists(con, FROM_GPU):
            con.execute(f"UPLOAD MODEL {FROM_GPU} FROM '{trained}'")
        finish(con)


if __name__ == "__main__":
    main()
