"""How much audio the host can feed to a network that takes no time: `python -m benchmarks host`.

`PREDICT` over files, with a network that answers at once: what is timed is reading and decoding files, preparing and
batching clips, writing texts, and what DuckDB, Arrow and Python add to that. The ceiling of a GPU, on any machine.
"""

from __future__ import annotations

import contextlib
import os
import statistics
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from unittest import mock

import numpy as np
import soundfile as sf

import thano_duckdb
from benchmarks.clip_sets import ClipSet
from benchmarks.flops import RATE_HZ
from benchmarks.gpu import bundled_clips, linked
from benchmarks.mix import make_mix
from benchmarks.report import report
from benchmarks.systems import predict
from thano_duckdb.models import bundled
from thano_duckdb.speech.decoding.decoder import FrameScores
from thano_duckdb.speech.device import GPU_BATCH_S
from thano_duckdb.speech.recognizer.acoustic_model import AcousticModel
from thano_duckdb.speech.recognizer.features import Features

N_FILES = 256
N_LINKS = 8
N_ROUNDS = 3
SPEECH_ID_SHARE = 0.2
"""Share of the frames whose best label is a character; the others are blank, as in speech."""


def main() -> None:
    """Measure WAV and FLAC."""
    rows: list[dict[str, object]] = []
    with tempfile.TemporaryDirectory() as name, answering_at_once():
        flac = make_mix(bundled_clips(), Path(name) / "clips", N_FILES)
        for kind, clips in (("FLAC", flac), ("WAV", _as_wav(flac))):
            rows.append({"format": kind, **_measure(linked(clips, N_LINKS))})
            print("host: " + ", ".join(f"{key} {value}" for key, value in rows[-1].items()), flush=True)
    report("host", rows)


@contextlib.contextmanager
def answering_at_once() -> Iterator[None]:
    """Within this context, networks give the same labels for every clip at once, in batches as large as on a GPU."""
    random = np.random.default_rng(0)
    n_frames = 2000  # of 20 ms: longer than any clip here
    ids = np.where(random.random((n_frames, 1)) < SPEECH_ID_SHARE, random.integers(4, 30, (n_frames, 1)), 0)
    ids, log_probs = ids.astype(np.int16), np.full((n_frames, 1), -0.1, np.float32)

    def forward(model: AcousticModel, batch: Sequence[Features], *_: object, **__: object) -> list[FrameScores]:
        counts = [model.grid.n_frames(len(clip.samples)) for clip in batch]
        return [FrameScores(ids[:count], log_probs[:count]) for count in counts]

    with (
        mock.patch.object(AcousticModel, "forward", forward),
        mock.patch.object(AcousticModel, "max_batch_samples", GPU_BATCH_S * RATE_HZ),
    ):
        yield


def _measure(clips: ClipSet) -> dict[str, object]:
    with thano_duckdb.connect(progress=False) as con:
        system = predict(con, bundled.MODEL_FOLDER, "cpu", "float32", "language_model=None")
        system.transcribe(clips.paths[:N_FILES])
        elapsed_s, cpu_s = [], []
        for _ in range(N_ROUNDS):
            begun_s, begun_cpu_s = time.perf_counter(), time.process_time()
            system.transcribe(clips.paths)
            elapsed_s.append(time.perf_counter() - begun_s)
            cpu_s.append(time.process_time() - begun_cpu_s)
    return {
        "clips": len(clips.paths),
        "audio_s": round(clips.audio_s, 1),
        "cores": os.cpu_count(),
        "audio_s_per_s": round(clips.audio_s / statistics.median(elapsed_s)),
        "audio_s_per_cpu_s": round(clips.audio_s / statistics.median(cpu_s)),
    }


def _as_wav(clips: ClipSet) -> ClipSet:
    paths = []
    for path in map(Path, clips.paths):
        samples, rate_hz = sf.read(path, dtype="int16")
        paths.append(str(path.with_suffix(".wav")))
        sf.write(paths[-1], samples, rate_hz)
    return ClipSet(clips.name, paths, None)
