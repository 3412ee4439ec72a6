"""The user's names and texts within SQL and within messages; nothing of theirs gets there by another way."""

from __future__ import annotations

import json
from collections.abc import Mapping


def literal(text: str) -> str:
    """A string literal."""
    return "'" + text.replace("'", "''") + "'"


def identifier(name: str) -> str:
    """A quoted identifier."""
    return '"' + name.replace('"', '""') + '"'


def json_literal(options: Mapping[str, object]) -> str:
    """A string literal of JSON, its keys sorted."""
    return literal(json.dumps(options, sort_keys=True, ensure_ascii=False))


def brief(text: str) -> str:
    """A text of any length and number of lines as a message of one line shows it."""
    line = " ".join(text.split())
    return f"'{line if len(line) <= 60 else line[:57] + '...'}'"
