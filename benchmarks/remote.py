"""Whether clips on a web server are fetched while others are transcribed: `python -m benchmarks remote`.

`PREDICT` over a thousand short files, from the disk and from a server on the loopback that answers at once or after
50 ms, once with a network that answers at once and once with the model that ships with the package.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import thano_duckdb
from benchmarks.clip_sets import ClipSet
from benchmarks.gpu import bundled_clips, linked
from benchmarks.host import answering_at_once
from benchmarks.report import report
from benchmarks.systems import predict
from benchmarks.web_folder import web_folder
from thano_duckdb.models import bundled

N_FILES = 1000
DELAYS_MS = (0, 50)


def main() -> None:
    """Measure both networks."""
    rows: list[dict[str, object]] = []
    with tempfile.TemporaryDirectory() as name:
        clips = _copies(bundled_clips(), Path(name))
        for network, context in (
            ("answers at once", answering_at_once()),
            ("Wav2Vec2TinyEn", contextlib.nullcontext()),
        ):
            with context, thano_duckdb.connect(progress=False) as con:
                system = predict(con, bundled.MODEL_FOLDER)
                system.transcribe(clips.paths[:8])
                rows.append({"network": network, "files": "disk", **_timed(system.transcribe, clips.paths)})
                for delay_ms in DELAYS_MS:
                    with web_folder(Path(name), delay_ms) as server:
                        urls = [f"{server.url}/{Path(path).name}" for path in clips.paths]
                        row = _timed(system.transcribe, urls)
                    files = f"http, after {delay_ms} ms"
                    rows.append({"network": network, "files": files, **row, "requests_at_a_time": server.n_at_a_time})
    report("remote", [{**row, "cores": os.cpu_count()} for row in rows])


def _timed(transcribe: Callable[[Sequence[str]], list[str]], paths: Sequence[str]) -> dict[str, object]:
    begun_s, begun_cpu_s = time.perf_counter(), time.process_time()
    transcribe(paths)
    elapsed_s = time.perf_counter() - begun_s
    return {
        "clips": len(paths),
        "elapsed_s": round(elapsed_s, 2),
        "cpu_s": round(time.process_time() - begun_cpu_s, 2),
        "clips_per_s": round(len(paths) / elapsed_s),
    }


def _copies(clips: ClipSet, folder: Path) -> ClipSet:
    """The clips in `folder`, under `N_FILES` names in all."""
    copies = [str(shutil.copy(path, folder)) for path in clips.paths]
    return linked(ClipSet(clips.name, copies, None), N_FILES // len(copies))
