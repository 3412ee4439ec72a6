"""The option that says which Ray cluster a statement uses, a part of the table in `options`.

`cluster/engines.py` acts on it.
"""

from __future__ import annotations

from .option import Option, StatementKind, ValueKind

RAY_OPTIONS = (
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
