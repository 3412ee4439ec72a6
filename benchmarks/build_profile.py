"""Where the steps of a BUILD spend their time on an NVIDIA GPU: `python -m benchmarks build_profile`.

wav2vec2-base with random weights, over noise of 2 to 14 s, with the batches that BUILD chooses by itself. Prints how
long a step takes, for how much of it the GPU works, how often the host waits for it, which operations take most of the
host's and of the GPU's time, and the rate of each epoch. `--device cpu` runs a tiny model, to check that it works.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np
import soundfile
import torch
from torch.profiler import ProfilerActivity, profile

import thano_duckdb
from benchmarks.clip_sets import write_random_model
from benchmarks.flops import RATE_HZ
from benchmarks.gpu import TINY
from thano_duckdb.training.trainer import CtcTrainer

SHORTEST_S, LONGEST_S = 2.0, 14.0
LETTERS_PER_S = 10
FIRST_STEP, N_STEPS = 10, 8
"""The steps that are profiled: caches and learning have begun by then."""
_WAITS = ("cudaStreamSynchronize", "cudaDeviceSynchronize", "cudaEventSynchronize")


def main(*arguments: str) -> None:
    """Profile, or say why that is not possible."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks build_profile")
    parser.add_argument("--device", default="cuda")
    parser.add_argument(
        "--options", default="", help="further options of BUILD, such as 'batch_size=32, augment=False'"
    )
    chosen = parser.parse_args(arguments)
    on_gpu = torch.device(chosen.device).type == "cuda"
    if on_gpu and not torch.cuda.is_available():
        print("build_profile: skipped: torch sees no NVIDIA GPU on this machine")
        return
    options = ", ".join(filter(None, (f"device='{chosen.device}'", "epochs=3, validation_split=0.02", chosen.options)))
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        model = write_random_model(folder / "base", **({} if on_gpu else TINY))
        with thano_duckdb.connect(model_home=folder / "models", progress=False) as con, profiled_steps(on_gpu):
            rows = write_clips(folder, 900 if on_gpu else 120)
            con.execute("CREATE TABLE clips (audio_path VARCHAR, text VARCHAR)")
            con.executemany("INSERT INTO clips VALUES (?, ?)", rows)
            built = con.execute(f"BUILD MODEL profiled USING '{model}' OPTIONS ({options}) AS FROM clips").fetchnumpy()
    for number, (hours, seconds) in enumerate(zip(built["audio_hours"], built["seconds"], strict=True), 1):
        print(f"epoch {number}: {seconds:.2f} s, {3600 * hours / seconds:.0f} audio-s/s")


def write_clips(folder: Path, n_clips: int) -> list[tuple[str, str]]:
    """Paths of clips of noise, and texts as long as speech of their length would have."""
    noise = 0.1 * np.random.default_rng(0).standard_normal(round(LONGEST_S * RATE_HZ), dtype=np.float32)
    rows = []
    for number, seconds in enumerate(np.linspace(SHORTEST_S, LONGEST_S, n_clips)):
        path = folder / f"{number}.wav"
        soundfile.write(path, noise[: round(seconds * RATE_HZ)], RATE_HZ)
        rows.append((str(path), ("ONE TWO THREE " * 20)[: round(LETTERS_PER_S * seconds)].strip()))
    return rows


@contextmanager
def profiled_steps(on_gpu: bool) -> Iterator[None]:
    """Within this context, the first training profiles `N_STEPS` of its steps, and prints what was found."""
    activities = [ProfilerActivity.CPU, *([ProfilerActivity.CUDA] if on_gpu else [])]
    profiler, step = profile(activities=activities), CtcTrainer.training_step
    n_done, begun_s = 0, 0.0

    def training_step(trainer: CtcTrainer, *args: Any, **kwargs: Any) -> torch.Tensor:
        nonlocal n_done, begun_s
        if n_done in (FIRST_STEP, FIRST_STEP + N_STEPS) and on_gpu:
            torch.cuda.synchronize()
        if n_done == FIRST_STEP:  # here, because it records the thread that starts it
            profiler.start()
            begun_s = time.perf_counter()
        if n_done == FIRST_STEP + N_STEPS:
            took_s = time.perf_counter() - begun_s
            profiler.stop()
            print_profile(profiler, took_s, on_gpu)
        n_done += 1
        return step(trainer, *args, **kwargs)

    with mock.patch.object(CtcTrainer, "training_step", training_step):
        yield


def print_profile(profiler: profile, took_s: float, on_gpu: bool) -> None:
    """Print what was recorded in `N_STEPS` steps, which took `took_s` seconds."""
    averages = profiler.key_averages()
    print(f"a step takes {1000 * took_s / N_STEPS:.1f} ms under the profiler")
    if on_gpu:
        busy_ms = sum(event.self_device_time_total for event in averages) / 1000 / N_STEPS
        counts = {event.key: event.count / N_STEPS for event in averages}
        waits = ", ".join(f"{name} {counts.get(name, 0):g}" for name in _WAITS)
        print(
            f"the GPU works for {busy_ms:.1f} ms of it; per step {counts.get('cudaLaunchKernel', 0):g} kernels; {waits}"
        )
        print(averages.table(sort_by="self_device_time_total", row_limit=20, max_name_column_width=60))
    print(averages.table(sort_by="self_cpu_time_total", row_limit=30, max_name_column_width=60))
