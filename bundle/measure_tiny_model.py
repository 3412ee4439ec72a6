"""Measure a stage of the small model: `python -m bundle.measure_tiny_model CORPORA MODEL`.

MODEL is the folder of a model, or of a checkpoint of a build that is still running. Prints one row of CSV per set: WER
and CER by greedy decoding and with the language model `en`. The people of LibriSpeech, of an4's test set and of
Asterisk are in no training data; of the two readers and the tutorial's voices other sentences are. `librispeech` is
all its three sets together, and `dev` the one to choose by. `silent` is the share of the clips that give no text.
"""

from __future__ import annotations

import argparse
import csv
import shutil
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

import soundfile
import torch

import thano_duckdb
from bundle.make_tiny_model import connect
from bundle.not_speech import random_sound
from bundle.voices import SAMPLE_RATE_HZ
from thano_duckdb.dialect import split_statements
from thano_duckdb.models.bundled import MODEL_FOLDER

LANGUAGE_MODELS = {"greedy": "NULL", "en": "'en'"}
PROMPTS = Path("/usr/share/asterisk/sounds/en")
N_SILENT, SILENT_SEED = 60, 4_000_000
_PEOPLE = """
    CREATE TABLE clips AS
    SELECT CASE part WHEN 'dev' THEN 'dev' ELSE corpus END AS corpus, audio_path, text
    FROM people
    WHERE part IN ('dev', 'test') AND corpus NOT IN ('free_spoken_digits', 'picovoice_wake_words')
    UNION ALL
    SELECT 'tutorial', getvariable('tutorial') || '/' || parse_filename(audio_path), text
    FROM read_csv(getvariable('tutorial') || '/librispeech_test.csv')
"""
_SCORE = """
    SELECT corpus, count(*), round(thano_wer(text, predicted), 4), round(thano_cer(text, predicted), 4),
        round(avg(confidence), 3), avg((predicted = '')::INT)
    FROM (
        PREDICT USING '{model}' OPTIONS (include=['confidence'], language_model={language_model}) AS SELECT * FROM clips
    )
    GROUP BY corpus
    ORDER BY corpus
"""


def add_prompts(con: thano_duckdb.Connection) -> None:
    """Add the prompts of Asterisk, where they are installed, by the statements of sql/asterisk_prompts.sql."""
    if not (PROMPTS / "agent-user.wav").exists():
        return
    example = Path(__file__).parents[1] / "sql" / "asterisk_prompts.sql"
    for statement in split_statements(example.read_text(encoding="utf-8"))[:3]:
        con.execute(statement)
    con.execute("INSERT INTO clips SELECT 'asterisk', audio_path, text FROM prompts")


def add_silence(con: thano_duckdb.Connection, folder: Path) -> None:
    """Add clips without speech."""
    for seed in range(SILENT_SEED, SILENT_SEED + N_SILENT):
        path = folder / f"{seed}.wav"
        soundfile.write(path, random_sound(6.0, seed), SAMPLE_RATE_HZ)
        con.execute("INSERT INTO clips VALUES ('silent', ?, '')", [str(path)])


def usable(folder: Path, temporary: Path) -> Path:
    """The folder itself or, of a checkpoint, a copy with the files that it lacks."""
    if (folder / "vocab.json").exists():
        return folder
    for source, names in ((MODEL_FOLDER, ("vocab.json", "tokenizer_config.json", "preprocessor_config.json")),
                          (folder, ("config.json", "model.safetensors"))):  # fmt: skip
        for name in names:
            shutil.copyfile(source / name, temporary / name)
    return temporary


def load_clips(con: thano_duckdb.Connection, folder: Path) -> None:
    """Make the table `clips` of all sets; `folder` receives the clips without speech."""
    con.execute(_PEOPLE)
    con.execute("INSERT INTO clips SELECT 'librispeech', * EXCLUDE corpus FROM clips WHERE corpus LIKE 'librispeech%'")
    add_prompts(con)
    add_silence(con, folder)


def scores(con: thano_duckdb.Connection, model: str, language_model: str) -> list[tuple[object, ...]]:
    """Set, clips, WER, CER, mean confidence and share without text of each set; `language_model` as an SQL literal."""
    return con.execute(_SCORE.format(model=model, language_model=language_model)).fetchall()


def main() -> None:
    """Measure one model."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("corpora", type=Path)
    parser.add_argument("model", type=Path)
    parser.add_argument("--greedy-only", action="store_true")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    table = csv.writer(sys.stdout, lineterminator="\n")
    table.writerow(["decoding", "set", "clips", "wer", "cer", "confidence", "silent"])
    with TemporaryDirectory() as folder, connect(arguments.corpora, Path(folder) / "home") as con:
        (Path(folder) / "model").mkdir()
        model = usable(arguments.model, Path(folder) / "model")
        load_clips(con, Path(folder))
        for name, language_model in LANGUAGE_MODELS.items():
            if arguments.greedy_only and name != "greedy":
                continue
            table.writerows((name, *row) for row in scores(con, str(model), language_model))
            sys.stdout.flush()


if __name__ == "__main__":
    main()
