"""A network in 8-bit integers, by NNCF, in a process of its own: NNCF changes torch when imported, and it prints."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Mapping, Sequence
from importlib.util import find_spec
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from thano_duckdb.errors import Cancelled
from thano_duckdb.speech.libraries import module_paths
from thano_duckdb.speech.threads import POLL_S, is_exiting

from .runtime import TELEMETRY

FLOATING = (".*conv_layers.0.conv.*Convolution", ".*lm_head.*MatMul")
"""Layers that stay in float32, by patterns of their names: the one that reads the waveform, and the outputs. The first
costs accuracy: `an4-small` makes six more errors in 773 words."""
_PROGRAM = (
    f"import sys; sys.path[:] = sys.argv[3:]; sys.modules['{TELEMETRY}'] = None; from {__name__} import main; main()"
)
_MAX_CHARS = 300
_NOT_WRITTEN = 75
"""The exit status of the process where the network cannot be written."""


def has_nncf() -> bool:
    """Whether NNCF is installed."""
    return find_spec("nncf") is not None


def quantize(network: Path, clips: Sequence[Mapping[str, NDArray[np.float32]]], quantized: Path) -> None:
    """Write a network in 8-bit integers.

    Args:
        network: in float32, `.xml`.
        clips: inputs, by which the ranges of all activations are measured.
        quantized: is written, `.xml`, with its `.bin` beside it.

    Raises:
        OSError: it cannot be written, or the process was killed: it may succeed another time.
        RuntimeError: it fails.
        Cancelled: Python exits.
    """
    with tempfile.TemporaryDirectory() as name:
        for number, clip in enumerate(clips):
            np.savez(Path(name) / f"{number:03}.npz", **clip)  # type: ignore[arg-type]
        (Path(name) / "network").write_text(f"{network}\n{quantized}", encoding="utf-8")
        _run(name)


def _run(folder: str) -> None:
    process = subprocess.Popen(
        [sys.executable, "-P", "-c", _PROGRAM, folder, str(os.getpid()), *module_paths()],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        start_new_session=True,  # Ctrl-C of the terminal is for this process only
        text=True,
        errors="replace",
    )
    while True:
        try:
            _, complaint = process.communicate(timeout=POLL_S)
            break
        except subprocess.TimeoutExpired:
            if is_exiting.is_set():
                process.kill()
                raise Cancelled("Python exits") from None
    if process.returncode < 0 or process.returncode == _NOT_WRITTEN:
        raise OSError("NNCF was killed" if process.returncode < 0 else "there is no space for the network")
    if process.returncode:
        last = (complaint.strip().splitlines() or [f"exit status {process.returncode}"])[-1]
        raise RuntimeError(f"NNCF fails: {last[:_MAX_CHARS]}")


def main() -> None:
    """What the process does; its arguments are the folder of `quantize` and the process that waits for it."""
    threading.Thread(target=_end_with, args=(int(sys.argv[2]),), daemon=True).start()
    import nncf
    import openvino

    folder = Path(sys.argv[1])
    network, quantized = (folder / "network").read_text(encoding="utf-8").splitlines()
    clips = [dict(np.load(path)) for path in sorted(folder.glob("*.npz"))]
    found = nncf.quantize(
        openvino.Core().read_model(network),
        nncf.Dataset(clips),
        model_type=nncf.ModelType.TRANSFORMER,
        subset_size=len(clips),
        ignored_scope=nncf.IgnoredScope(patterns=list(FLOATING), validate=False),
    )
    try:
        openvino.save_model(found, quantized, compress_to_fp16=False)
    except RuntimeError:
        sys.exit(_NOT_WRITTEN)


def _end_with(parent: int) -> None:
    """End this process when the one that waits for it was killed: nobody would use the network."""
    if os.name == "posix":  # on Windows the parent's id stays
        while os.getppid() == parent:
            time.sleep(POLL_S)
        os._exit(1)
