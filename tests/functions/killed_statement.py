"""A process that runs a statement with a lasting cache, slowly, and notes each clip that it computes; tests kill it.

Run as `python -m tests.functions.killed_statement model_home log seconds_per_clip statement`.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Generator
from pathlib import Path
from typing import Any

import thano_duckdb
from thano_duckdb.speech.lasting_cache import store_writer
from thano_duckdb.speech.local_runner import LocalRunner

BATCH_S = 0.2


def run(model_home: str, log: str, seconds_per_clip: str, statement: str) -> None:
    """Run a statement; a line of the time in `log` for each clip."""
    store_writer.BATCH_S = BATCH_S
    compute = LocalRunner.run
    lines = Path(log).open("a", buffering=1, encoding="utf-8")  # noqa: SIM115 - until the process is killed

    def slowly(self: LocalRunner, *arguments: Any) -> Generator[Any, None, None]:
        for finished in compute(self, *arguments):
            yield finished
            lines.write(f"{time.time()}\n")
            time.sleep(float(seconds_per_clip))

    LocalRunner.run = slowly  # type: ignore[assignment,method-assign]
    with thano_duckdb.connect(model_home=model_home, progress=False, cache=True, precision="float32") as con:
        con.execute(statement).fetchall()
    lines.write("end\n")


if __name__ == "__main__":
    run(*sys.argv[1:])
