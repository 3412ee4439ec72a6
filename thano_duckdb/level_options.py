"""The option that says how the level of clips is prepared for a model, a part of the table in `options`.

`speech/recognizer/level.py` acts on it.
"""

from __future__ import annotations

from .option import Option, StatementKind, ValueKind

LEVEL_OPTIONS = (
    Option(
        "level",
        "`'robust'` or `'exact'`: what a beep or a loud passage does to the rest of a clip: see [Level](docs/level.md)",
        ValueKind.CHOICE,
        choices=("robust", "exact"),
        default="robust",
        used_by=frozenset({StatementKind.PREDICT, StatementKind.EVALUATE, StatementKind.BUILD, StatementKind.FIT}),
    ),
)
