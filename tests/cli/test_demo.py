"""`thano_duckdb demo`: the whole tutorial, with nothing but the package."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import thano_duckdb
from tests.conftest import REPOSITORY, Utterance
from thano_duckdb.cli import shell
from thano_duckdb.dialect import split_statements
from thano_duckdb.models import bundled

TUTORIAL = split_statements((REPOSITORY / "sql" / "tutorial.sql").read_text(encoding="utf-8"))


@pytest.mark.timeout(600)
def test_the_tutorial_runs_from_the_wheel_alone_in_a_folder_of_its_own(
    unpacked: Path, bundled_model: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "a demo"
    nothing = {"HF_HOME": str(tmp_path / "hf"), "HF_HUB_OFFLINE": "1", "HOME": str(tmp_path)}

    def demo() -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "thano_duckdb", "demo", "--folder", str(folder)]
        environment = {**os.environ, "PYTHONPATH": str(unpacked), **nothing}
        return subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)

    run = demo()
    assert run.returncode == 0, run.stderr
    output, position = run.stdout, 0
    for statement in TUTORIAL:
        position = output.index(f"\n{statement};\n", position)
    assert "The last page of the book was missing" in output
    rates = re.search(r"│ wer +│ +([\d.]+) │ +([\d.]+) │", output[position:])
    assert rates
    assert float(rates[2]) < 0.95 * float(rates[1]), "the training should mend a tenth of the errors"
    for next_step in (
        f"cd '{folder}' && thano_duckdb tutorial.duckdb",
        "%load_ext thano_duckdb",
        "--audio",
        "README.md",
    ):
        assert next_step in output[position:]
    (warning,) = run.stderr.splitlines()
    assert warning.startswith("Warning: 'tutorial_audio_recognition' is facebook/wav2vec2-base-960h")
    assert bundled.MODEL in warning
    assert "stands in" in warning
    with thano_duckdb.connect(folder / "tutorial.duckdb") as con:
        assert con.sql("SELECT name, version FROM (LIST MODEL)").fetchall() == [("my_speech_recognition_model", 1)]
        assert con.sql("SELECT count(*) FROM librispeech_train").fetchall() == [(80,)]

    before = (folder / "tutorial.duckdb").read_bytes()
    again = demo()
    assert again.returncode == 1
    assert "already has a tutorial.duckdb" in again.stderr
    assert (folder / "tutorial.duckdb").read_bytes() == before


def test_the_demo_takes_other_audio_and_another_model(
    an4_model: Path, an4_test: list[Utterance], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for clip in an4_test[:3]:
        shutil.copy(clip.audio_path, tmp_path)
    assert shell.main(["demo", "--model", str(an4_model), "--audio", str(tmp_path)]) == 0
    output = capsys.readouterr().out
    with thano_duckdb.connect() as con:
        transcripts = con.sql(
            f"PREDICT USING '{an4_model}' AS SELECT audio_path FROM thano_audio('{tmp_path}') ORDER BY audio_path"
        ).fetchall()
    assert len(transcripts) == 3
    for path, text in transcripts:
        assert re.search(rf"│ {Path(path).name} +│ +[\d.]+ │ {re.escape(text)} +│", output)


def test_a_missing_model_gives_one_sentence(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert shell.main(["demo", "--model", str(tmp_path / "no_model"), "--audio", str(tmp_path)]) == 1
    assert "no audio files" in capsys.readouterr().err
    (tmp_path / "a.wav").write_bytes(b"RIFF")
    assert shell.main(["demo", "--model", str(tmp_path / "no_model"), "--audio", str(tmp_path)]) == 1
    assert "no model folder" in capsys.readouterr().err


def test_make_demo_passes_on_its_settings() -> None:
    for settings, ending in (([], "demo"), (["MODEL=m", "AUDIO=a b"], "demo --model 'm' --audio 'a b'")):
        run = subprocess.run(
            ["make", "--no-print-directory", "-n", "demo", *settings],
            cwd=REPOSITORY,
            capture_output=True,
            text=True,
            check=True,
        )
        assert run.stdout.strip().endswith(f"python -m thano_duckdb {ending}")


def test_help_mentions_the_demo() -> None:
    run = subprocess.run([sys.executable, "-m", "thano_duckdb", "--help"], capture_output=True, text=True, check=True)
    assert "thano_duckdb demo" in " ".join(run.stdout.split())
