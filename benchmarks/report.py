"""Tables on the terminal, and the same rows as CSV with the machine's description."""

from __future__ import annotations

import csv
import os
import platform
from collections.abc import Sequence
from pathlib import Path

import duckdb

RESULTS = Path(__file__).parent / "results"


def machine() -> str:
    """Processor, cores, memory, Python and DuckDB, in one line."""
    cpu = platform.processor() or platform.machine()
    info = Path("/proc/cpuinfo")
    if info.exists():
        cpu = next((line.split(":", 1)[1].strip() for line in info.open() if line.startswith("model name")), cpu)
    memory_gib = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    return (
        f"{cpu}, {os.cpu_count()} cores, {memory_gib:.0f} GiB, "
        f"Python {platform.python_version()}, DuckDB {duckdb.__version__}"
    )


def report(name: str, rows: Sequence[dict[str, object]]) -> None:
    """Print `rows` and write them to results/`name`.csv."""
    with duckdb.connect() as con:
        RESULTS.mkdir(exist_ok=True)
        path = RESULTS / f"{name}.csv"
        with path.open("w", newline="") as file:
            table = csv.DictWriter(file, [*rows[0], "machine"])
            table.writeheader()
            table.writerows({**row, "machine": machine()} for row in rows)
        print(f"\n{name}: {machine()}")
        con.sql(f"SELECT * EXCLUDE machine FROM read_csv('{path}')").show(max_width=200)
