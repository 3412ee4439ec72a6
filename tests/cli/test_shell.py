"""`python -m thano_duckdb`: what it prints, its exit codes, Ctrl-C."""

from __future__ import annotations

import contextlib
import fcntl
import os
import pty
import re
import signal
import struct
import subprocess
import sys
import termios
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import duckdb
import numpy as np
import pytest
import soundfile as sf

import thano_duckdb
from thano_duckdb.cli.shell import main

if TYPE_CHECKING:
    from tests.conftest import Utterance

SHELL = [sys.executable, "-m", "thano_duckdb"]


def run(*arguments: str, stdin: str = "") -> subprocess.CompletedProcess[str]:
    return subprocess.run([*SHELL, *arguments], capture_output=True, text=True, input=stdin, check=False)


def assert_ctrl_c_ends_it(shell: subprocess.Popen[str]) -> None:
    """Press Ctrl-C once the shell has printed that it has begun: it ends within seconds, with one word."""
    assert shell.stdout is not None
    assert shell.stderr is not None
    assert shell.stdout.readline() == "begun\n"
    shell.send_signal(signal.SIGINT)
    assert shell.wait(timeout=10) == 130
    assert shell.stderr.read() == "Interrupted.\n"


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
    shell = run(str(database), "-f", str(script))
    assert (shell.returncode, shell.stderr) == (0, "")  # nothing is shown of the model: this is no terminal
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
        (["-f", "no_such_file.sql"], 1, "Error: there is no script no_such_file.sql\n"),
        (["-f", "/"], 1, "Error: the script / is a folder: name a file of statements\n"),
        (["x\udce9.duckdb", "-c", "SELECT 1"], 2, r"the name 'x\udce9.duckdb' is not UTF-8"),
        (["demo", "--folder", "/proc/no_folder"], 1, "Error: /proc/no_folder: No such file or directory\n"),
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


NOT_UTF8 = b"SELECT 'before';\n.tables\nSELECT 'caf\xe9';\n"


@pytest.mark.parametrize(("how", "locale"), [("stdin", "C"), ("stdin", "C.UTF-8"), ("-c", "C.UTF-8"), ("-f", "C")])
def test_a_script_that_is_not_utf8_is_refused_before_any_of_it_runs(how: str, locale: str, tmp_path: Path) -> None:
    script = tmp_path / "script.sql"
    script.write_bytes(NOT_UTF8)
    arguments: dict[str, list[str | bytes]] = {"stdin": [], "-c": ["-c", NOT_UTF8], "-f": ["-f", str(script)]}
    shell = subprocess.run(
        [*SHELL, *arguments[how]],
        input=NOT_UTF8,
        capture_output=True,
        check=False,
        env={**os.environ, "LC_ALL": locale},
    )
    name = f"the script {script}" if how == "-f" else "the script"
    assert shell.stderr.decode() == f"Error: {name} is not UTF-8 (line 3)\n"
    assert (shell.stdout, shell.returncode) == (b"", 1)


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


def test_after_ctrl_c_a_script_ends_soon_and_does_not_say_that_its_transcripts_are_kept(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    for index in range(64):
        sf.write(tmp_path / f"{index}.wav", rng.normal(0, 0.1, 16_000 * 12).astype(np.float32), 16_000)
    statement = (
        "PREDICT USING Wav2Vec2TinyEn OPTIONS (batch_size=1) AS "
        f"SELECT audio_path FROM thano_audio('{tmp_path}'), range(100)"
    )
    script = (
        "from thano_duckdb.cli import shell\n"
        "from thano_duckdb.connection.running_statement import RunningStatement as S\n"
        "done = S.clips_done\n"
        "S.clips_done = lambda self, *args: (done(self, *args), print('begun', flush=True))[0]\n"
        "shell.run()\n"
    )
    command = [sys.executable, "-c", script, "-c", statement]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as shell:
        assert_ctrl_c_ends_it(shell)


def test_after_ctrl_c_a_script_does_not_wait_for_a_library_that_is_being_loaded() -> None:
    script = (
        "import threading, time\nfrom thano_duckdb.cli import shell\n"
        "def interrupted(_):\n"
        "    threading.Thread(target=time.sleep, args=(30,)).start()\n"
        "    raise KeyboardInterrupt\n"
        "shell._parse = interrupted\nshell.run()\n"
    )
    shell = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=20, check=False)
    assert (shell.returncode, shell.stderr) == (130, "Interrupted.\n")


@pytest.mark.parametrize("how", ["module", "command"])
def test_ctrl_c_while_the_shell_starts_is_one_word(tmp_path: Path, how: str) -> None:
    """A library that takes long to import stands in for a slow disk."""
    (tmp_path / "duckdb.py").write_text("import time\nprint('begun', flush=True)\ntime.sleep(30)\n")
    command = tmp_path / "thano_duckdb_command" / "thano_duckdb"
    command.parent.mkdir()
    command.write_text("from thano_duckdb.cli.shell import run\nrun()\n")
    package = str(Path(thano_duckdb.__file__).parents[1])
    with subprocess.Popen(
        SHELL if how == "module" else [sys.executable, str(command)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join([str(tmp_path), package])},
        cwd=tmp_path,
    ) as shell:
        assert_ctrl_c_ends_it(shell)


def test_rows_copied_to_standard_output_are_all_that_is_on_it() -> None:
    shell = run("-c", "CREATE VIEW t AS FROM range(2)", "-c", "COPY t TO '/dev/stdout' (FORMAT csv)")
    assert (shell.stdout, shell.returncode) == ("range\n0\n1\n", 0)


def test_what_was_printed_before_a_copy_to_standard_output_stands_before_it() -> None:
    assert run("-c", "SELECT 'first'; COPY (SELECT 'second' AS a) TO '/dev/stdout' (FORMAT csv)").stdout.endswith(
        "┘\n\na\nsecond\n"
    )


def test_other_counts_are_printed(tmp_path: Path) -> None:
    copy = run("-c", f"COPY (FROM range(5)) TO '{tmp_path / 'rows.csv'}'")
    assert "Count" in copy.stdout
    assert "5" in copy.stdout
    assert "Count" in run("-c", 'SELECT 7 AS "Count" WHERE false').stdout


@pytest.mark.parametrize(
    "statement", ["COPY (FROM range(3000000)) TO '/dev/stdout' (FORMAT csv)", ";".join(["FROM range(40)"] * 2000)]
)
def test_a_closed_pipe_ends_the_shell_silently(statement: str, tmp_path: Path) -> None:
    script = tmp_path / "script.sql"
    script.write_text(statement)
    with subprocess.Popen([*SHELL, "-f", str(script)], stdout=subprocess.PIPE, stderr=subprocess.PIPE) as shell:
        assert shell.stdout is not None
        assert shell.stderr is not None
        shell.stdout.readline()
        shell.stdout.close()
        assert shell.wait(timeout=60) == 141
        assert shell.stderr.read() == b""


@pytest.mark.parametrize("command", ["exit", ".quit", "EXIT;"])
def test_commands_work_in_a_script(command: str, tmp_path: Path) -> None:
    text = f"CREATE VIEW my_table AS SELECT '\n.tables\n' AS a;\n.tables\n-- leave\n{command}\nSELECT 'after';"
    script = tmp_path / "script.sql"
    script.write_text(text)
    for shell in (run(stdin=text), run("-f", str(script)), run("-f", str(script), "-c", "SELECT 'after'")):
        assert (shell.stdout, shell.stderr, shell.returncode) == ("my_table\n", "", 0)


def test_a_line_within_a_statement_is_no_command() -> None:
    shell = run("-c", "SELECT 42 AS\nexit\n;")
    assert "exit" in shell.stdout
    assert "42" in shell.stdout


def test_an_unknown_command_stops_a_script_and_lines_are_counted_across_commands() -> None:
    shell = run("-c", "SELECT 'before';\n.mode csv\nSELECT 'after';")
    assert "before" in shell.stdout
    assert "after" not in shell.stdout
    assert shell.stderr == "Error: there is no command .mode csv; .help shows those there are\n"
    assert shell.returncode == 1
    assert "line 3, column 26" in run("-c", ".tables\n\nPREDICT USING m OPTIONS (audio_cl='x') AS SELECT 1").stderr


# At a terminal


@pytest.mark.parametrize("columns", [0, pytest.param(100, marks=pytest.mark.nightly)])
def test_a_terminal_of_any_width_shows_that_a_model_is_loaded(columns: int, an4_clip: str) -> None:
    master, slave = pty.openpty()
    fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 40, columns, 0, 0))
    statement = f"PREDICT USING Wav2Vec2TinyEn AS SELECT '{an4_clip}' AS audio_path"
    with subprocess.Popen([*SHELL, "-c", statement], stdout=subprocess.DEVNULL, stderr=slave) as shell:
        os.close(slave)
        shown = b""
        with contextlib.suppress(OSError):  # on Linux the end of a terminal is an error
            while part := os.read(master, 4096):
                shown += part
        assert shell.wait() == 0
    os.close(master)
    assert b"loading model Wav2Vec2TinyEn .." in shown


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


@pytest.mark.parametrize(
    "lines",
    [
        ("SELECT 'it;", "x' AS a;"),
        ("SELECT 'it;'';", "x' AS a;"),
        ('SELECT 1 AS "it;', 'x";'),
        ("SELECT $$it;", "x$$ AS a;"),
        ("SELECT $q$it;", "x$$;", "$q$ AS a;"),
        ("SELECT /* it;", "*/ 'it;", "x' AS a;"),
        ("SELECT -- it;", "'it;", "x' AS a; -- the end"),
    ],
)
def test_a_semicolon_in_a_literal_a_name_or_a_comment_ends_no_statement_at_a_terminal(
    terminal: Callable[..., tuple[str, str]], lines: tuple[str, ...]
) -> None:
    out, err = terminal(*lines, "SELECT 40 + 2;")
    assert err == ""
    assert "it;" in out
    assert "42" in out


def test_half_a_character_typed_at_a_terminal_is_refused_and_the_shell_goes_on(
    terminal: Callable[..., tuple[str, str]],
) -> None:
    out, err = terminal("SELECT '\udce9';", "SELECT 40 + 2;")
    assert err.startswith("Error: The text holds U+DCE9, which is no character")
    assert "42" in out


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


def test_an_explained_predict_is_printed_as_text(an4_model: Path, an4_clip: str) -> None:
    predict = f"PREDICT USING '{an4_model}' AS SELECT '{an4_clip}' AS audio_path"
    shell = run("-c", f"EXPLAIN {predict}")
    assert shell.stdout.startswith("╭─ Projection")
    assert f"\nPREDICT USING {an4_model}\n  rows        1\n" in shell.stdout
    assert (shell.returncode, shell.stderr) == (0, "")
