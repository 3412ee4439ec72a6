"""The shell: `python -m thano_duckdb [my.duckdb] -c "PREDICT ..."`, `-f script.sql`, or statements on standard input.

`thano_duckdb demo` runs the tutorial.

Exit codes: 0 all statements ran; 1 one failed, and those after it were not run; 2 the command line is wrong;
130 Ctrl-C; 141 whoever reads its output (`| head`) has closed it.
"""

from __future__ import annotations

import argparse
import contextlib
import errno
import os
import re
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import NoReturn

import duckdb

from thano_duckdb import __version__, connect
from thano_duckdb.caller import warnings_on_one_line
from thano_duckdb.connection import TRANSCRIPTS_KEPT, Connection
from thano_duckdb.errors import ThanoError
from thano_duckdb.option import StatementKind
from thano_duckdb.options import find_option
from thano_duckdb.startup import main_begins

from . import demo
from .error_line import error_line
from .script_text import awaits_more, is_command, script_of, statements_and_commands
from .training_line import training_line

PROMPT, CONTINUATION_PROMPT = "thano> ", "  ...> "
DEMO = "demo"
BANNER = f"""thano_duckdb {__version__} (DuckDB {duckdb.__version__}). A statement ends with a semicolon.
.help shows some, .quit or Ctrl-D leaves."""
HELP = """PREDICT USING model AS SELECT ..            what is said in the clips of a query (column audio_path)
EVALUATE USING model AS SELECT ..           its word error rate (columns audio_path and text)
BUILD MODEL name USING base AS SELECT ..    a model trained on the rows of a query
BUILD LANGUAGE MODEL name AS SELECT ..      a model of words, from the texts of a query (column text)
LIST MODEL, LIST THANOSQL MODEL, LIST TABLE
DESCRIBE MODEL name                         how a model was made, and what it can write
GET THANOSQL DATASET librispeech_data       some clips to try it with
COPY table OPTIONS () FROM 'folder'         the clips of a folder as a table
.tables                                     the tables of the database
.quit, .exit, quit, exit                    leave
All of DuckDB's SQL works as well."""
_JOINED_WORD = re.compile(r"-[A-Za-z]\w+")
_COPY_TO_STDOUT = re.compile(r"\bTO\s+'(/dev/stdout|/dev/fd/1|/proc/self/fd/1)'", re.IGNORECASE)
INTERRUPTED, OUTPUT_CLOSED = 130, 141
"""Exit codes, as of a program that the signals SIGINT and SIGPIPE ended."""


def run() -> NoReturn:
    """The program: `main`, and the end of the process.

    After Ctrl-C it ends at once: a model that is still being loaded is not waited for.
    """
    code = main()
    if code == INTERRUPTED:
        with contextlib.suppress(OSError):
            sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)
    sys.exit(code)


def main(argv: Sequence[str] | None = None) -> int:
    """Run the shell; see the module's docstring.

    Args:
        argv: the arguments without the program's name; None for the command line's.

    Returns:
        The exit code.
    """
    given = list(sys.argv[1:] if argv is None else argv)
    main_begins()
    with warnings_on_one_line("Warning"):
        try:
            if given[:1] == [DEMO]:
                return demo.main(given[1:])
            arguments = _parse(given)
            with connect(arguments.database, model_home=arguments.model_home, device=arguments.device) as connection:
                return _run(connection, arguments.scripts or [])
        except KeyboardInterrupt as interrupt:
            message = _interrupt_message(interrupt)
            print("Interrupted." if message == TRANSCRIPTS_KEPT else message, file=sys.stderr)
            return INTERRUPTED
        except (duckdb.Error, OSError, ThanoError) as error:
            if _is_closed_pipe(error):
                with contextlib.suppress(OSError):  # what is left to write goes nowhere
                    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
                return OUTPUT_CLOSED
            print(error_line(error), file=sys.stderr)
            return 1


def _parse(given: Sequence[str]) -> argparse.Namespace:
    parser = _parser()
    for before, argument in zip(["", *given], given, strict=False):
        # argparse would take `-csv`, an option of DuckDB's own shell, for `-c sv`.
        if _JOINED_WORD.fullmatch(argument) and not (before.startswith("-") and before != "-"):
            parser.error(f"there is no option {argument}")
    return parser.parse_args(given)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="thano_duckdb",
        description="Speech recognition inside DuckDB, by SQL.",
        epilog="Without -c and -f the statements are read from standard input, each ending with a semicolon. "
        f"`thano_duckdb {DEMO}` runs the tutorial, see its --help; a database of that name is ./{DEMO}.",
    )
    parser.add_argument(
        "database", nargs="?", type=_file_name, default=":memory:", help="a DuckDB file (default: in memory)"
    )
    parser.add_argument(
        "-c", "--command", dest="scripts", action="append", type=str, metavar="SQL", help="run these statements"
    )
    parser.add_argument(
        "-f", "--file", dest="scripts", action="append", type=Path, metavar="FILE", help="run the statements of a file"
    )
    parser.add_argument("--model-home", help="folder of the models that UPLOAD and BUILD make")
    parser.add_argument("--device", type=_device, default="auto", help="auto (default), cpu, openvino, cuda, ..")
    parser.add_argument(
        "--version", action="version", version=f"thano_duckdb {__version__}, DuckDB {duckdb.__version__}"
    )
    return parser


def _file_name(text: str) -> str:
    try:
        text.encode()
    except UnicodeEncodeError:
        raise argparse.ArgumentTypeError(f"the name {text!a} is not UTF-8") from None
    return text


def _device(text: str) -> str:
    try:
        return str(find_option(StatementKind.PREDICT, "device").accept(text))
    except ThanoError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


def _run(connection: Connection, scripts: Sequence[str | Path]) -> int:
    if not scripts and sys.stdin.isatty():
        _read_from_terminal(connection)
        return 0
    for script in scripts or (None,):
        if not _run_script(connection, script_of(script)):
            break
    return 0


def _run_script(connection: Connection, text: str) -> bool:
    """Run statements and commands; False where one of them leaves the shell."""
    for statement, start in statements_and_commands(text):
        if is_command(statement):
            if not _run_command(connection, statement):
                return False
        else:
            # Blank lines in front keep the line numbers of messages those of the whole script.
            _print_result(connection, "\n" * text.count("\n", 0, start) + statement)
        sys.stdout.flush()  # a COPY to /dev/stdout writes past Python's buffer
    return True


def _run_command(connection: Connection, command: str) -> bool:
    """Run a command of the shell; False where it leaves the shell.

    Raises:
        ThanoError: there is no such command.
    """
    match command.lower():
        case ".quit" | ".exit" | "quit" | "exit":
            return False
        case ".help":
            print(HELP)
        case ".tables":
            for (name,) in connection.sql("SHOW TABLES").fetchall():
                print(name)
        case _:
            raise ThanoError(f"there is no command {command}; .help shows those there are")
    return True


def _print_result(connection: Connection, statement: str) -> None:
    relation = connection.sql(statement)
    if relation is None or relation.columns == ["Success"]:
        return
    if relation.columns == ["Count"]:
        is_query = connection.extract_statements(statement)[-1].type == duckdb.StatementType.SELECT
        # CREATE and the like count nothing; a COPY to standard output would have the count below its rows.
        if not is_query and (len(relation) == 0 or _COPY_TO_STDOUT.search(statement)):
            return
    relation.show()
    if line := training_line(connection, statement, relation):
        print(line)


def _is_closed_pipe(error: Exception) -> bool:
    """Whether nobody reads standard output any more, in Python's words or DuckDB's."""
    if isinstance(error, duckdb.IOException):
        return os.strerror(errno.EPIPE) in str(error)
    return isinstance(error, BrokenPipeError)


def _read_from_terminal(connection: Connection) -> None:
    """Run what is typed at a terminal: an error or Ctrl-C ends the statement, Ctrl-D ends the shell."""
    with contextlib.suppress(ImportError):
        import readline  # noqa: F401 - gives input() its history and editing
    print(BANNER)
    while (text := _read_statements()) is not None:
        try:
            if not _run_script(connection, text):
                return
        except KeyboardInterrupt as interrupt:
            print(_interrupt_message(interrupt), file=sys.stderr)
        except (duckdb.Error, OSError, ThanoError) as error:
            print(error_line(error), file=sys.stderr)


def _read_statements() -> str | None:
    """The lines typed up to a semicolon that ends a statement, or a command; None at the end of the input."""
    lines: list[str] = []
    while awaits_more(lines):
        try:
            line = input(CONTINUATION_PROMPT if lines else PROMPT)
        except EOFError:
            return None
        except KeyboardInterrupt:
            print()
            lines.clear()
            continue
        if line.strip() or lines:
            lines.append(line)
    return "\n".join(lines)


def _interrupt_message(interrupt: KeyboardInterrupt) -> str:
    return str(interrupt) or "Interrupted."
