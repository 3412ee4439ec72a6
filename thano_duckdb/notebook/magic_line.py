"""What follows `%sql` or `%%sql`: JupySQL's options, a connection, and the SQL that begins on that line."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

# JupySQL 0.11's options: those without a value, and those with one.
_FLAGS = frozenset(
    ["-l", "--connections", "-p", "--persist", "-P", "--persist-replace", "-n", "--no-index", "--append", "-N",
     "--no-execute"]
)  # fmt: skip
_WITH_VALUE = frozenset(
    ["-x", "--close", "-c", "--creator", "-s", "--section", "-a", "--connection_arguments", "-f", "--file", "-S",
     "--save", "-w", "--with", "-A", "--alias", "--interact"]
)  # fmt: skip
_PERSISTS = frozenset(["-p", "--persist", "-P", "--persist-replace", "--append"])
# They list, close or open connections of JupySQL's.
_ABOUT_CONNECTIONS = frozenset(
    ["-l", "--connections", "-x", "--close", "-c", "--creator", "-s", "--section", "-a", "--connection_arguments"]
)
_ALIAS = frozenset(["-A", "--alias"])
_WORD = re.compile(r"\s*('[^']*'|\"[^\"]*\"|\S+)")
_ASSIGNMENT = re.compile(r"\s*(?P<variable>[A-Za-z_]\w*)\s*=?\s*<<")
_OPTION = re.compile(r"--?[A-Za-z]")


@dataclass(frozen=True)
class MagicLine:
    """The parts of a magic's line.

    Attributes:
        options: for JupySQL, as written.
        connection: the first word, if it names one of our connections.
        sql: the rest, with its quotes unchanged.
        has_refused_option: whether there is one that JupySQL refuses: unknown, or a second alias.
    """

    options: tuple[str, ...]
    connection: str | None
    sql: str
    has_refused_option: bool = False

    def value(self, *names: str) -> str | None:
        """The value of an option, by any of its spellings."""
        for name, value in zip(self.options, self.options[1:], strict=False):
            if name in names:
                return value
        return None

    def without(self, *names: str) -> list[str]:
        """The options without one of them and its value."""
        pairs = zip(("", *self.options), self.options, strict=False)
        return [word for before, word in pairs if word not in names and before not in names]

    @property
    def is_about_connections(self) -> bool:
        """Whether it lists, closes or opens connections of JupySQL's."""
        return not _ABOUT_CONNECTIONS.isdisjoint(self.options)

    @property
    def persists(self) -> bool:
        """Whether it writes a data frame to a table."""
        return not _PERSISTS.isdisjoint(self.options)

    def first_word(self, cell: str | None) -> tuple[str, bool]:
        """The first word after the options, and whether it is the only one of its line; `cell` is what follows."""
        text = self.sql or (cell or "").lstrip()
        if not text or assigned_variable(text):
            return "", False
        word, *others = text.split("\n", 1)[0].split()
        return word, not others or others[0].startswith("-")


def read_line(line: str, is_connection: Callable[[str], bool]) -> MagicLine:
    """Split a line into its parts.

    JupySQL would read the whole line as a shell does, which breaks quotes, `--` and `= -1` in SQL. So it gets only its
    options and the connection, and the SQL of the line becomes the first line of the cell.

    Args:
        line: what follows the magic's name.
        is_connection: whether a word means one of our connections.
    """
    options: list[str] = []
    connection = None
    position = 0
    while word := _WORD.match(line, position):
        text = word[1]
        if (text in _FLAGS or text in _WITH_VALUE) and not (text in _ALIAS and _ALIAS.intersection(options)):
            options.append(text)
            position = word.end()
            if text in _WITH_VALUE and (value := _WORD.match(line, position)):
                options.append(value[1])
                position = value.end()
        elif connection is None and not assigned_variable(line[position:]) and is_connection(text):
            connection = text
            position = word.end()
        elif _OPTION.match(text):
            return MagicLine(tuple(options), connection, line[position:], has_refused_option=True)
        else:
            break
    rest = line[position:].strip()
    if _PERSISTS.intersection(options):  # what follows is the name of a data frame
        return MagicLine((*options, *rest.split()), connection, "")
    return MagicLine(tuple(options), connection, rest)


def assigned_variable(sql: str) -> str | None:
    """The variable of JupySQL's `variable << SELECT ..` or `variable = << SELECT ..`."""
    assignment = _ASSIGNMENT.match(sql)
    return assignment["variable"] if assignment else None
