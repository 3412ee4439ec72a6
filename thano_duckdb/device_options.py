"""The options that say on which device, and in which precision, a model runs, a part of the table in `options`.

`speech/device.py` acts on them, and `cluster/engines.py` where there are several devices.
"""

from __future__ import annotations

from .option import Option, StatementKind, ValueKind

_TRANSCRIBE = frozenset({StatementKind.PREDICT, StatementKind.EVALUATE})
_FOR_GPU = ("gpu", "use 'cuda' for an NVIDIA GPU, 'mps' for Apple's, or 'auto'")
_TRAIN = frozenset({StatementKind.BUILD, StatementKind.FIT})

DEVICE_OPTIONS = (
    Option(
        "device",
        "`'auto'` (all GPUs, if there are any), `'cpu'`, `'openvino'` (the CPU, with "
        "[OpenVINO](docs/speed.md#openvino), which `'auto'` takes too where it is installed and faster), "
        "`'cuda'` (all), `'cuda:N'` (one of them) or `'mps'`",
        ValueKind.CHOICE,
        choices=("auto", "cpu", "openvino", "cuda", "cuda:N", "mps"),
        default="auto",
        advice=(_FOR_GPU,),
        used_by=_TRANSCRIBE,
    ),
    Option(
        "device",
        "`'auto'` (a GPU if there is one), `'cpu'`, `'cuda'`, `'cuda:0'` or `'mps'`",
        ValueKind.CHOICE,
        choices=("auto", "cpu", "cuda", "cuda:0", "mps"),
        default="auto",
        advice=(
            _FOR_GPU,
            ("openvino", "torch trains: use 'cpu', which is the same processor"),
            (
                "cuda:N",
                "training takes the first GPU; the environment variable CUDA_VISIBLE_DEVICES makes another the first",
            ),
        ),
        used_by=_TRAIN,
    ),
    Option(
        "precision",
        "`'auto'`, `'float32'`, `'bfloat16'`, `'float16'` or `'int8'`: see [Speed](docs/speed.md#precision)",
        ValueKind.CHOICE,
        choices=("auto", "float32", "bfloat16", "float16", "int8"),
        default="auto",
        used_by=_TRANSCRIBE,
    ),
    Option(
        "precision",
        "`'auto'`, `'float32'`, `'bfloat16'` or `'float16'`",
        ValueKind.CHOICE,
        choices=("auto", "float32", "bfloat16", "float16"),
        default="auto",
        advice=(
            ("int8", "training needs floating point; where the connection has int8, write OPTIONS (precision='auto')"),
        ),
        used_by=_TRAIN,
    ),
)
