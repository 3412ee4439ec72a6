"""How much a model has to compute and how much the machine can: together, the model FLOP utilisation (MFU).

A multiplication with its addition counts as two operations, as usual.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import torch
from torch.utils.flop_counter import FlopCounterMode
from transformers import AutoConfig, AutoModelForCTC

RATE_HZ = 16_000
MATRIX_SIZE = 4096


def corpus_flops(model: Path, durations_s: Sequence[float]) -> int:
    """Operations of the matrix products and convolutions of a model over clips, each on its own and without padding.

    Counted by running the network on tensors without data (torch's device `meta`).
    """
    # sdpa has no kernel of its own on `meta`, so torch breaks it down into the products that are counted.
    with torch.device("meta"):
        network = AutoModelForCTC.from_config(
            AutoConfig.from_pretrained(model), attn_implementation="sdpa", dtype=torch.float32
        ).eval()
    total = 0
    for n_samples, n_clips in Counter(round(duration_s * RATE_HZ) for duration_s in durations_s).items():
        # Not inference_mode, in which torch cannot compute a weight norm on `meta`.
        with torch.no_grad(), FlopCounterMode(display=False) as counter:
            network(torch.empty(1, n_samples, device="meta"))
        total += n_clips * counter.get_total_flops()
    return total


def matmul_flops_per_s(dtype: torch.dtype, device: str = "cpu", size: int = MATRIX_SIZE) -> float:
    """Operations per second of a product of square matrices: the best of three runs."""
    left, right = (torch.randn(size, size, device=device).to(dtype) for _ in range(2))
    left @ right
    best_s = float("inf")
    for _ in range(3):
        _synchronize(device)
        begun_s = time.perf_counter()
        left @ right
        _synchronize(device)
        best_s = min(best_s, time.perf_counter() - begun_s)
    return 2 * size**3 / best_s


def _synchronize(device: str) -> None:
    if torch.device(device).type == "cuda":
        torch.cuda.synchronize()
