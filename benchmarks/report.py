"""Prints tables, and writes the same rows as CSV with a description of the machine."""

from __future__ import annotations

import csv
import os
import platform
import sys
from collections.abc import Sequence
from pathlib import Path

import duckdb

RESULTS = Path(__file__).parent / "results"


def machine() -> str:
    """Processor, cores, memory, Python and DuckDB, in one line."""
    cpu = platform.processor() or platform.machine()
    info = Path("/proc/cpuinfo")
    if info.exists():
        lines = info.read_text().splitlines()
        cpu = next((line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")), cpu)
    memory_gib = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    return (
        f"{cpu}, {os.cpu_count()} cores, {memory_gib:.0f} GiB, "
        f"Python {platform.python_version()}, DuckDB {duckdb.__version__}"
    )


def progress(line: str) -> None:
    """Report on standard error how far a benchmark has got."""
    print(line, file=sys.stderr, flush=True)


def report(name: str, rows: Sequence[dict[str, object]], folder: Path = RESULTS) -> None:
    """Print `rows` and write them to `name`.csv in `folder`. A key that a row lacks is an empty field."""
    columns = list(dict.fromkeys(key for row in rows for key in row))
    with duckdb.connect() as con:
        folder.mkdir(exist_ok=True)
        path = folder / f"{name}.csv"
        with path.open("w", newline="") as file:
            table = csv.DictWriter(file, [*columns, "machine"], restval="")
            table.writeheader()
            table.writerows({**row, "machine": machine()} for row in rows)
        print(f"\n{name}: {machine()}")
        con.sql(f"SELECT * EXCLUDE machine FROM read_csv('{path}')").show(max_width=300, max_rows=100)


def read_results(name: str, folder: Path = RESULTS) -> list[dict[str, str]]:
    """The rows of `name`.csv."""
    with (folder / f"{name}.csv").open(newline="") as file:
        return list(csv.DictReader(file))
