"""Other inference engines on the same weights and files, each as its users run it best.

Clips are sorted by length and, if that is faster, padded to batches; these exports take no mask, so padding may change
texts. Their packages are the extra `benchmarks`.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
import transformers
from numpy.typing import NDArray

from benchmarks import exported_models
from benchmarks.clip_sets import an4
from benchmarks.systems import SkippedError, System, read_clip
from thano_duckdb.speech.libraries import first_line, quiet_transformers

BATCH_SIZES = (1, 8)
N_TRIAL_CLIPS = 16

Run = Callable[[Sequence[NDArray[np.float32]]], list[NDArray[np.float32]]]
"""From batches of samples, (clips, samples) each, to their logits, (clips, frames, labels) each."""
INSTALL = "pip install 'thano_duckdb[benchmarks]'"


def onnx_runtime(model: Path, precision: str = "float32") -> System:
    """ONNX Runtime, float32 or int8.

    Raises:
        SkippedError: it is not installed.
    """
    try:
        import onnxruntime
        import onnxscript  # noqa: F401
    except ImportError as error:
        raise SkippedError(f"ONNX Runtime: {INSTALL}") from error
    path = exported_models.onnx_int8(model) if precision == "int8" else exported_models.onnx_float32(model)
    options = onnxruntime.SessionOptions()
    # By default it takes all cores, even those that `taskset` forbids.
    options.intra_op_num_threads = len(os.sched_getaffinity(0))
    session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])

    def run(batches: Sequence[NDArray[np.float32]]) -> list[NDArray[np.float32]]:
        return [session.run(None, {"samples": batch})[0] for batch in batches]

    return _system(f"ONNX Runtime, {precision}", model, run)


def openvino(model: Path, precision: str = "float32") -> System:
    """OpenVINO in float32, bfloat16 or int8, which keeps all cores busy with several requests.

    Raises:
        SkippedError: it is not installed, or the processor lacks the precision.
    """
    try:
        import nncf  # noqa: F401
        import onnxscript  # noqa: F401
        import openvino as ov
    except ImportError as error:
        raise SkippedError(f"OpenVINO: {INSTALL}") from error
    core = ov.Core()
    if precision == "bfloat16" and "BF16" not in core.get_property("CPU", "OPTIMIZATION_CAPABILITIES"):
        raise SkippedError("OpenVINO, bfloat16: this processor does not have it")
    if precision == "int8":
        path = exported_models.openvino_int8(model, lambda: _calibration_clips(model))
    else:
        path = exported_models.onnx_float32(model)
    settings = {
        "PERFORMANCE_HINT": "THROUGHPUT",
        "INFERENCE_PRECISION_HINT": "bf16" if precision == "bfloat16" else "f32",
    }
    queue = ov.AsyncInferQueue(core.compile_model(path, "CPU", settings))

    def run(batches: Sequence[NDArray[np.float32]]) -> list[NDArray[np.float32]]:
        found: list[Any] = [None] * len(batches)

        def keep(request: Any, index: int) -> None:
            found[index] = request.get_output_tensor().data.copy()

        queue.set_callback(keep)
        for index, batch in enumerate(batches):
            queue.start_async({0: batch}, index)
        queue.wait_all()
        return found

    dtype = torch.bfloat16 if precision == "bfloat16" else torch.float32
    return _system(f"OpenVINO, {precision}", model, run, dtype)


def ctranslate2(model: Path) -> System:
    """CTranslate2 in int8.

    Raises:
        SkippedError: it is not installed, or cannot convert the network.
    """
    try:
        import ctranslate2 as ct2
    except ImportError as error:
        raise SkippedError(f"CTranslate2: {INSTALL}") from error
    try:
        folder = exported_models.ctranslate2_model(model)
        network = ct2.models.Wav2Vec2(str(folder), device="cpu", compute_type="int8")

        def run(batches: Sequence[NDArray[np.float32]]) -> list[NDArray[np.float32]]:
            # Its input is (clips, 1, samples).
            views = [ct2.StorageView.from_array(np.ascontiguousarray(batch[:, None])) for batch in batches]
            return [np.asarray(network.encode(view, to_cpu=True)) for view in views]

        run([np.zeros((1, 16_000), np.float32)])
    except (ValueError, AttributeError, NotImplementedError, RuntimeError) as error:
        raise SkippedError(f"CTranslate2 cannot run {model.name}: {first_line(error)}") from error
    return _system("CTranslate2, int8", model, run)


def _system(name: str, model: Path, run: Run, dtype: torch.dtype = torch.float32) -> System:
    """From paths to texts, with the size of the batches that proves faster on the first clips."""
    with quiet_transformers():
        processor = transformers.AutoProcessor.from_pretrained(model)
    chosen: list[int] = []

    def batches_of(clips: Sequence[NDArray[np.float32]], order: Sequence[int], size: int) -> list[Any]:
        return [
            processor.feature_extractor(
                [clips[row] for row in order[start : start + size]],
                sampling_rate=16_000,
                padding=True,
                return_attention_mask=True,
                return_tensors="np",
            )
            for start in range(0, len(order), size)
        ]

    def transcribe(paths: Sequence[str]) -> list[str]:
        clips = [read_clip(path)[0] for path in paths]
        order = sorted(range(len(clips)), key=lambda row: -len(clips[row]))
        if not chosen:
            chosen.append(min(BATCH_SIZES, key=lambda size: _elapsed_s(run, batches_of(clips, order, size))))
        (size,) = chosen
        texts = [""] * len(clips)
        batches = batches_of(clips, order, size)
        for start, inputs, logits in zip(range(0, len(order), size), batches, run(_samples(batches)), strict=True):
            n_samples = inputs["attention_mask"].sum(axis=1)
            ids = logits.argmax(axis=-1)
            n_frames = -(-ids.shape[1] * n_samples // inputs["attention_mask"].shape[1])
            ids[np.arange(ids.shape[1]) >= n_frames[:, None]] = processor.tokenizer.pad_token_id
            rows = order[start : start + size]
            for row, text in zip(rows, processor.tokenizer.batch_decode(ids), strict=True):
                texts[row] = text
        return texts

    return System(name, transcribe, dtype)


def _samples(batches: Sequence[Any]) -> list[NDArray[np.float32]]:
    return [batch["input_values"].astype(np.float32) for batch in batches]


def _elapsed_s(run: Run, batches: Sequence[Any]) -> float:
    few = _samples(batches)[:N_TRIAL_CLIPS]
    run(few)
    begun_s = time.perf_counter()
    run(few)
    return (time.perf_counter() - begun_s) / sum(batch.size for batch in few)


def _calibration_clips(model: Path) -> list[NDArray[np.float32]]:
    with quiet_transformers():
        extractor = transformers.AutoProcessor.from_pretrained(model).feature_extractor
    paths = an4().paths[: exported_models.N_CALIBRATION_CLIPS]
    return [
        extractor(read_clip(path)[0], sampling_rate=16_000, return_tensors="np")["input_values"].astype(np.float32)
        for path in paths
    ]
