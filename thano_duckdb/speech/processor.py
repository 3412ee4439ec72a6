"""What the processor of this machine can do. torch is imported when that is asked."""

from __future__ import annotations


def has_bfloat16() -> bool:
    """Whether the processor multiplies matrices of bfloat16 by instructions of its own (AVX512-BF16 or AMX).

    There the network takes less time than in float32; elsewhere torch emulates bfloat16, slowly.
    """
    capabilities = _capabilities()
    return bool(capabilities.get("avx512_bf16") or capabilities.get("amx_bf16"))


def has_amx() -> bool:
    """Whether the processor has units for products of whole tiles of bfloat16 (Intel's AMX)."""
    return bool(_capabilities().get("amx_bf16"))


def _capabilities() -> dict[str, object]:
    import torch

    capabilities: dict[str, object] = getattr(torch.cpu, "get_capabilities", dict)()  # older ones lack it
    return capabilities
