"""The options about transcripts, a part of the table in `options`: which they are, and what cannot be written.

`functions/evaluate.py` and `training/corpus.py` act on them.
"""

from __future__ import annotations

from .option import Option, StatementKind, ValueKind

_TRAIN = frozenset({StatementKind.BUILD, StatementKind.FIT})
_TRANSCRIBE = frozenset({StatementKind.PREDICT, StatementKind.EVALUATE})

TEXT_OPTIONS = (
    Option(
        "text_col",
        "the column of transcripts to compare with or to learn from",
        ValueKind.COLUMN,
        default="text",
        used_by=_TRAIN | {StatementKind.EVALUATE, StatementKind.BUILD_LANGUAGE_MODEL},
        ignored_by=frozenset({StatementKind.PREDICT}),
        goes_to_function=False,
    ),
    Option(
        "on_unwritable",
        "a text with characters that the model's alphabet lacks, such as digits: `'drop'` drops them, and trains on "
        "the rest; `'skip'` skips the row. A warning names them",
        ValueKind.CHOICE,
        choices=("drop", "skip"),
        default="drop",
        used_by=_TRAIN,
        ignored_by=_TRANSCRIBE,
    ),
)
