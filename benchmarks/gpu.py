"""The engine on an NVIDIA GPU: `python -m benchmarks gpu`, or `benchmarks/gpu.sh`, which installs what it needs.

The weights are random and the clips are joined from those that ship with the package, so it needs nothing but the
repository. `--device cpu --smoke` runs a small version of everything, to check that it works.
"""

from __future__ import annotations

import argparse
import os
import statistics
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

import thano_duckdb
from benchmarks import systems
from benchmarks.clip_sets import LARGE, ClipSet, write_random_model
from benchmarks.flops import RATE_HZ, corpus_flops, matmul_flops_per_s
from benchmarks.mix import make_mix, spread_s
from benchmarks.report import RESULTS, progress, report
from thano_duckdb.models import bundled
from thano_duckdb.monitoring.monitor import SilentMonitor
from thano_duckdb.speech.batch_runner import BatchRunner
from thano_duckdb.speech.decoding.greedy import GreedyDecoder
from thano_duckdb.speech.recognizer.acoustic_model import AcousticModel
from thano_duckdb.speech.recognizer.ctc_recognizer import CtcRecognizer
from thano_duckdb.speech.recognizer.recognizer import PreparedClip

PRECISION = "bfloat16"
TINY: dict[str, Any] = {
    "hidden_size": 16,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "intermediate_size": 32,
    "conv_dim": [8] * 7,
    "num_conv_pos_embeddings": 16,
    "num_conv_pos_embedding_groups": 2,
}

Row = dict[str, object]


@dataclass(frozen=True)
class Workload:
    """How much is run.

    Attributes:
        sizes: settings of the models, by name.
        n_distinct: number of synthetic clips, of 1 to 30 s.
        n_copies: how often each of them goes through the model in one pass.
        budgets_s: padded seconds of audio per batch, one run for each.
        n_files: number of distinct clips on disk.
        n_links: paths under which each of them is read by PREDICT in one pass.
        n_files_pipeline: how many of them Hugging Face's pipeline, which is much slower, reads in one pass.
        n_rounds: number of timed rounds.
    """

    sizes: dict[str, dict[str, Any]]
    n_distinct: int
    n_copies: int
    budgets_s: tuple[int, ...]
    n_files: int
    n_links: int
    n_files_pipeline: int
    n_rounds: int


FULL = Workload(
    {"base": {}, "large": LARGE},
    n_distinct=64,
    n_copies=32,
    budgets_s=(640, 160, 1280, 2560),
    n_files=512,
    n_links=8,
    n_files_pipeline=128,
    n_rounds=3,
)
SMOKE = Workload(
    {"tiny": TINY}, n_distinct=4, n_copies=2, budgets_s=(30, 60), n_files=4, n_links=2, n_files_pipeline=2, n_rounds=1
)


def main(*arguments: str) -> None:
    """Measure, or say why that is not possible."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks gpu")
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--smoke", action="store_true", help="a tiny model and a few clips")
    parser.add_argument("--minutes", type=float, default=3.0, help="start no further measurement after this time")
    parser.add_argument("--results", type=Path, default=RESULTS, help="folder for the CSV file")
    chosen = parser.parse_args(arguments)
    if torch.device(chosen.device).type == "cuda" and not torch.cuda.is_available():
        print("gpu: skipped: torch sees no NVIDIA GPU on this machine")
        return
    ends_s = time.perf_counter() + 60 * chosen.minutes
    rows: list[Row] = []
    for row in measure(SMOKE if chosen.smoke else FULL, chosen.device):
        rows.append(row)
        print("gpu: " + ", ".join(f"{name} {value}" for name, value in row.items()), flush=True)
        if time.perf_counter() > ends_s:
            print(f"gpu: stopped after {chosen.minutes:g} minutes; what was not measured is missing from the table")
            break
    report("gpu_smoke" if chosen.smoke else "gpu", rows, chosen.results)


def measure(workload: Workload, device: str) -> Iterator[Row]:
    """The rows of all models, each as soon as it is measured: from files to texts, then the model alone."""
    start: Row = {"device": torch.cuda.get_device_name(device) if "cuda" in device else device, "precision": PRECISION}
    # In a smoke run a small product is timed, which says nothing about the machine.
    rate = matmul_flops_per_s(torch.bfloat16, device, size=256 if workload is SMOKE else 8192)
    start["matmul_tflops_per_s"] = round(rate / 1e12, 2)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        progress(f"gpu: writing {workload.n_files} clips")
        files = make_mix(bundled_clips(), folder / "clips", workload.n_files)
        for size, settings in workload.sizes.items():
            model = write_random_model(folder / size, **settings)
            for row in from_files(model, files, workload, device, rate):
                yield start | {"size": size} | row
            for row in model_alone(model, workload, device, rate):
                yield start | {"size": size} | row


def bundled_clips() -> ClipSet:
    """The clips of the tutorial, which ship with the package."""
    paths = sorted(map(str, bundled.dataset_folder("librispeech_data").glob("*.flac")))
    return ClipSet("librispeech_data", paths, None)


def model_alone(folder: Path, workload: Workload, device: str, rate: float) -> Iterator[Row]:
    """Prepared clips through the engine's batches, once for each batch size: no files, no texts."""
    recognizer = CtcRecognizer(AcousticModel.load(folder, device=device, precision=PRECISION))
    random = np.random.default_rng(0)
    durations_s = spread_s(workload.n_distinct)
    clips = [recognizer.prepare(random.standard_normal(round(s * RATE_HZ), dtype=np.float32)) for s in durations_s]
    windows = [window for clip in clips if isinstance(clip, PreparedClip) for window in clip.windows]
    flops, audio_s = workload.n_copies * corpus_flops(folder, durations_s), workload.n_copies * sum(durations_s)
    for budget_s in workload.budgets_s:
        runner = BatchRunner(recognizer)
        runner.max_batch_samples = budget_s * RATE_HZ
        elapsed_s = []
        for _ in range(1 + workload.n_rounds):
            begun_s = time.perf_counter()
            for _batch in runner.run(
                windows * workload.n_copies, GreedyDecoder(), max_clips=None, monitor=SilentMonitor()
            ):
                pass
            elapsed_s.append(time.perf_counter() - begun_s)
        yield {
            "system": "model alone",
            "batch_s": runner.max_batch_samples / RATE_HZ,  # less than `budget_s` where memory ran out
            **_figures(elapsed_s[1:], audio_s, flops, rate),
        }


def from_files(folder: Path, files: ClipSet, workload: Workload, device: str, rate: float) -> Iterator[Row]:
    """SQL against Hugging Face's pipeline, from FLAC files to texts, alternating.

    PREDICT reads each file under several names, since it transcribes a file only once in a statement.
    """
    many = linked(files, workload.n_links)
    few = ClipSet(files.name, files.paths[: workload.n_files_pipeline], None)
    with thano_duckdb.connect(progress=False) as con:
        compared = [
            (systems.hugging_face_pipeline(folder, systems.BATCH_SIZE, device, torch.bfloat16), few),
            (systems.predict(con, folder, device, PRECISION), many),
        ]
        elapsed_s: list[list[float]] = [[] for _ in compared]
        for number in range(1 + workload.n_rounds):
            for (system, clips), own_s in zip(compared, elapsed_s, strict=True):
                took_s = system.run_pass(clips.paths if number else few.paths).elapsed_s
                if number:  # the first pass warms up
                    own_s.append(took_s)
    rates = [[clips.audio_s / s for s in own_s] for (_, clips), own_s in zip(compared, elapsed_s, strict=True)]
    for (system, clips), own_s, own_rates in zip(compared, elapsed_s, rates, strict=True):
        # Durations to the half second: each different one is counted by running the network, without data.
        flops = corpus_flops(folder, [max(0.5, round(2 * s) / 2) for s in clips.durations_s])
        ratios = [rate_of / of_pipeline for rate_of, of_pipeline in zip(own_rates, rates[0], strict=True)]
        yield {
            "system": system.name,
            **_figures(own_s, clips.audio_s, flops, rate),
            "ratio_to_pipeline_16": round(statistics.median(ratios), 3),
        }


def linked(files: ClipSet, n_links: int) -> ClipSet:
    """Each file under `n_links` names, which the engine takes for different clips."""
    paths = []
    for number in range(n_links):
        for path in map(Path, files.paths):
            link = path.with_name(f"{number}_{path.name}")
            if not link.exists():
                os.link(path, link)
            paths.append(str(link))
    return ClipSet(files.name, paths, None)


def _figures(elapsed_s: Sequence[float], audio_s: float, flops: int, rate: float) -> Row:
    median_s = statistics.median(elapsed_s)
    return {
        "audio_s": round(audio_s, 1),
        "rounds": len(elapsed_s),
        "audio_s_per_s": round(audio_s / median_s, 1),
        "mfu_percent": round(100 * flops / median_s / rate, 1),
    }
