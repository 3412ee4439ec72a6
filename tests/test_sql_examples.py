"""Every worked example under sql/ runs from its first statement to its last."""

from __future__ import annotations

import csv
import shutil
from pathlib import Path

import pytest

import thano_duckdb
from tests.conftest import REPOSITORY, Utterance
from thano_duckdb.dialect import split_statements

RUN_ELSEWHERE = {
    "macros.sql": "not an example: every connection runs it",
    "function_comments.sql": "likewise; its examples run in functions/test_function_comments.py",
    "tutorial.sql": "test_demo.py",
    "any_language.sql": "functions/test_any_language.py",
    "asterisk_prompts.sql": "test_human_speech.py",
}
EXAMPLES = sorted(path for path in (REPOSITORY / "sql").glob("*.sql") if path.name not in RUN_ELSEWHERE)


def write_manifest(path: Path, clips: list[Utterance], folder: str) -> None:
    with path.open("w", newline="") as file:
        manifest = csv.writer(file)
        manifest.writerow(["audio_path", "text", "speaker"])
        manifest.writerows([folder + Path(clip.audio_path).name, clip.text, clip.speaker] for clip in clips)


@pytest.fixture
def workspace(tmp_path: Path, an4_test: list[Utterance], monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working folder with `recordings`: eight utterances and their manifest."""
    recordings = tmp_path / "recordings"
    recordings.mkdir()
    clips = an4_test[:4] + an4_test[-4:]
    for clip in clips:
        shutil.copy(clip.audio_path, recordings)
    write_manifest(recordings / "manifest.csv", clips, "")
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.filterwarnings("ignore:thano_audio omits 1 file that is:thano_duckdb.ThanoWarning")  # the manifest
@pytest.mark.parametrize("example", EXAMPLES, ids=lambda path: path.name)
def test_an_example_runs(example: Path, workspace: Path, an4_model: Path) -> None:
    with thano_duckdb.connect(model_home=workspace / "models") as con:
        con.execute(f"UPLOAD MODEL my_model FROM '{an4_model}'")
        results = [con.sql(statement) for statement in split_statements(example.read_text())]
        rows = [relation.fetchall() for relation in results if relation is not None]
    assert len(rows) >= 3
    assert rows[-1]
