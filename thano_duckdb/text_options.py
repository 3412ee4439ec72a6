"""The options about transcripts, a part of the table in `options`: which they are, and what cannot be written.

`functions/evaluate.py`, `functions/error_rates.py` and `training/corpus.py` act on them.
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
    Option(
        "unit",
        "what WER counts: `'mixed'`, words and, in scripts without spaces between words (Chinese, Thai), letters; "
        "`'word'`, what spaces separate: see [Error rates](docs/error-rates.md)",
        ValueKind.CHOICE,
        choices=("mixed", "word"),
        default="mixed",
        used_by=frozenset({StatementKind.EVALUATE}),
    ),
    Option(
        "ignore_spaces",
        "CER does not count the spaces between words",
        ValueKind.BOOLEAN,
        default=False,
        used_by=frozenset({StatementKind.EVALUATE}),
    ),
    Option(
        "locale",
        "`'tr'` (Turkish) or `'az'` (Azerbaijani): the small letter of I has no dot",
        ValueKind.CHOICE,
        choices=("tr", "az"),
        default_in_words="as in all other languages",
        used_by=frozenset({StatementKind.EVALUATE}),
    ),
)

SCORING_OPTIONS = ("unit", "ignore_spaces", "locale")
"""Those that say how texts are compared; the others of EVALUATE say how they are found."""
