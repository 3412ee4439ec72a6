"""`python -m thano_duckdb`: what it prints, its exit codes, Ctrl-C."""

from __future__ import annotations

import re
import signal
import subprocess
import sys
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import duckdb
import pytest

from thano_duckdb.cli.shell import main

if TYPE_CHECKING:
    from tests.conftest import Utterance

SHELL = [sys.executable, "-m", "thano_duckdb"]


def run(*arguments: str, stdin: str = "") -> subprocess.CompletedProcess[str]:
    return subprocess.run([*SHELL, *arguments], capture_output=True, text=True, input=stdin, check=False)


def test_tables_are_printed_as_duckdb_prints_them() -> None:
    shell = run("-c", "SELECT 1 AS a, 'é' AS b; CREATE TABLE t AS SELECT 3 AS c; FROM t")
    with duckdb.connect() as con:
        assert str(con.sql("SELECT 1 AS a, 'é' AS b")).strip() in shell.stdout
        assert str(con.sql("SELECT 3::INTEGER AS c")).strip() in shell.stdout
    assert (shell.returncode, shell.stderr) == (0, "")


def test_predict_from_a_file_into_a_database(an4_model: Path, an4_clip: str, tmp_path: Path) -> None:
    script, database = tmp_path / "job.sql", tmp_path / "my.duckdb"
    script.write_text(
        f"-- a script\nCREATE TABLE clips AS SELECT '{an4_clip}' AS audio_path; -- ;\n"
        f"CREATE TABLE transcripts AS PREDICT USING '{an4_model}' AS SELECT * FROM clips;\n"
    )
    assert run(str(database), "-f", str(script)).returncode == 0
    shell = run(str(database), "-c", "SELECT predicted FROM transcripts")
    with duckdb.connect(database) as con:
        (text,) = con.execute("SELECT predicted FROM transcripts").fetchall()[0]
    assert text
    assert text in shell.stdout


def test_a_line_under_build_says_which_epoch_was_published_and_how_good_it_is(
    an4_model: Path, an4_test: list[Utterance], tmp_path: Path
) -> None:
    rows = ", ".join(f"('{clip.audio_path}', '{clip.text}')" for clip in an4_test[40:52])
    build = (
        f"BUILD MODEL mine USING '{an4_model}' OPTIONS (epochs=2, validation_split=0.3, seed=4, device=cpu) AS "
        f"SELECT * FROM (VALUES {rows}) AS rows (audio_path, text)"
    )
    shell = run("--model-home", str(tmp_path), "-c", build)
    assert shell.returncode == 0
    line = shell.stdout.rstrip().splitlines()[-1]
    assert re.fullmatch(
        rf"mine@1: fine-tuned from {re.escape(str(an4_model))} on 8 clips \(0.01 h\), epoch [12] of 2: "
        r"WER 0\.\d{3} -> 0\.\d{3}, CER 0\.\d{3} -> 0\.\d{3} on 4 clips that were held out",
        line,
    )


def test_statements_from_standard_input() -> None:
    assert "42" in run(stdin="SELECT 40 + 2;").stdout


def test_an_error_names_its_line_and_stops_the_script(tmp_path: Path) -> None:
    script = tmp_path / "job.sql"
    script.write_text("SELECT 'before';\n\nPREDICT USING m OPTIONS (audio_cl='x') AS SELECT 1;\nSELECT 'after';\n")
    shell = run("-f", str(script))
    assert shell.returncode == 1
    assert "before" in shell.stdout
    assert "after" not in shell.stdout
    assert "line 3, column 26" in shell.stderr
    assert "Did you mean 'audio_col'?" in shell.stderr
    assert "Traceback" not in shell.stderr


@pytest.mark.parametrize(
    ("arguments", "code", "phrase"),
    [
        (["-f", "no_such_file.sql"], 1, "no_such_file.sql"),
        (["-c", "SELECT * FROM nothing_here"], 1, "nothing_here"),
        (["no/such/folder/my.duckdb", "-c", "SELECT 1"], 1, "my.duckdb"),
        (["--no-such-option"], 2, "usage"),
        (["-csv", "SELECT 1"], 2, "there is no option -csv"),
        (["my.duckdb", "-json", "-c", "SELECT 1"], 2, "there is no option -json"),
        (["--device", "gpu", "-c", "SELECT 1"], 2, "use 'cuda' for an NVIDIA GPU"),
    ],
)
def test_failures_have_exit_codes_and_one_message(arguments: list[str], code: int, phrase: str) -> None:
    shell = run(*arguments)
    assert shell.returncode == code
    assert phrase in shell.stderr
    assert "Traceback" not in shell.stderr


def test_warnings_are_sentences_on_standard_error(an4_model: Path) -> None:
    shell = run("-c", f"PREDICT USING '{an4_model}' AS SELECT 'lost.wav' AS audio_path")
    assert shell.returncode == 0
    assert shell.stderr.startswith("Warning: 1 clip could not be transcribed")


@pytest.mark.parametrize(
    "arguments", [["-c", "SELECT 1"], ["-c", "SELEC 1"], ["demo", "--model", "no_model_here", "--audio", "x.wav"]]
)
def test_main_restores_how_warnings_are_shown(arguments: list[str]) -> None:
    main(["-c", "SELECT 1"])  # the libraries that it imports add filters of their own
    show, filters = warnings.showwarning, list(warnings.filters)
    main(arguments)
    with pytest.raises(SystemExit):
        main(["--no-such-option"])
    assert warnings.showwarning is show
    assert warnings.filters == filters


def test_ctrl_c_ends_the_shell_with_130() -> None:
    endless = "SELECT 'begun'; SELECT count(*) FROM range(1000000) a, range(1000000) b WHERE a.range % 7 = b.range % 5"
    with subprocess.Popen([*SHELL, "-c", endless], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as shell:
        assert shell.stdout is not None
        assert shell.stderr is not None
        while "begun" not in shell.stdout.readline():
            pass
        shell.send_signal(signal.SIGINT)
        assert shell.wait(timeout=30) == 130
        assert shell.stderr.read() == "Interrupted.\n"


# At a terminal


@pytest.fixture
def terminal(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Callable[..., tuple[str, str]]:
    """Types lines into the shell, and returns what it prints on standard output and standard error."""

    def type_lines(*lines: str) -> tuple[str, str]:
        left = iter(lines)

        def read(_prompt: str = "") -> str:
            try:
                return next(left)
            except StopIteration:
                raise EOFError from None

        monkeypatch.setattr("builtins.input", read)
        monkeypatch.setattr(sys.stdin, "isatty", lambda: True)
        assert main([]) == 0
        printed = capsys.readouterr()
        return printed.out, printed.err

    return type_lines


@pytest.mark.parametrize("command", ["exit", "quit", ".exit", ".quit", "EXIT;", "quit ;"])
def test_the_shell_is_left_by_a_word(terminal: Callable[..., tuple[str, str]], command: str) -> None:
    out, err = terminal("SELECT 'before';", command, "SELECT 'after';")
    assert "before" in out
    assert "after" not in out
    assert err == ""


def test_a_terminal_gets_a_banner_help_and_its_tables(terminal: Callable[..., tuple[str, str]]) -> None:
    out, err = terminal(
        "CREATE TABLE first_table (a INTEGER);", ".help", ".tables", ".nonsense", "SELECT", "42 AS exit;"
    )
    assert out.startswith("thano_duckdb ")
    assert "PREDICT USING model" in out
    assert "\nfirst_table\n" in out
    assert "42" in out
    assert err == "Error: there is no command .nonsense; .help shows those there are\n"
    assert "thano_duckdb" not in run(stdin="SELECT 42;").stdout
