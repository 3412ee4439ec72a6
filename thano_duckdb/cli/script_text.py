"""The text of a script: where it comes from, and the statements and commands in it."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from pathlib import Path

from thano_duckdb.dialect import check_is_text, is_whole, split_statements, statement_spans
from thano_duckdb.errors import DialectError, ThanoError

_COMMAND_LINE = re.compile(r"^[ \t]*(?P<command>\.[a-z].*?|exit|quit)[; \t\r]*$", re.IGNORECASE | re.MULTILINE)


def script_of(given: str | Path | None) -> str:
    """The text of a script: itself, that of a file, or, for None, standard input.

    Raises:
        ThanoError: there is no such file, it cannot be read, or the text is not UTF-8.
    """
    name = f"the script {given}" if isinstance(given, Path) else "the script"
    try:
        match given:
            case None:
                text = sys.stdin.read()
            case Path():
                text = given.read_text(encoding="utf-8")
            case _:
                text = given
        check_is_text(text)
    except UnicodeDecodeError as error:
        # All of the text is decoded at once, so the position is one in the whole of it.
        line = error.object.count(b"\n", 0, error.start) + 1
        raise ThanoError(f"{name} is not UTF-8 (line {line})") from None
    except DialectError as error:
        raise ThanoError(f"{name} is not UTF-8 (line {error.line})") from None
    except FileNotFoundError:
        raise ThanoError(f"there is no script {given}") from None
    except IsADirectoryError:
        raise ThanoError(f"{name} is a folder: name a file of statements") from None
    except OSError as error:
        raise ThanoError(f"{name} cannot be read: {error.strerror}") from None
    return text


def statements_and_commands(text: str) -> Iterator[tuple[str, int]]:
    """The statements and the commands of a script, each with its offset.

    A command is a line by itself, between two statements: within one, `exit` may be the name of a column.
    """
    start = 0
    for line in _COMMAND_LINE.finditer(text):
        before = text[start : line.start()]
        if split_statements(f"{before}{line['command']}")[-1:] == [line["command"]]:
            yield from _offsets(before, start)
            yield line["command"], line.start("command")
            start = line.end()
    yield from _offsets(text[start:], start)


def _offsets(text: str, offset: int) -> Iterator[tuple[str, int]]:
    for span in statement_spans(text):
        yield span.of(text), offset + span.start


def is_command(statement: str) -> bool:
    """Whether it is a command of the shell, such as `.tables`."""
    return _COMMAND_LINE.fullmatch(statement) is not None


def awaits_more(lines: list[str]) -> bool:
    """Whether the lines typed at a terminal are not yet a whole: statements that end with a semicolon, or a command."""
    if not lines:
        return True
    first = lines[0].strip().lower()
    if len(lines) == 1 and (first.startswith(".") or first in ("quit", "exit")):
        return False
    # Most lines of a long text that is pasted have no semicolon: it is not cut into tokens for each of them.
    return ";" not in lines[-1] or not is_whole("\n".join(lines))
