"""Reads the small JSON files of a checkpoint, and single settings in them."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

from thano_duckdb.errors import ModelError, brief
from thano_duckdb.models.checkpoint import read_json


def read_object(path: Path) -> dict[str, Any] | None:
    """The object in a JSON file; None if the file does not exist."""
    if not os.path.lexists(path):
        return None
    content = read_json(path)
    if not isinstance(content, dict):
        raise ModelError(f"{path} is not a JSON object")
    return content


def read_flag(settings: dict[str, Any], name: str, folder: Path, *, default: bool) -> bool:
    """A setting that is true or false; null is the default, as in transformers.

    Raises:
        ModelError: it is something else, such as the text "false", which Python would take for true.
    """
    value = settings.get(name)
    if value is None:
        return default
    if not isinstance(value, bool):
        raise ModelError(f"{folder} cannot be loaded: {name} must be true or false, not {brief(json.dumps(value))}")
    return value


def shown(value: object) -> str:
    """A value of a file as messages show it, whatever its length."""
    return brief(str(value))[1:-1]
