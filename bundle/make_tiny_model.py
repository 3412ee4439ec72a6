"""Make the small English model: `python -m bundle.make_tiny_model CORPORA WORK --styles FOLDER`.

CORPORA is a folder of speech and text (see recorded_speech.sql and training_sentences.sql), and FOLDER has the style
vectors of the natural voices. WORK receives everything else: sentences, synthetic speech, the database, and the models
of all stages with their checkpoints. The natural voices speak while the first stage is trained. A run that was stopped
continues where it stopped, in training after the last finished epoch. Training uses one thread: on a machine with
other work two would mostly wait for each other. What ships is made of the last stage by `bundle.tiny_model`.
"""

from __future__ import annotations

import argparse
import random
import re
import subprocess
import sys
from pathlib import Path

import torch

import thano_duckdb
from bundle.training_text import spelling_and_numbers
from thano_duckdb.dialect import split_statements
from thano_duckdb.models.bundled import dataset_folder

FOLDER = Path(__file__).parent
STAGES = ("tiny_readers", "tiny_everybody")
N_COMMANDS, SEED = 4_000, 7
ROBOTIC_FIRST_LINE = 20_000
"""The natural voices read the lines before it."""
_FIT = re.compile(r"^\s*FIT\s+MODEL\s+(\w+)", re.MULTILINE)
_TO_DISTURB = """
    COPY (
        SELECT audio_path, text FROM (FROM readers UNION ALL FROM clips_in('natural'))
        WHERE part_of(audio_path, 3) = 0 ORDER BY audio_path
    ) TO (getvariable('work') || '/to_disturb.csv')
"""


def connect(corpora: Path, work: Path, *, database: str = ":memory:") -> thano_duckdb.Connection:
    """A connection that knows where the data lies, with the tables of recorded_speech.sql."""
    work.mkdir(parents=True, exist_ok=True)
    con = thano_duckdb.connect(database, model_home=work / "models")
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


def prepare_stage(con: thano_duckdb.Connection, stage: str) -> str:
    """The statement of train_tiny_model.sql that trains `stage`, once the views before it have been made."""
    for statement in split_statements((FOLDER / "train_tiny_model.sql").read_text(encoding="utf-8")):
        trained = _FIT.search(statement)
        if trained is None:
            con.execute(statement)
        elif trained[1] == stage:
            return statement
    raise ValueError(f"train_tiny_model.sql has no stage {stage}")


def run_stage(con: thano_duckdb.Connection, stage: str) -> None:
    """Train `stage`, unless it is finished, and print a row of figures for each epoch."""
    statement = prepare_stage(con, stage)
    if not con.execute("SELECT count(*) FROM thano_models() WHERE name = ?", [stage]).fetchall()[0][0]:
        for epoch in con.execute(statement).fetchall():
            print(*epoch, sep=",", flush=True)


def speak(python: Path, work: Path, sentences: Path, voices: str, hours: float, option: str) -> subprocess.Popen[bytes]:
    """Start the synthesis of one kind of speech."""
    script = [str(python), "-m", "bundle.training_speech", str(work / voices), str(sentences), voices]
    return subprocess.Popen([*script, f"--hours={hours}", option], cwd=FOLDER.parent)


def main() -> None:
    """Make the data and train."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("corpora", type=Path)
    parser.add_argument("work", type=Path)
    parser.add_argument("--styles", type=Path, required=True, help="Kokoro's style vectors")
    parser.add_argument("--natural-hours", type=float, default=10.0)
    parser.add_argument("--robotic-hours", type=float, default=2.0)
    parser.add_argument("--voices-python", type=Path, default=Path(sys.executable), help="a Python that has the voices")
    parser.add_argument("--threads", type=int, default=1, help="threads of the training")
    arguments = parser.parse_args()
    work: Path = arguments.work
    torch.set_num_threads(arguments.threads)
    with connect(arguments.corpora, work, database=str(work / "training.duckdb")) as con:
        sentences = write_sentences(con, work)
        python = arguments.voices_python
        speakers = [
            speak(python, work, sentences, "natural", arguments.natural_hours, f"--styles={arguments.styles}"),
            speak(python, work, sentences, "robotic", arguments.robotic_hours, f"--first-line={ROBOTIC_FIRST_LINE}"),
        ]
        try:
            run_stage(con, STAGES[0])
            if any(speaker.wait() for speaker in speakers):
                raise SystemExit("not all sentences were spoken")
        finally:
            for speaker in speakers:
                speaker.terminate()
        con.execute(_TO_DISTURB)
        disturb = [
            sys.executable,
            "-m",
            "bundle.disturbed_speech",
            str(work / "disturbed"),
            str(work / "to_disturb.csv"),
        ]
        subprocess.run(disturb, cwd=FOLDER.parent, check=True)
        run_stage(con, STAGES[1])


if __name__ == "__main__":
    main()
