"""The engine on an NVIDIA GPU: `python -m benchmarks gpu`, or `benchmarks/gpu.sh`, which installs what it needs.

The weights are random and the clips are joined from those that ship with the package, so it needs nothing but the
repository. `--device cpu --smoke` runs a small version of everything, to check that it works.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from collections.abc import Sequence
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
from benchmarks.passes import run_rounds
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
        n_files: number of clips on disk.
        n_rounds: number of timed rounds.
    """

    sizes: dict[str, dict[str, Any]]
    n_distinct: int
    n_copies: int
    budgets_s: tuple[int, ...]
    n_files: int
    n_rounds: int


FULL = Workload({"base": {}, "large": LARGE}, 64, 32, (80, 160, 320, 640, 1280, 2560), n_files=1024, n_rounds=3)
SMOKE = Workload({"tiny": TINY}, 4, 2, (30, 60), n_files=4, n_rounds=1)


def main(*arguments: str) -> None:
    """Measure, or say why that is not possible."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks gpu")
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--smoke", action="store_true", help="a tiny model and a few clips")
    parser.add_argument("--results", type=Path, default=RESULTS, help="folder for the CSV file")
    chosen = parser.parse_args(arguments)
    if torch.device(chosen.device).type == "cuda" and not torch.cuda.is_available():
        print("gpu: skipped: torch sees no NVIDIA GPU on this machine")
        return
    name = "gpu_smoke" if chosen.smoke else "gpu"
    report(name, measure(SMOKE if chosen.smoke else FULL, chosen.device), chosen.results)


def measure(workload: Workload, device: str) -> list[Row]:
    """The rows of all models: first the model alone, then from files to texts."""
    start: Row = {"device": torch.cuda.get_device_name(device) if "cuda" in device else device, "precision": PRECISION}
    # In a smoke run a small product is timed, which says nothing about the machine.
    rate = matmul_flops_per_s(torch.bfloat16, device, size=256 if workload is SMOKE else 8192)
    start["matmul_tflops_per_s"] = round(rate / 1e12, 2)
    rows: list[Row] = []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        progress(f"gpu: writing {workload.n_files} clips")
        files = make_mix(bundled_clips(), folder / "clips", workload.n_files)
        for size, settings in workload.sizes.items():
            model = write_random_model(folder / size, **settings)
            found = [*model_alone(model, workload, device, rate), *from_files(model, files, workload, device, rate)]
            rows += [start | {"size": size} | row for row in found]
    return rows


def bundled_clips() -> ClipSet:
    """The clips of the tutorial, which ship with the package."""
    paths = sorted(map(str, bundled.dataset_folder("librispeech_data").glob("*.flac")))
    return ClipSet("librispeech_data", paths, None)


def model_alone(folder: Path, workload: Workload, device: str, rate: float) -> list[Row]:
    """Prepared clips through the engine's batches, once for each batch size: no files, no texts."""
    recognizer = CtcRecognizer(AcousticModel.load(folder, device=device, precision=PRECISION))
    random = np.random.default_rng(0)
    durations_s = spread_s(workload.n_distinct)
    clips = [recognizer.prepare(random.standard_normal(round(s * RATE_HZ), dtype=np.float32)) for s in durations_s]
    windows = [window for clip in clips if isinstance(clip, PreparedClip) for window in clip.windows]
    flops, audio_s = workload.n_copies * corpus_flops(folder, durations_s), workload.n_copies * sum(durations_s)
    rows = []
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
        progress(f"gpu: {folder.name}, batches of {budget_s} s: {audio_s / min(elapsed_s[1:]):.0f} audio-s/s")
        rows.append(
            {
                "system": "model alone",
                "batch_s": runner.max_batch_samples / RATE_HZ,  # less than `budget_s` where memory ran out
                **_figures(elapsed_s[1:], audio_s, flops, rate),
            }
        )
    return rows


def from_files(folder: Path, files: ClipSet, workload: Workload, device: str, rate: float) -> list[Row]:
    """SQL against Hugging Face's pipeline, from FLAC files to texts."""
    flops = corpus_flops(folder, files.durations_s)
    with thano_duckdb.connect(progress=False) as con:
        compared = [
            systems.predict(con, folder, device, PRECISION),
            systems.hugging_face_pipeline(folder, systems.BATCH_SIZE, device, torch.bfloat16),
        ]
        rounds = list(run_rounds(compared, files.paths, workload.n_rounds, label=f"gpu, {folder.name}"))
    elapsed_s = [[passes[which].elapsed_s for passes in rounds] for which in range(len(compared))]
    return [
        {
            "system": system.name,
            **_figures(own_s, files.audio_s, flops, rate),
            "ratio_to_pipeline_16": round(
                statistics.median(pipeline_s / s for s, pipeline_s in zip(own_s, elapsed_s[1], strict=True)), 3
            ),
        }
        for system, own_s in zip(compared, elapsed_s, strict=True)
    ]


def _figures(elapsed_s: Sequence[float], audio_s: float, flops: int, rate: float) -> Row:
    median_s = statistics.median(elapsed_s)
    return {
        "audio_s": round(audio_s, 1),
        "rounds": len(elapsed_s),
        "audio_s_per_s": round(audio_s / median_s, 1),
        "mfu_percent": round(100 * flops / median_s / rate, 1),
    }
