"""The options that say whether transcripts outlast the process, a part of the table in `options`.

`functions/cache_choice.py` acts on them.
"""

from __future__ import annotations

from .option import Option, StatementKind, ValueKind

_TRANSCRIBE = frozenset({StatementKind.PREDICT, StatementKind.EVALUATE})

DEFAULT_CACHE_BYTES = 4 * 1024**3

CACHE_OPTIONS = (
    Option(
        "cache",
        "True: transcripts are kept in the model home, so that a later statement, in another process too, computes "
        "only the rest; a text: in a table in this schema of the database: see [Lasting cache](docs/lasting-cache.md)",
        ValueKind.BOOLEAN_OR_SCHEMA,
        default=False,
        used_by=_TRANSCRIBE,
    ),
    Option(
        "cache_max_bytes",
        "size of that cache in the model home at most: 4 GiB, some three million short clips; beyond it, what was not "
        "used for longest is deleted; NULL: any size",
        ValueKind.INTEGER,
        default=DEFAULT_CACHE_BYTES,
        at_least=1024**2,
        takes_null=True,
        used_by=_TRANSCRIBE,
    ),
)
