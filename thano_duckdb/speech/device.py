"""Chooses where the model runs and in which precision, and hides the differences between CPUs and GPUs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from numpy.typing import NDArray
from torch import Tensor

from thano_duckdb.errors import ModelError

from . import processor
from .cores import n_torch_threads
from .processor import OPENVINO, arithmetic

PRECISIONS = {
    "float32": torch.float32,
    "bfloat16": torch.bfloat16,
    "float16": torch.float16,
    "int8": torch.float32,  # except in linear layers and convolutions
}

CPU_BATCH_S = 24
GPU_BATCH_S = 1280
"""Padded seconds of audio in a batch: a GPU needs hundreds to be busy. Halved when memory runs out."""
GPU_MEMORY_SHARE = 0.5
"""Share of the free memory that a batch may use: other programs may need the rest, and the estimate is rough."""

_OUT_OF_MEMORY_SIGNS = ("out of memory", "can't allocate memory", "ALLOC_FAILED", "not enough memory", "bad_alloc")


class OutOfMemory(Exception):  # noqa: N818 - a signal to the caller, who continues with smaller batches
    """The batch does not fit in the memory of the device."""


@dataclass(frozen=True)
class Device:
    """A device and the precision in which the model computes there, without autocast.

    Attributes:
        torch_device: the device.
        precision: a key of `PRECISIONS`.
        uses_openvino: whether OpenVINO runs the network there, a CPU, instead of torch.
    """

    torch_device: torch.device
    precision: str
    uses_openvino: bool = False

    @property
    def dtype(self) -> torch.dtype:
        """The floating-point type of the weights and the activations."""
        return PRECISIONS[self.precision]

    def batch_s(self, bytes_per_s: float) -> float:
        """Padded seconds of audio in the first batch.

        Args:
            bytes_per_s: peak memory of the model per second of audio.
        """
        if self.torch_device.type == "cpu":
            return CPU_BATCH_S
        if not self.is_cuda:
            return GPU_BATCH_S
        free, _total = torch.cuda.mem_get_info(self.torch_device)
        return min(GPU_BATCH_S, GPU_MEMORY_SHARE * free / bytes_per_s)

    @property
    def name(self) -> str:
        """As users write it."""
        return OPENVINO if self.uses_openvino else str(self.torch_device)

    @property
    def arithmetic(self) -> str:
        """The precision, and how it is obtained where texts depend on that: models in 8-bit integers differ."""
        return arithmetic(self.precision, uses_openvino=self.uses_openvino)

    @property
    def is_cuda(self) -> bool:
        """Whether it is an NVIDIA (or AMD) GPU, which computes asynchronously to the host."""
        return self.torch_device.type == "cuda"

    @property
    def hardware(self) -> str:
        """What it is: the name of a GPU, or how many threads of the processor are used."""
        if self.is_cuda:
            return torch.cuda.get_device_name(self.torch_device)
        if self.torch_device.type == "mps":
            return "Apple GPU"
        return threads_text(n_torch_threads())

    @property
    def described(self) -> str:
        """Everything that speeds depend on, the precision included."""
        return f"{self} ({self.hardware})"

    def release_memory(self) -> None:
        """Return the memory that torch has cached, after running out of memory."""
        if self.is_cuda:
            torch.cuda.empty_cache()
        elif self.torch_device.type == "mps":
            torch.mps.empty_cache()

    def __str__(self) -> str:
        return f"{self.name} in {self.precision}"


@dataclass(frozen=True)
class HostCopy:
    """A copy of tensors from the device to the host, which starts once the device has computed them."""

    tensors: tuple[Tensor, ...]
    _event: torch.cuda.Event | None

    @classmethod
    def of(cls, *tensors: Tensor) -> HostCopy:
        """Start the copy; on a GPU this does not wait for the computation."""
        if tensors[0].device.type != "cuda":
            return cls(tuple(tensor.cpu() for tensor in tensors), None)
        copies = tuple(torch.empty_like(tensor, device="cpu", pin_memory=True) for tensor in tensors)
        for copy, tensor in zip(copies, tensors, strict=True):
            copy.copy_(tensor, non_blocking=True)
        event = torch.cuda.Event()  # type: ignore[no-untyped-call]
        event.record()
        return cls(copies, event)

    def wait(self) -> tuple[NDArray[Any], ...]:
        """Wait for the copy and return the tensors."""
        if self._event is not None:
            self._event.synchronize()
        return tuple(tensor.numpy() for tensor in self.tensors)


def threads_text(n_threads: int) -> str:
    """What `Device.hardware` says of a processor, of which a process uses `n_threads` threads."""
    return f"{n_threads} thread{'' if n_threads == 1 else 's'}"


def copy_to(device: torch.device, values: NDArray[Any]) -> Tensor:
    """`values` on a device; on a GPU the host does not wait until earlier work there is done."""
    tensor = torch.from_numpy(values)
    return tensor.pin_memory().to(device, non_blocking=True) if device.type == "cuda" else tensor.to(device)


def choose_device(device: str, precision: str, *, for_training: bool = False) -> Device:
    """The device and precision that the user asked for.

    Args:
        device: `auto` (a GPU if there is one, else the CPU, by OpenVINO where that is faster), `cpu`, `openvino`,
            `cuda`, `cuda:1` and so on, or `mps`.
        precision: `auto` (bfloat16 on a GPU or CPU that has instructions for it, else float32), `float32`, `bfloat16`,
            `float16`, or `int8` (linear layers and convolutions in 8-bit integers, on a CPU).
        for_training: whether the network is trained, by torch; then `auto` is float32 on every CPU.

    Raises:
        ModelError: the device or the precision is not supported, not available, or they do not go together.
    """
    chosen = _torch_device("cpu" if device == OPENVINO else device)
    is_faster_by_openvino = chosen.type == "cpu" and processor.is_faster_by_openvino(precision)
    uses_openvino = (device == OPENVINO or (device == "auto" and is_faster_by_openvino)) and not for_training
    if device == OPENVINO and not processor.has_openvino():
        raise ModelError(
            f"device {device!r} needs OpenVINO, which is not installed: pip install 'thano_duckdb[openvino]'"
        )
    if precision == "auto":
        is_faster = _has_native_bfloat16(chosen) or (
            chosen.type == "cpu" and not for_training and processor.has_bfloat16()
        )
        return Device(chosen, "bfloat16" if is_faster else "float32", uses_openvino)
    if precision not in PRECISIONS:
        raise ModelError(f"precision {precision!r} is not supported: use 'auto', {', '.join(map(repr, PRECISIONS))}")
    if precision == "float16" and chosen.type == "cpu":
        raise ModelError("precision 'float16' needs a GPU: use 'auto', 'float32', 'bfloat16' or 'int8' on the CPU")
    if precision == "int8" and chosen.type != "cpu":
        raise ModelError(f"precision 'int8' runs on CPUs only: use 'auto', 'bfloat16' or 'float16' on {chosen}")
    if precision == "bfloat16" and chosen.type == "cuda" and not _has_native_bfloat16(chosen):
        raise ModelError(f"{chosen} does not support bfloat16: use precision 'auto', 'float32' or 'float16'")
    return Device(chosen, precision, uses_openvino)


def is_out_of_memory(error: BaseException) -> bool:
    """Whether the device or the host ran out of memory; torch reports this in several ways."""
    return isinstance(error, (MemoryError, torch.OutOfMemoryError)) or (
        isinstance(error, RuntimeError) and any(sign in str(error) for sign in _OUT_OF_MEMORY_SIGNS)
    )


def _torch_device(device: str) -> torch.device:
    has_cuda, has_mps = torch.cuda.is_available(), torch.backends.mps.is_available()
    if device == "auto":
        device = "cuda" if has_cuda else "mps" if has_mps else "cpu"
    try:
        chosen = torch.device(device)
    except RuntimeError:
        chosen = None
    if chosen is None or chosen.type not in ("cpu", "cuda", "mps"):
        raise ModelError(
            f"device {device!r} is not supported: use 'auto', 'cpu', 'openvino', 'cuda', 'cuda:0' or 'mps'"
        )
    if chosen.type == "cuda" and not has_cuda:
        raise ModelError(f"device {device!r} needs an NVIDIA GPU, but torch finds none: use device 'auto' or 'cpu'")
    if chosen.type == "cuda" and (chosen.index or 0) >= torch.cuda.device_count():
        raise ModelError(f"device {device!r} does not exist: torch finds {torch.cuda.device_count()} NVIDIA GPU(s)")
    if chosen.type == "mps" and not has_mps:
        raise ModelError("device 'mps' needs an Apple GPU, but torch finds none: use device 'auto' or 'cpu'")
    return chosen


def _has_native_bfloat16(chosen: torch.device) -> bool:
    if chosen.type != "cuda":
        return False
    major, _minor = torch.cuda.get_device_capability(chosen)
    return major >= 8  # Ampere; older GPUs emulate bfloat16, slowly. ROCm devices report 9 or more.
