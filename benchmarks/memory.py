"""Whether memory grows with the number of rows."""

from __future__ import annotations

import os
import resource
import tempfile
import time
from unittest import mock

import psutil
import soundfile as sf

import thano_duckdb
from benchmarks.corpus import MODEL, an4_test
from benchmarks.report import report
from thano_duckdb.speech.memo import Memo

SCALE = float(os.environ.get("BENCH_SCALE", "1"))
N_ROWS = (int(10_000 * SCALE), int(100_000 * SCALE))
N_SHORTEST = 10


def resident_mib() -> float:
    """The memory that this process has now."""
    return psutil.Process().memory_info().rss / 2**20


def peak_mib() -> float:
    """The most that it ever had."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def main() -> None:
    """Transcribe 10,000 and then 100,000 rows in one process.

    Each row has a path of its own (links to the ten shortest test clips), and the memo is off, so every row is decoded
    and computed.
    """
    shortest = sorted(an4_test(), key=lambda path: sf.info(path).duration)[:N_SHORTEST]
    rows = []
    with (
        tempfile.TemporaryDirectory() as folder,
        thano_duckdb.connect(progress=False) as con,
        mock.patch.object(Memo, "get", return_value=None),
    ):
        for n_rows in N_ROWS:
            for row in range(n_rows):
                os.symlink(shortest[row % N_SHORTEST], f"{folder}/{n_rows}_{row}.flac")
            con.execute(
                "CREATE OR REPLACE TABLE clips AS SELECT ? || i || '.flac' AS audio_path FROM range(?) t(i)",
                [f"{folder}/{n_rows}_", n_rows],
            )
            begun_s = time.perf_counter()
            found = con.execute(f"SELECT count(predicted) FROM (PREDICT USING '{MODEL}' AS FROM clips)").fetchone()
            if found != (n_rows,):
                raise SystemExit(f"{found} of {n_rows} rows have a text")
            rows.append(
                {
                    "rows": n_rows,
                    "seconds": round(time.perf_counter() - begun_s, 1),
                    "resident_mib": round(resident_mib()),
                    "resident_over_first": round(
                        resident_mib() / (rows[0]["resident_mib"] if rows else resident_mib()), 3
                    ),
                    "peak_mib": round(peak_mib()),
                }
            )
    report("memory", rows)
