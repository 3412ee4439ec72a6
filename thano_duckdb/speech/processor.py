"""What the processor of this machine can do. torch is imported when that is asked, if it is needed."""

from __future__ import annotations

import glob
import sys
from pathlib import Path

_GPUS = ("/dev/nvidia*", "/dev/nvmap", "/dev/kfd", "/dev/dxg", "/dev/dri/render*")
"""What a GPU that torch may use has at least one of: NVIDIA, Jetson, AMD, WSL, Intel."""
_PRECISIONS = ("float32", "bfloat16", "int8")


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


def precision_without_torch(device: str, precision: str) -> str | None:
    """The precision that `choose_device` chooses, where that is sure without torch; None where only torch can tell.

    Args:
        device, precision: as the user gives them.
    """
    if sys.platform != "linux" or not (device == "cpu" or (device == "auto" and not any(map(glob.glob, _GPUS)))):
        return None
    if precision == "auto":
        try:
            capabilities = set(Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").split())
        except OSError:
            return None
        return "float32" if capabilities.isdisjoint(("avx512_bf16", "amx_bf16")) else "bfloat16"
    return precision if precision in _PRECISIONS else None


def _capabilities() -> dict[str, object]:
    import torch

    capabilities: dict[str, object] = getattr(torch.cpu, "get_capabilities", dict)()  # older ones lack it
    return capabilities
