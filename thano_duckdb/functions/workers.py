"""`_thano_workers`: the processes and actors that transcribe, beside this process."""

from __future__ import annotations

import dataclasses
from typing import Any

import pyarrow as pa

from thano_duckdb.cluster.engines import all_workers
from thano_duckdb.connection.session import Session

from .arrow import Function, per_row

WORKER = pa.struct(
    [
        pa.field("worker", pa.string()),
        pa.field("kind", pa.string()),
        pa.field("node", pa.string()),
        pa.field("pid", pa.int64()),
        pa.field("device", pa.string()),
        pa.field("state", pa.string()),
        pa.field("model", pa.string()),
        pa.field("clips", pa.int64()),
        pa.field("audio_s", pa.float64()),
    ]
)


def list_workers(_session: Session) -> list[dict[str, Any]]:
    """The workers of all pools of this process, those that died included; none where it computes alone."""
    return [dataclasses.asdict(info) for info in all_workers()]


FUNCTIONS = (
    Function(
        "_thano_workers",
        per_row(list_workers, pa.list_(WORKER)),
        pa.list_(WORKER),
        changes_something=True,  # so that DuckDB asks each time
    ),
)
