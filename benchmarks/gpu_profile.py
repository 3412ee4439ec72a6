"""Where a pass of the engine spends its time on an NVIDIA GPU: `python -m benchmarks gpu_profile`.

wav2vec2-base with random weights, in bfloat16, over clips of noise of 1 to 30 s. Prints how long the host takes to
start a batch and how long the GPU computes it, the GPU's time by part of the network, the operations that take most
of it, and how busy it is over many batches. `--device cpu` runs a tiny model, to check that it works.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch.profiler import ProfilerActivity, profile

from benchmarks.clip_sets import write_random_model
from benchmarks.flops import RATE_HZ
from benchmarks.gpu import PRECISION, TINY
from benchmarks.mix import spread_s
from thano_duckdb.monitoring.monitor import SilentMonitor
from thano_duckdb.speech.batch_runner import BatchRunner
from thano_duckdb.speech.batching import plan_batches
from thano_duckdb.speech.decoding.greedy import GreedyDecoder
from thano_duckdb.speech.recognizer.acoustic_model import AcousticModel
from thano_duckdb.speech.recognizer.clip_stream import ClipStream
from thano_duckdb.speech.recognizer.ctc_recognizer import CtcRecognizer, CtcWindow
from thano_duckdb.speech.recognizer.recognizer import PreparedClip

PARTS = ("feature_extractor", "feature_projection", "pos_conv_embed", "attention", "feed_forward", "lm_head")
"""The names of the modules that are timed, in Hugging Face's networks."""


def main(*arguments: str) -> None:
    """Profile, or say why that is not possible."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks gpu_profile")
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--batch-s", type=int, help="padded seconds of audio per batch; default: the engine's own")
    chosen = parser.parse_args(arguments)
    on_gpu = torch.device(chosen.device).type == "cuda"
    if on_gpu and not torch.cuda.is_available():
        print("gpu_profile: skipped: torch sees no NVIDIA GPU on this machine")
        return
    with tempfile.TemporaryDirectory() as name:
        folder = write_random_model(Path(name) / "base", **({} if on_gpu else TINY))
        model = AcousticModel.load(folder, device=chosen.device, precision=PRECISION)
        recognizer = CtcRecognizer(model)
        random = np.random.default_rng(0)
        clips = [
            recognizer.prepare(random.standard_normal(round(s * RATE_HZ), dtype=np.float32))
            for s in spread_s(64 if on_gpu else 8)
        ]
        windows = [window for clip in clips if isinstance(clip, PreparedClip) for window in clip.windows]
        windows *= 16 if on_gpu else 1
        budget = chosen.batch_s * RATE_HZ if chosen.batch_s else recognizer.max_batch_samples
        lengths = [recognizer.n_samples(window) for window in windows]
        batches = [
            [windows[index] for index in batch]
            for batch in plan_batches(lengths, max_clips=None, max_batch_samples=budget)
        ]
        print(f"{sum(lengths) / RATE_HZ:.0f} audio seconds in {len(batches)} batches of {budget / RATE_HZ:.0f} s")
        for batch in (batches[0], batches[len(batches) // 2], batches[-2]):
            one_batch(model, batch, on_gpu)
        all_batches(recognizer, windows, budget, on_gpu)


def one_batch(model: AcousticModel, batch: Sequence[CtcWindow], on_gpu: bool) -> None:
    """Print the host's and the device's time for one batch, and the device's by part."""
    clips = [window.features for window in batch]
    audio_s = sum(len(clip.samples) for clip in clips) / RATE_HZ

    def enqueue() -> Any:
        return model._scores(ClipStream.of(clips, model.grid, pinned=on_gpu), 1)

    enqueue().wait()
    begun_s = time.perf_counter()
    stream = ClipStream.of(clips, model.grid, pinned=on_gpu)
    gathered_s = time.perf_counter() - begun_s
    begun_s = time.perf_counter()
    scores = model._scores(stream, 1)
    enqueued_s = time.perf_counter() - begun_s
    scores.wait()
    total_s = time.perf_counter() - begun_s
    print(
        f"a batch of {len(clips)} clips, {audio_s:.0f} s: gathered on the host in {1000 * gathered_s:.2f} ms, "
        f"started in {1000 * enqueued_s:.2f} ms, done after {1000 * total_s:.2f} ms ({audio_s / total_s:.0f} audio-s/s)"
    )
    if on_gpu:
        with timed_parts(model.network) as parts_ms:
            enqueue().wait()
        print("  " + ", ".join(f"{name} {ms:.2f} ms" for name, ms in parts_ms().items()))


@contextmanager
def timed_parts(network: torch.nn.Module) -> Iterator[Callable[[], dict[str, float]]]:
    """Time the modules named in `PARTS` on the GPU within this context; call the result for the sums in ms."""
    events: dict[str, list[tuple[Any, Any]]] = defaultdict(list)
    handles: list[Any] = []

    def watch(name: str, module: torch.nn.Module) -> None:
        def begin(*_: object) -> None:
            start = torch.cuda.Event(enable_timing=True)
            start.record()
            events[name].append((start, torch.cuda.Event(enable_timing=True)))

        def end(*_: object) -> None:
            events[name][-1][1].record()

        handles.extend((module.register_forward_pre_hook(begin), module.register_forward_hook(end)))

    for path, module in network.named_modules():
        if (name := path.rsplit(".", 1)[-1]) in PARTS:
            watch(name, module)

    def sums_ms() -> dict[str, float]:
        torch.cuda.synchronize()
        return {name: sum(start.elapsed_time(stop) for start, stop in pairs) for name, pairs in events.items()}

    try:
        yield sums_ms
    finally:
        for handle in handles:
            handle.remove()


def all_batches(recognizer: CtcRecognizer, windows: Sequence[CtcWindow], budget: int, on_gpu: bool) -> None:
    """Print the rate over all windows, and what the profiler records of it."""

    def run() -> float:
        runner = BatchRunner(recognizer)
        runner.max_batch_samples = budget
        begun_s = time.perf_counter()
        for _ in runner.run(windows, GreedyDecoder(), max_clips=None, monitor=SilentMonitor()):
            pass
        return time.perf_counter() - begun_s

    audio_s = sum(recognizer.n_samples(window) for window in windows) / RATE_HZ
    run()
    took_s = min(run() for _ in range(3))
    print(f"all batches: {took_s:.3f} s, {audio_s / took_s:.0f} audio-s/s")
    with profile(activities=[ProfilerActivity.CPU, *([ProfilerActivity.CUDA] if on_gpu else [])]) as recorded:
        profiled_s = run()
    key = "self_device_time_total" if on_gpu else "self_cpu_time_total"
    averages = recorded.key_averages()
    busy_s = sum(getattr(event, key, 0) for event in averages) / 1e6
    print(f"under the profiler {profiled_s:.3f} s; the device is busy for {busy_s:.3f} s of it")
    print(averages.table(sort_by=key, row_limit=30, max_name_column_width=70))
