"""`thano_duckdb demo`: the tutorial on real audio, statement by statement, each printed before its result."""

from __future__ import annotations

import argparse
import contextlib
import os
import shlex
import sys
import tempfile
import warnings
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import duckdb

from thano_duckdb import connect
from thano_duckdb.caller import warnings_on_one_line
from thano_duckdb.connection import Connection
from thano_duckdb.dialect import statement_spans
from thano_duckdb.errors import ThanoError, ThanoWarning
from thano_duckdb.models.bundled import dataset_folder

from .error_line import error_line
from .training_line import training_line

DATABASE = "tutorial.duckdb"
MODELS = f"{DATABASE}.models"
"""The folder in which a connection to the database file looks for models by default, too."""
OWN_MODEL = "tutorial_audio_recognition"
N_CLIPS = 12
MAX_WIDTH_CHARS = 160


def main(argv: Sequence[str] | None = None) -> int:
    """Run the demo.

    Args:
        argv: the arguments without the program's name; None for the command line's.

    Returns:
        0, or 1 if a statement failed, after printing what it needs.
    """
    parser = argparse.ArgumentParser(
        prog="thano_duckdb demo",
        description="The tutorial by statements: transcribe, evaluate, train, evaluate again. Needs no network.",
        epilog="With --audio or --model it transcribes your audio, with your model, instead.",
    )
    parser.add_argument("--folder", type=Path, help="work in this folder (default: a new one, which is kept)")
    parser.add_argument("--model", help="a model name, a folder, or hf://owner/name")
    parser.add_argument("--audio", help="a folder of audio, a file, or a URL")
    arguments = parser.parse_args(argv)
    try:
        if arguments.model is None and arguments.audio is None:
            _tutorial(arguments.folder)
        else:
            _own_audio(arguments.model or OWN_MODEL, arguments.audio or str(dataset_folder("librispeech_data")))
    except (duckdb.Error, OSError, ThanoError) as error:
        print(error_line(error), file=sys.stderr)
        return 1
    return 0


def _tutorial(folder: Path | None) -> None:
    """Run every statement of sql/tutorial.sql in a folder of its own."""
    from thano_duckdb.functions.sql_files import sql_folder

    script = sql_folder().joinpath("tutorial.sql").read_text(encoding="utf-8")
    workspace = _working_folder(folder)
    with contextlib.chdir(workspace), connect(DATABASE, model_home=MODELS) as connection:
        _run(connection, _with_comments(script))
    home = f" --model-home {MODELS}" if "THANO_HOME" in os.environ else ""
    print(
        f"\nThe database, the clips and your model are in {workspace}. Where to go next:\n"
        f"  the same in a shell      cd {shlex.quote(str(workspace))} && thano_duckdb {DATABASE}{home}\n"
        f"  in Python                con = thano_duckdb.connect('{workspace / DATABASE}')\n"
        f"  in a notebook            %load_ext thano_duckdb, then cells that begin with %%sql\n"
        f"  on your own audio        thano_duckdb demo --audio path/to/folder\n"
        f"  all statements, options  README.md"
    )


def _with_comments(script: str) -> Iterator[str]:
    """The statements of a script, each with the comment in front of it."""
    position = 0
    for span in statement_spans(script):
        comments = [line for line in script[position : span.start].splitlines() if line.startswith("--")]
        yield "\n".join([*comments, span.of(script)])
        position = span.end


def _working_folder(folder: Path | None) -> Path:
    """A folder for the tutorial's files, new or given.

    Raises:
        ThanoError: it holds the database of another tutorial.
    """
    if folder is None:
        return Path(tempfile.mkdtemp(prefix="thano_demo_"))
    folder = folder.expanduser().absolute()
    if (folder / DATABASE).exists():
        raise ThanoError(f"{folder} already has a {DATABASE}, which is left as it is; name another folder")
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def _own_audio(model: str, audio: str) -> None:
    with connect() as connection:
        _run(connection, _own_statements(model, audio))


def _own_statements(model: str, audio: str) -> list[str]:
    name, location = model.replace("'", "''"), audio.replace("'", "''")
    is_local = Path(audio).exists()
    clips = f"SELECT * FROM thano_audio('{location}')" if is_local else f"SELECT '{location}' AS audio_path"
    return [
        f"CREATE TABLE clips AS {clips}",
        f"PRINT AUDIO AS SELECT audio_path FROM clips LIMIT {N_CLIPS // 4}",
        f"CREATE TABLE transcripts AS\n"
        f"  PREDICT USING '{name}' OPTIONS (audio_col='audio_path', include=['confidence', 'duration', 'error']) AS\n"
        f"  SELECT audio_path FROM clips ORDER BY audio_path LIMIT {N_CLIPS}",
        "SELECT parse_filename(audio_path) AS clip, round(duration, 2) AS seconds, predicted,\n"
        "       round(confidence, 2) AS confidence, error\n"
        "FROM transcripts",
    ]


def _run(connection: Connection, statements: Iterable[str]) -> None:
    with warnings.catch_warnings(), warnings_on_one_line("Warning", repeat=False):
        # Python's own `once` starts anew whenever a library that is imported adds a filter.
        warnings.simplefilter("always", ThanoWarning)
        for statement in statements:
            print(f"\n{statement};", flush=True)
            relation = connection.sql(statement)
            if relation is not None and relation.columns != ["Count"]:
                relation.show(max_width=MAX_WIDTH_CHARS)
                if line := training_line(connection, statement, relation):
                    print(line)
                sys.stdout.flush()
