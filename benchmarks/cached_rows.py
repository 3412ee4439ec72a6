"""What a row costs whose transcript is in the lasting cache: a second PREDICT over a million of them."""

from __future__ import annotations

import os
import tempfile
import time
from collections.abc import Generator, Sequence
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np

import thano_duckdb
from benchmarks.clip_sets import MODEL
from benchmarks.report import progress, report
from benchmarks.scale import peak_mib, resident_mib
from thano_duckdb.speech.cache import process_cache
from thano_duckdb.speech.job_runner import Job
from thano_duckdb.speech.lasting_cache.sqlite_store import FILE_NAME
from thano_duckdb.speech.local_runner import LocalRunner
from thano_duckdb.speech.transcript import Transcript, Words

SCALE = float(os.environ.get("BENCH_SCALE", "1"))
N_ROWS = int(1_000_000 * SCALE)
N_WORDS = 25
"""Of a clip of ten seconds."""
FOLDER_SIZE = 10_000


def main() -> None:
    """Keep the transcripts of as many files, which nothing computes; then ask for them again, with and without words.

    Each file has a content of its own, of a few bytes: reading and hashing longer ones is the work of the first
    statement alone.
    """
    rows: list[dict[str, object]] = []
    with tempfile.TemporaryDirectory() as folder, tempfile.TemporaryDirectory() as home:
        progress(f"cached_rows: {N_ROWS} files")
        for row in range(N_ROWS):
            if row % FOLDER_SIZE == 0:
                os.mkdir(f"{folder}/{row // FOLDER_SIZE}")
            Path(f"{folder}/{row // FOLDER_SIZE}/{row}.wav").write_bytes(row.to_bytes(8))
        time.sleep(2.5)  # files that were changed just now are hashed again
        with thano_duckdb.connect(progress=False, model_home=home, cache=True) as con:
            con.execute(
                "CREATE TABLE clips AS SELECT concat(?, i // ?, '/', i, '.wav') AS audio_path FROM range(?) t(i)",
                [f"{folder}/", FOLDER_SIZE, N_ROWS],
            )
            predict = f"PREDICT USING '{MODEL}' OPTIONS (include='words') AS FROM clips"
            for name, query in (
                ("first", f"SELECT count(predicted) FROM ({predict})"),
                ("again, texts", f"SELECT count(predicted) FROM ({predict})"),
                ("again, words", f"SELECT sum(len(words)) // {N_WORDS} FROM ({predict})"),
                ("again, table of texts", f"CREATE TABLE texts AS PREDICT USING '{MODEL}' AS FROM clips"),
                ("again, table of texts and words", f"CREATE TABLE words AS {predict}"),
            ):
                progress(f"cached_rows: {name}")
                process_cache().clear()
                with mock.patch.object(LocalRunner, "run", _invented):
                    begun_s, begun_cpu_s = time.perf_counter(), time.process_time()
                    found = con.execute(query).fetchone()
                    elapsed_s, cpu_s = time.perf_counter() - begun_s, time.process_time() - begun_cpu_s
                if found != (N_ROWS,):
                    raise SystemExit(f"{found} of {N_ROWS} rows have a transcript")
                rows.append(
                    {
                        "rows": N_ROWS,
                        "statement": name,
                        "seconds": round(elapsed_s, 1),
                        "us_per_row": round(1e6 * elapsed_s / N_ROWS, 1),
                        "cpu_us_per_row": round(1e6 * cpu_s / N_ROWS, 1),
                        "rows_per_s": round(N_ROWS / elapsed_s),
                        "resident_mib": round(resident_mib()),
                        "peak_mib": round(peak_mib()),
                        "store_mib": round(os.path.getsize(f"{home}/{FILE_NAME}") / 2**20),
                    }
                )
    report("cached_rows", rows)


def _invented(
    _runner: LocalRunner, jobs: Sequence[Job], *_others: Any
) -> Generator[tuple[Job, Transcript], None, None]:
    """A transcript for each job, without reading it."""
    times_s = np.linspace(0, 10, 2 * N_WORDS).reshape(N_WORDS, 2)
    for job in jobs:
        words = [f"word{number}" for number in range(N_WORDS)]
        words[0] = job.clip.location[-12:]
        packed = Words.of(words, times_s, [0.9] * N_WORDS)
        yield job, Transcript(" ".join(words), 0.9, 10.0, packed, None)
