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
    Option(
        "cluster",
        "the Ray cluster whose machines transcribe: `'off'`; `'auto'` (the running one; without any this machine, with "
        "a warning); `'ray'` (the running one, else a new one on this machine); or an address, `'ray://head:10001'` or "
        "`'head:6379'`: see [Cluster](docs/cluster.md)",
        ValueKind.CLUSTER,
        default="off",
        used_by=frozenset({StatementKind.PREDICT, StatementKind.EVALUATE}),
    ),
)
