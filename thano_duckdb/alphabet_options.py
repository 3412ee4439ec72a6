"""The options that give a new model an alphabet of its own, a part of the table in `options`.

`training/new_alphabet.py` acts on them.
"""

from __future__ import annotations

from .option import Option, StatementKind, ValueKind

_TRAIN = frozenset({StatementKind.BUILD, StatementKind.FIT})

ALPHABET_OPTIONS = (
    Option(
        "new_alphabet",
        "make an alphabet from the texts of the rows, and new outputs for it: see [Any language](docs/any-language.md)",
        ValueKind.BOOLEAN,
        default_in_words="only where the base has no vocabulary",
        used_by=_TRAIN,
    ),
    Option(
        "alphabet",
        "the tokens of a new alphabet: `'characters'`, `'jamo'` (the parts of Korean syllables), or a list of them",
        ValueKind.TEXTS,
        default_in_words="`'characters'`",
        used_by=_TRAIN,
    ),
    Option(
        "keep_case",
        "a new alphabet has capitals and small letters; otherwise only small ones",
        ValueKind.BOOLEAN,
        default=False,
        used_by=_TRAIN,
    ),
)
