"""What the processor of this machine can do. torch is imported when that is asked, if it is needed."""

from __future__ import annotations

import glob
import importlib.util
import sys
from pathlib import Path

_GPUS = ("/dev/nvidia*", "/dev/nvmap", "/dev/kfd", "/dev/dxg", "/dev/dri/render*")
"""What a GPU that torch may use has at least one of: NVIDIA, Jetson, AMD, WSL, Intel."""
_PRECISIONS = ("float32", "bfloat16", "int8")
OPENVINO = "openvino"
"""The device that is the processor of this machine, used by OpenVINO instead of torch."""


def has_bfloat16() -> bool:
    """Whether the processor multiplies matrices of bfloat16 by instructions of its own (AVX512-BF16 or AMX).

    There the network takes less time than in float32; elsewhere torch emulates bfloat16, slowly.
    """
    capabilities = _capabilities()
    return bool(capabilities.get("avx512_bf16") or capabilities.get("amx_bf16"))


def has_amx() -> bool:
    """Whether the processor has units for products of whole tiles of bfloat16 (Intel's AMX)."""
    return bool(_capabilities().get("amx_bf16"))


def has_avx512() -> bool:
    """Whether the processor computes with vectors of 512 bits."""
    return bool(_capabilities().get("avx512_f"))


def lacks_int8_products() -> bool:
    """Whether torch computes in 8-bit integers more slowly than in float32: an x86 processor without VNNI and AMX."""
    capabilities = _capabilities()
    names = ("avx512_vnni", "avx_vnni", "avx_vnni_int8", "amx_int8")
    return capabilities.get("architecture") == "x86_64" and not any(map(capabilities.get, names))


def has_openvino() -> bool:
    """Whether OpenVINO is installed."""
    spec = importlib.util.find_spec(OPENVINO)
    return spec is not None and spec.origin is not None  # any folder of this name that Python finds has no origin


def is_faster_by_openvino(precision: str) -> bool:
    """Whether OpenVINO is installed, and faster than torch on this processor.

    With AMX torch was faster, and without AVX512 hardly slower (docs/speed.md). But in 8-bit integers OpenVINO was
    faster on both: without AVX512 torch computes in them many times slower than in float32.
    """
    return has_openvino() and (precision == "int8" or (has_avx512() and not has_amx()))


def arithmetic(precision: str, *, uses_openvino: bool) -> str:
    """See `Device.arithmetic`."""
    return "int8 by OpenVINO" if uses_openvino and precision == "int8" else precision


def arithmetic_without_torch(device: str, precision: str) -> str | None:
    """`Device.arithmetic` of what `choose_device` chooses, where that is sure without torch; else None.

    Args:
        device, precision: as the user gives them.
    """
    if sys.platform != "linux":
        return None
    is_cpu = device == "cpu" or (device == OPENVINO and has_openvino())
    if not is_cpu and not (device == "auto" and not any(map(glob.glob, _GPUS))):
        return None
    if precision == "auto":
        try:
            capabilities = set(Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").split())
        except OSError:
            return None
        return "float32" if capabilities.isdisjoint(("avx512_bf16", "amx_bf16")) else "bfloat16"
    uses_openvino = device != "cpu" and has_openvino()
    return arithmetic(precision, uses_openvino=uses_openvino) if precision in _PRECISIONS else None


def _capabilities() -> dict[str, object]:
    import torch

    capabilities: dict[str, object] = getattr(torch.cpu, "get_capabilities", dict)()  # older ones lack it
    return capabilities
