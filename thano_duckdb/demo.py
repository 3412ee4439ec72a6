"""`make demo`: the main job on real audio, statement by statement, each printed before its result."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from . import hub
from .connection import Connection, connect
from .errors import ModelError
from .registry import Registry, model_home

MODEL = "tutorial_audio_recognition"
# A minute of a public speech that Hugging Face's own documentation uses.
AUDIO = "https://huggingface.co/datasets/Narsil/asr_dummy/resolve/main/mlk.flac"
N_CLIPS = 12


def main(argv: Sequence[str] | None = None) -> int:
    """Run the demo.

    Returns:
        0, or 1 where the model cannot be had: then it has said what it needs.
    """
    parser = argparse.ArgumentParser(prog="python -m thano_duckdb.demo", description=__doc__)
    parser.add_argument("--model", default=MODEL, help="a model name, a folder, or hf://owner/name")
    parser.add_argument("--audio", default=AUDIO, help="a folder of audio, a file, or a URL")
    arguments = parser.parse_args(argv)
    try:
        hub.resolve(arguments.model, Registry(model_home(None, "")))
    except ModelError as error:
        print(
            f"The demo needs a speech model and audio, and the model is not to be had here:\n  {error}\n\n"
            "With a Wav2Vec2 CTC checkpoint in a folder and some audio files:\n"
            "  make demo MODEL=path/to/model AUDIO=path/to/audio",
            file=sys.stderr,
        )
        return 1
    with connect() as connection:
        for statement in _statements(arguments.model, arguments.audio):
            _show(connection, statement)
    return 0


def _statements(model: str, audio: str) -> list[str]:
    name, place = model.replace("'", "''"), audio.replace("'", "''")
    clips = f"SELECT * FROM thano_audio('{place}')" if Path(audio).exists() else f"SELECT '{place}' AS audio_path"
    return [
        f"CREATE TABLE clips AS {clips};",
        f"PRINT AUDIO AS SELECT audio_path FROM clips LIMIT {N_CLIPS // 4};",
        f"CREATE TABLE transcripts AS\n"
        f"  PREDICT USING '{name}' OPTIONS (audio_col='audio_path', include=['confidence', 'duration', 'error']) AS\n"
        f"  SELECT audio_path FROM clips ORDER BY audio_path LIMIT {N_CLIPS};",
        "SELECT parse_filename(audio_path) AS clip, round(duration, 2) AS seconds, predicted,\n"
        "       round(confidence, 2) AS confidence, error\n"
        "FROM transcripts;",
    ]


def _show(connection: Connection, statement: str) -> None:
    print(f"\n{statement}", flush=True)
    relation = connection.sql(statement)
    if relation is not None and relation.columns != ["Count"]:
        relation.show(max_width=160)


if __name__ == "__main__":
    sys.exit(main())
