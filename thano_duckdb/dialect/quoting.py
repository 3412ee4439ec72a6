"""The user's names and texts within SQL; they get there in no other way."""

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
