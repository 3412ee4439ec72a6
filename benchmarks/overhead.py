"""What SQL, Arrow and DuckDB add to the time of the engine."""

from __future__ import annotations

import statistics
import time
from typing import Any
from unittest import mock

import thano_duckdb
from benchmarks.clip_sets import MODEL, an4_test
from benchmarks.report import report
from benchmarks.without_cache import without_cache
from thano_duckdb.audio.source import Clip
from thano_duckdb.monitoring.monitor import SilentMonitor
from thano_duckdb.speech.cache import NoCache
from thano_duckdb.speech.decoding.greedy import GreedyDecoder
from thano_duckdb.speech.engine import Engine
from thano_duckdb.speech.job_runner import CallOptions
from thano_duckdb.speech.loading import load_engine

N_PAIRS = 7


def main() -> None:
    """Alternate engine and SQL over the same clips, in one process, without the cache of transcripts."""
    paths = an4_test()
    clips = [Clip.of(path) for path in paths]
    engine = load_engine(MODEL)
    options = CallOptions(GreedyDecoder())
    inside_s: list[float] = []
    transcribe = Engine.transcribe

    def timed(*args: Any, **kwargs: Any) -> Any:
        begun_s = time.perf_counter()
        try:
            return transcribe(*args, **kwargs)
        finally:
            inside_s.append(time.perf_counter() - begun_s)

    direct_s, sql_s, outside = [], [], []
    with (
        thano_duckdb.connect(progress=False) as con,
        without_cache(),
        mock.patch.object(Engine, "transcribe", timed),
    ):
        con.execute("CREATE TABLE clips AS SELECT unnest(?) AS audio_path", [paths])
        for _ in range(N_PAIRS + 1):
            begun_s = time.perf_counter()
            texts = [t.text for t in engine.transcribe(clips, options, cache=NoCache(), monitor=SilentMonitor()) if t]
            direct_s.append(time.perf_counter() - begun_s)
            begun_s = time.perf_counter()
            rows = con.execute(f"PREDICT USING '{MODEL}' AS SELECT * FROM clips").fetchall()
            sql_s.append(time.perf_counter() - begun_s)
            outside.append((sql_s[-1] - inside_s[-1]) / inside_s[-1])
            if [row[1] for row in rows] != texts:
                raise SystemExit("SQL and the engine gave different texts")
    # The first pair warms up.
    ratios = [sql / direct for sql, direct in zip(sql_s[1:], direct_s[1:], strict=True)]
    report(
        "overhead",
        [
            {
                "clips": len(paths),
                "pairs": N_PAIRS,
                "engine_s": round(statistics.median(direct_s[1:]), 3),
                "sql_s": round(statistics.median(sql_s[1:]), 3),
                "sql_over_engine": round(statistics.median(ratios), 4),
                "outside_the_engine_percent": round(100 * statistics.median(outside[1:]), 2),
            }
        ],
    )
