"""How fast a device multiplies, timed in a fraction of a second, and how fast a network may be there."""

from __future__ import annotations

import functools
import time

import torch

from .compute import ComputeThreads
from .device import Device

_CPU_SIZE, _GPU_SIZE = 1024, 4096
_N_RUNS = 3


@functools.cache
def matrix_products_per_s(device: Device) -> float:
    """Multiplications, each with an addition, in a second: the best of a few products of square matrices."""
    with ComputeThreads() as threads:
        return threads.submit(threads.n_threads, _timed, device).result()


@torch.inference_mode()
def _timed(device: Device) -> float:
    size = _CPU_SIZE if device.torch_device.type == "cpu" else _GPU_SIZE
    left, right = (torch.randn(size, size, device=device.torch_device).to(device.dtype) for _ in range(2))
    left @ right
    best_s = float("inf")
    for _ in range(_N_RUNS):
        _synchronize(device)
        begun_s = time.perf_counter()
        left @ right
        _synchronize(device)
        best_s = min(best_s, time.perf_counter() - begun_s)
    return size**3 / best_s


def _synchronize(device: Device) -> None:
    if device.is_cuda:
        torch.cuda.synchronize(device.torch_device)
    elif device.torch_device.type == "mps":
        torch.mps.synchronize()
