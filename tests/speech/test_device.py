"""Devices and precisions for several kinds of machine, simulated by replacing torch's hardware queries."""

from __future__ import annotations

import pytest
import torch

from thano_duckdb.errors import ModelError
from thano_duckdb.speech import processor
from thano_duckdb.speech.device import choose_device

asked_of_torch = processor.has_bfloat16
"""Taken before the tests replace it."""


def pretend(monkeypatch: pytest.MonkeyPatch, *, cuda: tuple[int, int] | None = None, mps: bool = False) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: cuda is not None)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda _device=None: cuda)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: mps)


@pytest.mark.parametrize(
    ("cuda", "mps", "device", "precision", "chosen"),
    [
        (None, False, "auto", "auto", "cpu in float32"),
        (None, False, "cpu", "bfloat16", "cpu in bfloat16"),
        ((9, 0), False, "cpu", "int8", "cpu in int8"),
        ((9, 0), False, "auto", "auto", "cuda in bfloat16"),
        ((8, 0), False, "cuda:0", "float32", "cuda:0 in float32"),
        ((7, 5), False, "auto", "auto", "cuda in float32"),
        ((7, 5), False, "cuda", "float16", "cuda in float16"),
        ((9, 0), False, "cpu", "auto", "cpu in float32"),
        (None, True, "auto", "auto", "mps in float32"),
    ],
)
def test_the_best_device_and_precision_are_chosen(
    monkeypatch: pytest.MonkeyPatch,
    cuda: tuple[int, int] | None,
    mps: bool,
    device: str,
    precision: str,
    chosen: str,
) -> None:
    pretend(monkeypatch, cuda=cuda, mps=mps)
    assert str(choose_device(device, precision)) == chosen


@pytest.mark.parametrize(
    ("cuda", "instructions", "device", "precision", "chosen"),
    [
        (None, ("avx512_f",), "auto", "auto", "openvino in float32"),
        (None, ("avx512_f", "amx_bf16"), "auto", "auto", "cpu in float32"),
        (None, ("avx512_f", "amx_bf16"), "auto", "int8", "openvino in int8"),
        (None, (), "auto", "auto", "cpu in float32"),
        (None, (), "auto", "int8", "openvino in int8"),
        (None, (), "openvino", "auto", "openvino in float32"),
        ((9, 0), ("avx512_f",), "openvino", "float32", "openvino in float32"),
        ((9, 0), ("avx512_f",), "auto", "auto", "cuda in bfloat16"),
        (None, ("avx512_f",), "cpu", "auto", "cpu in float32"),
    ],
)
def test_openvino_is_the_cpu_where_it_is_installed_and_faster(
    monkeypatch: pytest.MonkeyPatch,
    cuda: tuple[int, int] | None,
    instructions: tuple[str, ...],
    device: str,
    precision: str,
    chosen: str,
) -> None:
    pretend(monkeypatch, cuda=cuda)
    monkeypatch.setattr(processor, "has_openvino", lambda: True)
    monkeypatch.setattr(processor, "_capabilities", lambda: dict.fromkeys(instructions, True))
    assert str(choose_device(device, precision)) == chosen
    assert not choose_device(device, "float32", for_training=True).uses_openvino


def test_texts_in_8_bits_by_openvino_are_told_from_those_of_torch(monkeypatch: pytest.MonkeyPatch) -> None:
    pretend(monkeypatch)
    monkeypatch.setattr(processor, "has_openvino", lambda: True)
    for precision, differ in (("float32", False), ("bfloat16", False), ("int8", True)):
        arithmetics = {choose_device(device, precision).arithmetic for device in ("cpu", "openvino")}
        assert (len(arithmetics) == 2) is differ


@pytest.mark.parametrize(
    ("has_bfloat16", "precision", "for_training", "chosen"),
    [
        (True, "auto", False, "bfloat16"),
        (False, "auto", False, "float32"),
        (True, "auto", True, "float32"),
        (True, "float32", False, "float32"),
    ],
)
def test_a_cpu_with_bfloat16_uses_it_except_in_training(
    monkeypatch: pytest.MonkeyPatch, has_bfloat16: bool, precision: str, for_training: bool, chosen: str
) -> None:
    pretend(monkeypatch, mps=True)
    monkeypatch.setattr(processor, "has_bfloat16", lambda: has_bfloat16)
    assert choose_device("cpu", precision, for_training=for_training).precision == chosen
    assert choose_device("mps", "auto").precision == "float32"


@pytest.mark.parametrize(
    ("capabilities", "expected"),
    [({"avx512_bf16": True, "amx_bf16": False}, True), ({"avx512_bf16": False, "amx_bf16": True}, True), ({}, False)],
)
def test_a_processor_has_bfloat16_if_torch_says_so(
    monkeypatch: pytest.MonkeyPatch, capabilities: dict[str, bool], expected: bool
) -> None:
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: capabilities)
    assert asked_of_torch() is expected


def test_a_gpu_gets_larger_batches_within_its_free_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    pretend(monkeypatch, cuda=(9, 0))
    free_gib = 100
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda _device: (free_gib << 30, 140 << 30))
    bytes_per_s = 1 << 20
    plenty = choose_device("auto", "auto").batch_s(bytes_per_s)
    assert plenty > 10 * choose_device("cpu", "auto").batch_s(bytes_per_s)
    free_gib = 1
    scarce = choose_device("auto", "auto").batch_s(10 * bytes_per_s)
    assert scarce * 10 * bytes_per_s < free_gib << 30
    assert scarce < plenty


@pytest.mark.parametrize(
    ("cuda", "device", "precision", "message"),
    [
        (None, "cuda", "auto", "'cuda' needs an NVIDIA GPU"),
        (None, "mps", "auto", "'mps' needs an Apple GPU"),
        ((9, 0), "cuda:3", "auto", r"torch finds 1 NVIDIA GPU"),
        (None, "openvino", "auto", r"needs OpenVINO, .* pip install 'thano_duckdb\[openvino\]'"),
        (None, "gpu", "auto", "'gpu' is not supported"),
        (None, "meta", "auto", "'meta' is not supported"),
        ((9, 0), "auto", "int8", "'int8' runs on CPUs only"),
        (None, "cpu", "half", "'half' is not supported"),
        (None, "cpu", "float16", "'float16' needs a GPU"),
        ((7, 5), "cuda", "bfloat16", "does not support bfloat16"),
    ],
)
def test_unsupported_or_unavailable_devices_and_precisions_are_refused(
    monkeypatch: pytest.MonkeyPatch, cuda: tuple[int, int] | None, device: str, precision: str, message: str
) -> None:
    pretend(monkeypatch, cuda=cuda)
    with pytest.raises(ModelError, match=message):
        choose_device(device, precision)
