"""A checkpoint in the formats of other inference engines, written once into a folder beside it."""

from __future__ import annotations

import tempfile
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
import transformers
from torch import Tensor, nn

from thano_duckdb.speech.libraries import quiet_transformers

EXAMPLE_SAMPLES = 32_000
N_CALIBRATION_CLIPS = 32


class _Logits(nn.Module):
    """A network of transformers as a function from samples to logits."""

    def __init__(self, network: Any) -> None:
        super().__init__()
        self.network = network

    def forward(self, samples: Tensor) -> Tensor:
        """(batch, samples) to (batch, frames, labels)."""
        logits: Tensor = self.network(samples).logits
        return logits


def exported(model: Path, name: str, write: Callable[[Path], None]) -> Path:
    """The file or folder `name` of the exports of a checkpoint; `write` makes it if it does not exist yet.

    They are in the folder of temporary files, under the checkpoint's name and the time of its weights.
    """
    changed = (model / "model.safetensors").stat().st_mtime_ns
    folder = Path(tempfile.gettempdir()) / "thano-benchmark-exports" / f"{model.name}-{changed}"
    path = folder / name
    if not path.exists():
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=folder) as unfinished:
            write(Path(unfinished) / name)
            for written in Path(unfinished).iterdir():
                written.rename(folder / written.name)
    return path


def onnx_float32(model: Path) -> Path:
    """By `torch.onnx.export`, for any number and length of clips."""

    def write(path: Path) -> None:
        with quiet_transformers(), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            network = transformers.AutoModelForCTC.from_pretrained(
                model, attn_implementation="sdpa", dtype=torch.float32
            ).eval()
            torch.onnx.export(
                _Logits(network).eval(),
                (torch.zeros(2, EXAMPLE_SAMPLES),),
                path,
                input_names=["samples"],
                output_names=["logits"],
                dynamic_shapes={"samples": {0: torch.export.Dim("clips"), 1: torch.export.Dim("length", min=4_000)}},
                dynamo=True,
                external_data=False,
                verbose=False,
            )

    return exported(model, "float32.onnx", write)


def onnx_int8(model: Path) -> Path:
    """By ONNX Runtime's dynamic quantisation of the matrix products; convolutions lose in it."""
    from onnxruntime.quantization import QuantType, quantize_dynamic

    def write(path: Path) -> None:
        quantize_dynamic(onnx_float32(model), path, op_types_to_quantize=["MatMul"], weight_type=QuantType.QInt8)

    return exported(model, "int8.onnx", write)


def openvino_int8(model: Path, calibration: Callable[[], list[Any]]) -> Path:
    """By NNCF's quantisation of a transformer; `calibration` gives clips, (1, samples) each."""
    import nncf
    import openvino

    def write(path: Path) -> None:
        network = openvino.convert_model(onnx_float32(model))
        clips = nncf.Dataset(calibration())
        quantized = nncf.quantize(
            network, clips, model_type=nncf.ModelType.TRANSFORMER, subset_size=N_CALIBRATION_CLIPS
        )
        openvino.save_model(quantized, path)

    return exported(model, "int8.xml", write)


def ctranslate2_model(model: Path) -> Path:
    """By CTranslate2's converter, which knows networks with layer norms only."""
    from ctranslate2.converters import TransformersConverter

    def write(path: Path) -> None:
        with quiet_transformers():
            TransformersConverter(str(model)).convert(str(path))

    return exported(model, "ctranslate2", write)
