"""What one statement over one short clip costs in addition to the model, once the model is in memory."""

from __future__ import annotations

import statistics
import time

import thano_duckdb
from benchmarks.clip_sets import MODEL, an4
from benchmarks.report import report
from benchmarks.without_cache import without_cache
from thano_duckdb.audio.decode import Waveform, decode
from thano_duckdb.audio.source import Clip
from thano_duckdb.monitoring.monitor import SilentMonitor
from thano_duckdb.speech.loading import load_engine
from thano_duckdb.speech.recognizer.ctc_recognizer import CtcRecognizer

N_PAIRS = 50
N_WARM_UP = 5


def main() -> None:
    """Alternate PREDICT over a table of one row with the model's forward pass over the same, prepared clip."""
    clips = an4()
    shortest = min(range(len(clips.paths)), key=lambda row: clips.durations_s[row])
    path, duration_s = clips.paths[shortest], clips.durations_s[shortest]
    recognizer = load_engine(MODEL).recognizer
    assert isinstance(recognizer, CtcRecognizer)
    model = recognizer.model
    waveform = decode(Clip.of(path))
    assert isinstance(waveform, Waveform)
    features, monitor = model.features(waveform.samples), SilentMonitor()
    statement_ms, forward_ms = [], []
    with thano_duckdb.connect(progress=False) as con, without_cache():
        con.execute("CREATE TABLE clip AS SELECT ? AS audio_path", [path])
        for _ in range(N_WARM_UP + N_PAIRS):
            begun_s = time.perf_counter()
            con.execute(f"PREDICT USING '{MODEL}' AS SELECT * FROM clip").fetchall()
            statement_ms.append(1000 * (time.perf_counter() - begun_s))
            begun_s = time.perf_counter()
            model.forward([features], monitor)
            forward_ms.append(1000 * (time.perf_counter() - begun_s))
    statement_ms, forward_ms = statement_ms[N_WARM_UP:], forward_ms[N_WARM_UP:]
    overhead_ms = [statement - forward for statement, forward in zip(statement_ms, forward_ms, strict=True)]
    report(
        "single_clip",
        [
            {
                "clip_s": round(duration_s, 2),
                "statements": N_PAIRS,
                "statement_ms": round(statistics.median(statement_ms), 2),
                "forward_ms": round(statistics.median(forward_ms), 2),
                "overhead_ms": round(statistics.median(overhead_ms), 2),
                "overhead_p95_ms": round(statistics.quantiles(overhead_ms, n=20)[-1], 2),
            }
        ],
    )
