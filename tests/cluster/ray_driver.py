"""A program that the tests of Ray run and kill: PREDICT over a table of paths on a cluster, its rows into a file.

Beside it, in a file that is replaced twice a second, it says which workers there are.
"""

from __future__ import annotations

import json
import os
import sys
import threading
import time
from pathlib import Path

import thano_duckdb


def main(folder: Path, options: str) -> None:
    """Transcribe `rows.parquet` of a folder into its `found.parquet`, with these OPTIONS."""
    ended = threading.Event()
    reporter = threading.Thread(target=report, args=(folder / "workers.json", ended), daemon=True)
    reporter.start()
    with thano_duckdb.connect(model_home=folder / "home", progress=False) as con:
        started_s = time.monotonic()
        con.execute(
            f"CREATE TABLE found AS PREDICT USING '{folder / 'model'}' OPTIONS ({options}, include='error') AS "
            f"SELECT * FROM '{folder / 'rows.parquet'}'"
        )
        con.execute(f"COPY (FROM found) TO '{folder / 'found.parquet'}'")
        print(f"{time.monotonic() - started_s:.1f} s", flush=True)
        ended.set()
        reporter.join()
        print(con.execute("FROM thano_workers()").fetchall(), flush=True)


def report(path: Path, ended: threading.Event) -> None:
    while not ended.wait(0.2):
        write(path)
    write(path)


def write(path: Path) -> None:
    from thano_duckdb.cluster.engines import all_workers

    unfinished = path.with_suffix(".new")
    unfinished.write_text(json.dumps([[each.pid, each.state, each.clips] for each in all_workers()]))
    os.replace(unfinished, path)


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2])
