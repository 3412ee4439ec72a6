"""The options that say in which language a model of many languages is used, a part of the table in `options`.

`models/adapters.py` acts on them, and `functions/row_languages.py` on those of the rows.
"""

from __future__ import annotations

from .option import Option, StatementKind, ValueKind

_TRANSCRIBE = frozenset({StatementKind.PREDICT, StatementKind.EVALUATE})

LANGUAGE_OPTIONS = (
    Option(
        "language",
        "the language of a model that has many, such as `'kor'` of `'hf://facebook/mms-1b-all'`: see "
        "[MMS](docs/languages-mms.md)",
        ValueKind.TEXT,
        default_in_words="that of the model",
        used_by=_TRANSCRIBE | {StatementKind.BUILD, StatementKind.FIT},
    ),
    Option(
        "language_col",
        "a column with the language of each row, for such a model; `language` is for rows where it is NULL",
        ValueKind.COLUMN,
        default_in_words="all rows are in the same language",
        used_by=_TRANSCRIBE,
        goes_to_function=False,
    ),
)
