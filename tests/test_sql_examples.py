"""Every worked example under sql/ runs from its first statement to its last."""

from __future__ import annotations

import csv
import shutil
from pathlib import Path

import pytest

import thano_duckdb
from tests.conftest import REPOSITORY, Utterance
from thano_duckdb.dialect import Build, Fit, plan, split_statements

RUN_ELSEWHERE = {
    "macros.sql": "not an example: every connection runs it",
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


def write_corpus(folder: Path, rows: list[tuple[str, str, str, str]]) -> None:
    folder.mkdir(parents=True)
    with (folder / "manifest.csv").open("w", newline="") as file:
        csv.writer(file).writerows([("audio_path", "text", "speaker", "split"), *rows])


def test_the_training_data_of_the_small_model_are_selected_as_described(
    con: thano_duckdb.Connection, tmp_path: Path
) -> None:
    sentences = [f"Sentence number {index}, as it is read." for index in range(200)]
    for reader in ("kathleen_arctic", "ljspeech_part1"):
        rows = [(f"{index}.flac", text, reader, "train") for index, text in enumerate(sentences)]
        write_corpus(tmp_path / "corpora" / reader, rows)
    write_corpus(
        tmp_path / "corpora" / "an4", [("a.flac", "YES PLEASE", "x", "train"), ("b.flac", "NO THANKS", "y", "test")]
    )
    spoken = [(f"{index}.flac", text.upper(), "piper-joe", "prose") for index, text in enumerate(sentences)]
    write_corpus(tmp_path / "synthetic", spoken)
    spliced = [f"spliced_{stage}" for stage in range(5, 11)]
    for folder in spliced:
        write_corpus(tmp_path / folder, [("0.flac", "number as sentence", "kathleen", "")])
    write_corpus(tmp_path / "book", [("0.flac", "The sea was calm.", "joe", "prose")])
    write_corpus(tmp_path / "scarce", [("0.flac", "an elephant by the dock", "joe", "phrases")])
    for folder in ("corpora", "synthetic", "book", "scarce", *spliced):
        con.execute(f"SET VARIABLE {folder} = '{tmp_path / folder}'")

    scripts = [(REPOSITORY / "bundle" / f"train_tiny_model{name}.sql").read_text() for name in ("", "_spliced")]
    script = [statement for text in scripts for statement in split_statements(text)]
    trainings = [
        statement for statement in script if isinstance(next(iter(plan(statement).statements), None), Build | Fit)
    ]
    assert len(trainings) == 11
    trained_so_far: list[tuple[str, str]] = []
    trained: list[tuple[str, str]] = []
    for statement in script[: script.index(trainings[-1]) + 1]:
        if statement in trainings:
            trained = con.sql("SELECT audio_path, text FROM training_speech").fetchall()
            trained_so_far += trained
        elif "PREDICT" not in statement:
            con.execute(statement)

    held_out = {text for (text,) in con.sql("SELECT text FROM speech WHERE is_held_out").fetchall()}
    assert 5 < len(held_out - {"NO THANKS"}) < 50  # one in ten
    assert {text.upper() for text in held_out}.isdisjoint(text.upper() for _, text in trained_so_far)
    others = {"YES PLEASE", "NO THANKS", "NUMBER AS SENTENCE", "AN ELEPHANT BY THE DOCK"}
    assert {text.upper() for text in sentences} | others == {text.upper() for _, text in trained} | {
        text.upper() for text in held_out
    }
    paths = {path for path, _ in trained}
    assert {str(tmp_path / "corpora" / "an4" / "a.flac")} == {path for path in paths if "/an4/" in path}
    assert any(path.startswith(f"{tmp_path}/synthetic/") for path in paths)
    assert f"{tmp_path}/spliced_10/0.flac" in paths

    assert {
        (f"{tmp_path}/book/0.flac", "The sea was calm."),
        (f"{tmp_path}/spliced_9/0.flac", "number as sentence"),
    } <= set(trained_so_far)

    assert all(len(con.extract_statements(statement)) == 1 for statement in script)
