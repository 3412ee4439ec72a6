"""How much memory a BUILD takes between its SQL and the first step of the training, for large tables."""

from __future__ import annotations

import multiprocessing
import os
import tempfile
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any
from unittest import mock

import numpy as np

import thano_duckdb
from benchmarks.passes import PeakMemory
from benchmarks.report import progress, report
from thano_duckdb.audio.decode import Waveform
from thano_duckdb.audio.source import Clip

SCALE = float(os.environ.get("BENCH_SCALE", "1"))
RATE_HZ = 16_000
CLIP_S = 0.5
KEPT_BYTES = 2**30
"""Of decoded audio, in place of half of the free disk."""
BLOB_BYTES = 100_000
BEGINS = "the training would begin"
TEXT = "rpad('ann said ' || i, 75, '.')"
PATH = "'/data/corpus/speech/train/' || lpad(i::VARCHAR, 20, '0') || '.flac'"
CASES = {
    "BLOBs of 100 kB": (20_000, f"encode(rpad(i::VARCHAR, {BLOB_BYTES}, 'x'))"),
    "paths": (1_000_000, PATH),
}
"""The rows of each case, and the audio of row `i`, which is made as it is read: the table is not in memory already."""


def main() -> None:
    """Run each case in a process of its own, and report."""
    rows: list[dict[str, object]] = []
    context = multiprocessing.get_context("spawn")
    for case, (n_rows, _) in CASES.items():
        progress(f"build_memory: {case}")
        with context.Pool(1) as pool:
            rows.append(pool.apply(_measure, (case, int(n_rows * SCALE))))
    report("build_memory", rows)


def _measure(case: str, n_rows: int) -> dict[str, object]:
    with tempfile.TemporaryDirectory() as home, ExitStack() as stack:
        con = stack.enter_context(thano_duckdb.connect(model_home=home, progress=False, device="cpu"))
        stack.enter_context(_without_decoding())
        stack.enter_context(warnings.catch_warnings(action="ignore"))
        _build(con, case, 100)  # imports the libraries
        begun_s = time.perf_counter()
        with PeakMemory() as memory:
            _build(con, case, n_rows)
        return {
            "rows": case,
            "n_rows": n_rows,
            "seconds": round(time.perf_counter() - begun_s),
            "memory_rise_mib": round(memory.rise_mib),
        }


def _build(con: thano_duckdb.Connection, case: str, n_rows: int) -> None:
    _, audio = CASES[case]
    try:
        con.execute(
            f"""
            BUILD MODEL mine USING Wav2Vec2TinyEn
            OPTIONS (audio_col='audio', validation_split=0.1, split_by='speaker') AS
            SELECT {audio} AS audio, {TEXT} AS text, i % 5000 AS speaker FROM range({n_rows}) r(i)
            """
        )
    except thano_duckdb.ThanoError as error:
        if BEGINS not in str(error):
            raise


@contextmanager
def _without_decoding() -> Iterator[None]:
    """Within the block each clip decodes at once to noise of its own, and a build stops before its first step."""
    noise = np.random.default_rng(0).standard_normal(int(CLIP_S * RATE_HZ)).astype(np.float32)

    def decode(clip: Clip, **_limits: Any) -> Waveform:
        own = noise.copy()
        content = clip.location if clip.data is None else clip.data[:20]
        own[0] = hash(content) % 1_000_003 / 1_000_003
        own[1] = hash((content, 1)) % 1_000_003 / 1_000_003
        return Waveform(own, CLIP_S)

    def train(*_arguments: Any, **_more: Any) -> None:
        raise thano_duckdb.ThanoError(BEGINS)

    replaced: dict[str, Callable[..., Any]] = {
        "thano_duckdb.training.build.decode": decode,
        "thano_duckdb.training.build.free_share": lambda _folder: KEPT_BYTES,
        "thano_duckdb.training.run.CtcTrainer": train,
    }
    with ExitStack() as stack:
        for name, by in replaced.items():
            stack.enter_context(mock.patch(name, by))
        yield
