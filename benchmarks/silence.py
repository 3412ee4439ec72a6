"""What an hour costs that is mostly silent: `python -m benchmarks silence`.

`PREDICT` over an hour of speech without long pauses, and over one that is 90 % silent, with `skip_silence` and without.
"""

from __future__ import annotations

import csv
import os
import tempfile
import time
from pathlib import Path

import numpy as np
import soundfile as sf
from numpy.typing import NDArray

import thano_duckdb
from benchmarks.flops import RATE_HZ
from benchmarks.report import progress, report
from benchmarks.without_cache import without_cache
from thano_duckdb.models import bundled

MODEL = "Wav2Vec2TinyEn"
HOUR_S = 3600 * float(os.environ.get("BENCH_SCALE", "1"))
PASSAGE_S = 30.0
SILENT_SHARE = 0.9
ROOM = 1e-4
"""Level of the noise, -80 dB."""


def main() -> None:
    """Time the three, one after the other, after a statement that loads the model."""
    spoken = _spoken()
    rows: list[dict[str, object]] = []
    with (
        tempfile.TemporaryDirectory() as name,
        thano_duckdb.connect(progress=False) as con,
        without_cache(),
    ):
        folder = Path(name)
        speech = _recording(folder / "speech.wav", spoken, silent_share=0.0)
        silent = _recording(folder / "silent.wav", spoken, silent_share=SILENT_SHARE)
        con.execute(f"PREDICT USING {MODEL} AS SELECT ? AS audio_path", [_folder() + "/000.flac"]).fetchall()
        for (path, text), skip_silence in ((speech, True), (silent, True), (silent, False)):
            progress(f"silence: {path.stem}, skip_silence={skip_silence}")
            begun_s, begun_cpu_s = time.perf_counter(), time.process_time()
            found = con.execute(
                f"PREDICT USING {MODEL} OPTIONS (skip_silence={skip_silence}) AS SELECT ? AS audio_path", [str(path)]
            ).fetchall()
            seconds, cpu_s = time.perf_counter() - begun_s, time.process_time() - begun_cpu_s
            wer = con.execute("SELECT thano_wer(a, b) FROM (VALUES (?, ?)) t(a, b)", [text, found[0][1]]).fetchall()
            rows.append(
                {
                    "recording": path.stem,
                    "skip_silence": skip_silence,
                    "audio_s": round(sf.info(path).duration),
                    "seconds": round(seconds, 2),
                    "cpu_s": round(cpu_s, 2),
                    "wer_percent": round(100 * wer[0][0], 1),
                }
            )
    of_speech = float(str(rows[0]["cpu_s"]))
    report("silence", [{**row, "share_of_speech": round(float(str(row["cpu_s"])) / of_speech, 3)} for row in rows])


def _folder() -> str:
    return str(bundled.dataset_folder("librispeech_data"))


def _spoken() -> list[tuple[NDArray[np.float32], str]]:
    """The clips of the tutorial, with their texts."""
    folder = Path(_folder())
    rows: list[dict[str, str]] = []
    for name in ("librispeech_train.csv", "librispeech_test.csv"):
        with (folder / name).open(newline="") as manifest:
            rows += csv.DictReader(manifest)
    return [
        (np.asarray(sf.read(folder / Path(row["audio_path"]).name, dtype="float32")[0], np.float32), row["text"])
        for row in rows
    ]


def _recording(path: Path, spoken: list[tuple[NDArray[np.float32], str]], *, silent_share: float) -> tuple[Path, str]:
    """A recording of `HOUR_S` in which passages of speech follow a silence each, and what is said in it."""
    samples = (ROOM * np.random.default_rng(0).standard_normal(round(HOUR_S * RATE_HZ))).astype(np.float32)
    said, position, number = [], 0, 0
    while position < len(samples):
        position += round(PASSAGE_S * silent_share / (1 - silent_share) * RATE_HZ)
        end = position + round(PASSAGE_S * RATE_HZ)
        while position < end:
            clip, text = spoken[number % len(spoken)]
            number += 1
            if position + len(clip) > len(samples):
                position = len(samples)
                break
            samples[position : position + len(clip)] += clip
            said.append(text)
            position += len(clip)
    sf.write(path, samples, RATE_HZ)
    return path, " ".join(said)


if __name__ == "__main__":
    main()
