"""The languages of the rows of a call, and why some rows have none that the model can write."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pyarrow as pa

from thano_duckdb.connection.running_statement import RunningStatement
from thano_duckdb.errors import LanguageError
from thano_duckdb.models.adapters import Languages, check_has_languages, read_languages
from thano_duckdb.models.resolve import ResolvedModel

from . import arguments

IS_NULL = (
    "Its language is NULL, and nothing says which one such rows are in: OPTIONS (language='eng'), for example, does."
)

RowLanguages = Sequence[str | None]
"""The language of each row as its column has it."""


def row_languages(column: pa.ChunkedArray) -> RowLanguages | None:
    """The language of each row; None where the call has no such column.

    Raises:
        ThanoError: it is not one of text.
    """
    if pa.types.is_null(column.type):
        return None
    languages: list[str | None] = arguments.text("the language of a row")(column).to_pylist()
    return languages


def problem_of(
    language: str | None, model: ResolvedModel, options: Mapping[str, Any], statement: RunningStatement
) -> str | None:
    """Why rows whose column of languages has `language` cannot be transcribed, as a sentence; None where they can.

    Raises:
        ModelError: the model has no languages to choose from.
    """

    def read() -> Languages | None:
        found = read_languages(model.folder)
        check_has_languages(model.folder, found)
        return found

    languages = statement.pinned(("languages", model), read)
    if language is None:
        return None if "language" in options else IS_NULL
    try:
        if languages is not None:
            languages.find(language)
    except LanguageError as error:
        sentence = f"{str(error)[0].upper()}{str(error)[1:]}"
        return sentence if sentence.endswith((".", "..")) else f"{sentence}."
    return None
