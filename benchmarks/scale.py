"""Whether time and memory per row stay the same as the number of rows grows a hundredfold."""

from __future__ import annotations

import os
import resource
import tempfile
import time

import psutil
import soundfile as sf

import thano_duckdb
from benchmarks.clip_sets import MODEL, an4
from benchmarks.report import progress, report
from benchmarks.without_cache import without_cache

SCALE = float(os.environ.get("BENCH_SCALE", "1"))
MOST_ROWS = int(1_000_000 * SCALE)
N_ROWS = [n_rows for n_rows in (MOST_ROWS // 100, MOST_ROWS // 10, MOST_ROWS) if n_rows]
N_CLIPS, CLIP_S = 10, 0.25


def resident_mib() -> float:
    """The resident memory of this process now."""
    return int(psutil.Process().memory_info().rss) / 2**20


def peak_mib() -> float:
    """The peak of its resident memory so far."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def main() -> None:
    """Transcribe 10,000, then 100,000, then 1,000,000 rows in one process (by default).

    Each row has its own path (links to ten short clips) and the cache is off, so every row is read and computed.
    """
    paths = an4().paths[:N_CLIPS]
    rows: list[dict[str, object]] = []
    with (
        tempfile.TemporaryDirectory() as spoken,
        thano_duckdb.connect(progress=False) as con,
        without_cache(),
    ):
        for number, path in enumerate(paths):
            samples, rate_hz = sf.read(path)
            middle = len(samples) // 2
            sf.write(f"{spoken}/{number}.flac", samples[middle : middle + int(CLIP_S * rate_hz)], rate_hz)
        # The first statement loads the model.
        con.execute(f"PREDICT USING '{MODEL}' AS SELECT ? AS audio_path", [paths[0]]).fetchall()
        for n_rows in N_ROWS:
            progress(f"scale: {n_rows} rows")
            with tempfile.TemporaryDirectory() as folder:
                for row in range(n_rows):
                    os.symlink(f"{spoken}/{row % N_CLIPS}.flac", f"{folder}/{row}.flac")
                con.execute(
                    "CREATE OR REPLACE TABLE clips AS SELECT ? || i || '.flac' AS audio_path FROM range(?) t(i)",
                    [f"{folder}/", n_rows],
                )
                begun_s = time.perf_counter()
                found = con.execute(f"SELECT count(predicted) FROM (PREDICT USING '{MODEL}' AS FROM clips)").fetchone()
                elapsed_s = time.perf_counter() - begun_s
            if found != (n_rows,):
                raise SystemExit(f"{found} of {n_rows} rows have a transcript")
            rows.append(
                {
                    "rows": n_rows,
                    "audio_s": round(n_rows * CLIP_S),
                    "seconds": round(elapsed_s, 1),
                    "ms_per_row": round(1000 * elapsed_s / n_rows, 3),
                    "resident_mib": round(resident_mib()),
                    "peak_mib": round(peak_mib()),
                }
            )
    report("scale", rows)
