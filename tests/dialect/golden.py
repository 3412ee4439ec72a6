"""Reads the golden pairs: `golden/*.sql` holds cases, each a text with our statements and what it becomes.

    -- case: its name
    the text
    -- becomes
    DuckDB SQL

or, instead of the last part, `-- refused: the error's sentence`.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

FOLDER = Path(__file__).with_name("golden")


@dataclass(frozen=True)
class Case:
    """A text, and the SQL that it becomes or the sentence with which it is refused."""

    name: str
    source: str
    becomes: str | None
    refused: str | None


def read_cases() -> list[Case]:
    """The cases of all files."""
    return [case for file in sorted(FOLDER.glob("*.sql")) for case in _cases(file)]


def _cases(file: Path) -> list[Case]:
    cases = []
    for block in file.read_text(encoding="utf-8").split("-- case: ")[1:]:
        name, _, body = block.strip("\n").partition("\n")
        source, becomes, sql = body.partition("\n-- becomes\n")
        source, _, refused = source.partition("\n-- refused: ")
        cases.append(Case(f"{file.stem}: {name}", source, sql if becomes else None, refused or None))
    return cases
