"""PREDICT against everything else that a user could run: same clips, same weights, taking turns."""

from __future__ import annotations

import contextlib
import statistics
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch

import thano_duckdb
from benchmarks import inference_engines, systems
from benchmarks.clip_sets import LARGE, MODEL, ClipSet, an4, write_random_model
from benchmarks.flops import corpus_flops, matmul_flops_per_s
from benchmarks.mix import make_mix
from benchmarks.own_process import OwnProcess
from benchmarks.passes import Pass, run_rounds
from benchmarks.report import progress, report
from benchmarks.systems import SkippedError, System
from thano_duckdb.speech.libraries import SLEEPING_THREADS
from thano_duckdb.speech.metrics import error_rate, word_errors

N_MIX = 64
N_BASE = 32
LONGEST_FOR_BASE_S = 16.0
"""With a model of base size, two cores transcribe six seconds of audio per second."""
LONGEST_FOR_LARGE_S = 8.0
N_LARGE = 12
N_FOR_OTHER_ENGINES = 8
"""They take a minute for what the others do in a second."""

PIPELINE = f"Hugging Face pipeline({systems.BATCH_SIZE})"

Row = dict[str, object]


def main() -> None:
    """Compare on an4, on a mix of durations, and (speed only) with random weights of base and large size."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        clips = an4()
        mix = make_mix(clips, folder / "mix", N_MIX)
        base = write_random_model(folder / "base-size")
        large = write_random_model(folder / "large-size", **LARGE)
        report(
            "peers",
            [
                *compare(clips, MODEL, n_rounds=5),
                *compare(mix, MODEL, n_rounds=3),
                *compare(subset(mix, N_BASE, LONGEST_FOR_BASE_S), base, n_rounds=3, n_warm_up=8),
                *compare(subset(mix, N_LARGE, LONGEST_FOR_LARGE_S), large, n_rounds=2, n_warm_up=4),
            ],
        )


def subset(mix: ClipSet, n_clips: int, longest_s: float) -> ClipSet:
    """Clips of `mix` of all durations up to `longest_s`, without their texts."""
    by_length = sorted(range(len(mix.paths)), key=lambda row: mix.durations_s[row])
    short = [row for row in by_length if mix.durations_s[row] <= longest_s]
    rows = sorted(short[index * len(short) // n_clips] for index in range(n_clips))
    return ClipSet(f"mix of 1 to {longest_s:g} s", [mix.paths[row] for row in rows], None)


def compare(clips: ClipSet, model: Path, *, n_rounds: int, n_warm_up: int | None = None) -> list[Row]:
    """A row for each system, ours in both runs."""
    return [
        *compare_engines(clips, model, n_rounds=n_rounds, n_warm_up=n_warm_up),
        *compare_with_hugging_face(clips, model, n_rounds=n_rounds, n_warm_up=n_warm_up),
    ]


def compare_engines(clips: ClipSet, model: Path, *, n_rounds: int, n_warm_up: int | None = None) -> list[Row]:
    """Ours beside other inference engines; not beside Hugging Face too, because all are in memory at the same time."""
    label = f"peers, engines, {clips.name}, {model.name}"
    with contextlib.ExitStack() as processes:
        running, skipped = prepare(
            processes,
            *ours(model),
            *((systems.engine, model, precision, "openvino") for precision in ("float32", "bfloat16", "int8")),
            (inference_engines.onnx_runtime, model, "float32"),
            (inference_engines.onnx_runtime, model, "int8"),
            (inference_engines.openvino, model, "float32"),
            (inference_engines.openvino, model, "bfloat16"),
            (inference_engines.openvino, model, "int8"),
            (inference_engines.ctranslate2, model),
        )
        rows = compare_all(running, clips, model, n_rounds, n_warm_up, label)
    start = {"run": "engines", "corpus": clips.name, "model": model.name}
    return [start | each for each in rows + skipped]


def compare_with_hugging_face(clips: ClipSet, model: Path, *, n_rounds: int, n_warm_up: int | None = None) -> list[Row]:
    """Ours beside what a user of transformers writes; if `clips` has texts, other recognisers on a part of them too."""
    label = f"peers, Hugging Face, {clips.name}, {model.name}"
    with contextlib.ExitStack() as processes:
        running, skipped = prepare(
            processes,
            *ours(model),
            (systems.hugging_face_pipeline, model, 1),
            (systems.hugging_face_pipeline, model, systems.BATCH_SIZE),
            (systems.hugging_face_loop, model),
        )
        rows = compare_all(running, clips, model, n_rounds, n_warm_up, label)
        if clips.texts is not None:
            pipeline = next(row for row in rows if row["system"] == PIPELINE)
            pipeline_s = 1 / float(str(pipeline["audio_s_per_s"]))
            others, missing = prepare(processes, (systems.pocketsphinx,), (systems.faster_whisper,))
            rows += [score_other(system, clips, pipeline_s, label) for system in others]
            skipped += missing
    start = {"run": "Hugging Face", "corpus": clips.name, "model": model.name}
    return [start | each for each in rows + skipped]


def ours(model: Path) -> list[tuple[Callable[..., System], *tuple[Any, ...]]]:
    """What makes our systems, for `prepare`."""
    return [(predict, model), *((systems.engine, model, precision) for precision in ("float32", "bfloat16", "int8"))]


def predict(model: Path) -> System:
    """PREDICT on its own connection."""
    return systems.predict(thano_duckdb.connect(progress=False), model)


def compare_all(
    running: Sequence[OwnProcess], clips: ClipSet, model: Path, n_rounds: int, n_warm_up: int | None, label: str
) -> list[Row]:
    """A row for each system that uses the same weights."""
    names = [system.name for system in running]
    sql, engine = names.index("SQL: PREDICT"), names.index("engine, float32")
    pipeline = names.index(PIPELINE) if PIPELINE in names else None

    flops = corpus_flops(model, clips.durations_s)
    rates: dict[torch.dtype, list[float]] = {dtype: [] for dtype in {system.dtype for system in running}}
    rounds: list[list[Pass]] = []
    for passes in run_rounds(running, clips.paths, n_rounds, n_warm_up=n_warm_up, label=label):
        if passes[sql].texts != passes[engine].texts:
            raise SystemExit("SQL and the engine gave different texts")
        rounds.append(passes)
        for dtype, measured in rates.items():
            measured.append(matmul_flops_per_s(dtype))

    rows = []
    for which, system in enumerate(running):
        passes = [of_round[which] for of_round in rounds]
        ratio = (
            None
            if pipeline is None
            else statistics.median(of_round[pipeline].elapsed_s / of_round[which].elapsed_s for of_round in rounds)
        )
        rate = statistics.median(rates[system.dtype])
        mfu = flops / statistics.median(one.elapsed_s for one in passes) / rate
        rows.append(row(system, clips, passes, ratio) | {"mfu_percent": round(100 * mfu, 1)})
    return rows


def prepare(
    processes: contextlib.ExitStack, *makers: tuple[Callable[..., System], *tuple[Any, ...]]
) -> tuple[list[OwnProcess], list[Row]]:
    """The systems that can run on this machine, and a row for each that cannot."""
    running: list[OwnProcess] = []
    skipped: list[Row] = []
    for make, *args in makers:
        # What loading our package does, had this process not imported torch first.
        environment = SLEEPING_THREADS if make in (predict, systems.engine) else None
        try:
            running.append(processes.enter_context(OwnProcess(make, *args, environment=environment)))
        except SkippedError as error:
            progress(f"peers: skipped: {error}")
            skipped.append({"system": "skipped", "note": str(error)})
    return running, skipped


def row(system: OwnProcess, clips: ClipSet, passes: Sequence[Pass], ratio: float | None) -> Row:
    """The figures of one system's passes."""
    elapsed_s = statistics.median(one.elapsed_s for one in passes)
    wer = None if clips.texts is None else error_rate(word_errors(clips.texts, passes[-1].texts))
    shares = {stage: round(statistics.median(one.shares[stage] for one in passes), 2) for stage in passes[0].shares}
    return {
        "system": system.name,
        "clips": len(clips.paths),
        "audio_s": round(clips.audio_s, 1),
        "rounds": len(passes),
        "audio_s_per_s": round(clips.audio_s / elapsed_s, 2),
        "ratio_to_pipeline_16": None if ratio is None else round(ratio, 3),
        "wer_percent": None if wer is None else round(100 * wer, 2),
        "peak_rise_mib": round(max(one.rise_mib for one in passes)),
        "others_percent": round(statistics.median(one.others_percent for one in passes), 1),
        **shares,
    }


def score_other(system: OwnProcess, clips: ClipSet, pipeline_s_per_audio_s: float, label: str) -> Row:
    """One pass of another engine over clips of all durations."""
    by_length = sorted(range(len(clips.paths)), key=lambda row: clips.durations_s[row])
    middles = [(2 * index + 1) * len(by_length) // (2 * N_FOR_OTHER_ENGINES) for index in range(N_FOR_OTHER_ENGINES)]
    few = clips.pick([by_length[middle] for middle in middles])
    progress(f"{label}: {system.name}, once over {N_FOR_OTHER_ENGINES} clips")
    system.run_pass(few.paths[:1])
    only = system.run_pass(few.paths)
    return row(system, few, [only], pipeline_s_per_audio_s * few.audio_s / only.elapsed_s)
