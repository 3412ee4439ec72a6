"""Our SQL files: the macros, and the comments that say what they are for."""

from __future__ import annotations

import functools
import importlib.resources
from importlib.resources.abc import Traversable


def sql_folder() -> Traversable:
    """The folder of our SQL files: inside the package in a wheel, beside it in an editable install."""
    package = importlib.resources.files("thano_duckdb")
    inside = package.joinpath("sql")
    return inside if inside.is_dir() else package.joinpath("..", "sql")


@functools.cache
def read_macros() -> str:
    """The text of `macros.sql`, in which `{session}` stands for the token of the connection."""
    return sql_folder().joinpath("macros.sql").read_text(encoding="utf-8")


@functools.cache
def read_comments() -> str:
    """The text of `function_comments.sql`."""
    return sql_folder().joinpath("function_comments.sql").read_text(encoding="utf-8")
