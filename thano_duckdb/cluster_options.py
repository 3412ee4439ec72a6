"""The options that say which devices and machines a statement uses, a part of the table in `options`.

`cluster/engines.py` acts on them.
"""

from __future__ import annotations

from .option import Option, StatementKind, ValueKind

MAX_WORKERS = 1024

CLUSTER_OPTIONS = (
    Option(
        "workers",
        "processes that transcribe, each with the model loaded: see [Several devices](docs/several-devices.md)",
        ValueKind.INTEGER,
        default_in_words="one for each GPU; on a CPU the process itself",
        at_least=1,
        at_most=MAX_WORKERS,
        used_by=frozenset({StatementKind.PREDICT, StatementKind.EVALUATE}),
    ),
)
