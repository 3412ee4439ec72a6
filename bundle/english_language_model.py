"""Build the English language model of this package: `python -m bundle.english_language_model CORPORA`.

CORPORA is a folder that holds the files in TEXTS, one sentence a line, and an4, kathleen_arctic and ljspeech_part1
(manifest.csv), whose test sentences are taken out. Writes
thano_duckdb/models/bundled/english_language_model: the n-grams, and attrs.json with the weights for decoding. Each run
gives the same bytes.
"""

from __future__ import annotations

import argparse
import random
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa

import thano_duckdb
from bundle.training_text import spelling_and_numbers
from thano_duckdb.language.build_language_model import FILE_NAME
from thano_duckdb.language.language_model import write_attributes
from thano_duckdb.models.bundled import LANGUAGE_MODEL_FOLDER, dataset_folder
from thano_duckdb.speech.normalize import normalize

SEED = 2022
TEXTS = ("lm_text/common_voice_sentences.txt", "lm_text/novels.txt", "ljspeech_text/sentences.txt")
"""More text (addresses of presidents, Moby-Dick, LibriSpeech's transcripts) did not help the tutorial's training clips:
in a file of this size its phrases would take the room of everyday ones."""
N_GENERATED = 6_000
"""Lines of spelling, numbers, dates and commands: without them, spelled letters and digits become words."""
PRUNE = 3.4e-7
LM_WEIGHT, WORD_SCORE = 0.8, 2.0
"""Tuned on the training clips of the tutorial."""

_TEXT = """
    CREATE TABLE sentences AS
    SELECT thano_normalize(text) AS text
    FROM read_csv(
        {files},
        columns = {{'text': 'VARCHAR'}}, delim = '\x01', quote = '', escape = '', header = false, auto_detect = false
    )
"""
_TEST = """
    CREATE TABLE test_sentences AS
    SELECT DISTINCT thano_normalize(text) AS text
    FROM (
        SELECT text FROM read_csv('{corpora}/an4/manifest.csv') WHERE split = 'test'
        UNION ALL
        SELECT text FROM read_csv('{tutorial}/librispeech_test.csv')
        UNION ALL
        SELECT text
        FROM read_csv(['{corpora}/kathleen_arctic/manifest.csv', '{corpora}/ljspeech_part1/manifest.csv'])
        WHERE ('0x' || left(md5(thano_normalize(text)), 8))::UBIGINT % 10 = 0  -- held_out of recorded_speech.sql
    )
"""
# A long test sentence may be part of a line; a short one, such as `yes`, is part of many.
_BUILD = """
    BUILD LANGUAGE MODEL english OPTIONS (order=3, prune={prune}) AS
    SELECT text FROM (FROM sentences UNION ALL FROM generated) AS sentences
    WHERE text NOT IN (SELECT text FROM test_sentences) AND NOT EXISTS (
        FROM test_sentences AS test WHERE len(string_split(test.text, ' ')) >= 5 AND contains(sentences.text, test.text)
    )
"""


def generated_lines(n: int, seed: int) -> Iterator[str]:
    """What people say to machines."""
    rng = random.Random(seed)
    for _ in range(n):
        yield spelling_and_numbers(rng)


def build(corpora: Path, *, prune: float, n_generated: int) -> Path:
    """Build the model in a registry that is thrown away; returns a copy of its file in a temporary folder."""
    home = Path(tempfile.mkdtemp())
    with thano_duckdb.connect(model_home=home) as con:
        con.execute(_TEXT.format(files=[str(corpora / name) for name in TEXTS]))
        con.execute(_TEST.format(corpora=corpora, tutorial=dataset_folder("librispeech_data")))
        generated = normalize(pa.array(list(generated_lines(n_generated, SEED))))
        con.register("generated", pa.table({"text": generated}))
        print(con.sql(_BUILD.format(prune=prune)))
        row = con.execute("SELECT path FROM thano_models() WHERE name = 'english'").fetchone()
    assert row is not None
    return Path(row[0]) / FILE_NAME


def main() -> None:
    """Build it, and put it into the package."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("corpora", type=Path)
    parser.add_argument("--prune", type=float, default=PRUNE, help="the threshold of entropy pruning")
    parser.add_argument("--generated", type=int, default=N_GENERATED, help="lines of spelling, numbers and commands")
    parser.add_argument("--folder", type=Path, default=LANGUAGE_MODEL_FOLDER)
    arguments = parser.parse_args()
    file = build(arguments.corpora, prune=arguments.prune, n_generated=arguments.generated)
    arguments.folder.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(file, arguments.folder / FILE_NAME)
    write_attributes(arguments.folder, lm_weight=LM_WEIGHT, word_score=WORD_SCORE)
    shutil.rmtree(file.parents[2])


if __name__ == "__main__":
    main()
