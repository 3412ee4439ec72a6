"""Keeps the models that this process used last, so that all connections share one copy of each."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import TYPE_CHECKING

from cachetools import LRUCache, cached

from thano_duckdb.errors import ModelError
from thano_duckdb.models.checkpoint import check_checkpoint, reading_model

from .libraries import require_libraries
from .recognizer.ctc_checkpoint import fingerprint

if TYPE_CHECKING:
    from .engine import Engine

MAX_MODELS = 2


def load_engine(folder: Path, device: str = "auto", precision: str = "auto") -> Engine:
    """The engine of a checkpoint, which is loaded on the first call, and again if one of its files has changed.

    Args:
        folder: a checkpoint in Hugging Face format.
        device: `auto`, `cpu`, `cuda`, `cuda:1` and so on, or `mps`.
        precision: `auto`, `float32`, `bfloat16`, `float16` or `int8`.

    Raises:
        ModelError: the checkpoint cannot be loaded, or the device or precision is not available.
    """
    if not folder.is_dir():
        raise ModelError(f"there is no model folder {folder}")
    with reading_model(folder):
        check_checkpoint(folder)
        require_libraries()
        return _load(folder, device, precision, _key(folder, device, precision))


def check_loadable(folder: Path) -> None:
    """Refuse a checkpoint that `load_engine` refuses; of its weights only the headers are read.

    Raises:
        ModelError: it cannot be loaded; the message says why.
    """
    with reading_model(folder):
        check_checkpoint(folder)
        require_libraries()
        from .recognizer.ctc_checkpoint import CtcCheckpoint
        from .recognizer.padding_invariance import PaddingInvariance

        PaddingInvariance(CtcCheckpoint.read(folder).load_network(reads_weights=False))


def loaded_engine(folder: Path, device: str = "auto", precision: str = "auto") -> Engine | None:
    """What `load_engine` returns, where it need not load anything; else None."""
    if not _loaded:
        return None
    try:
        key = _key(folder, device, precision)
    except OSError:  # the folder is missing or may not be read: loading it says so
        return None
    with _changing:
        return _loaded.get(key)


def _key(folder: Path, device: str, precision: str) -> str:
    """Identifies the current files of a checkpoint, the device and the precision."""
    from .device import choose_device

    return f"{fingerprint(folder)} on {choose_device(device, precision)}"


_loaded: LRUCache[str, Engine] = LRUCache(MAX_MODELS)
_changing = threading.Condition()


@cached(
    _loaded,
    key=lambda _folder, _device, _precision, key: key,
    condition=_changing,  # a second thread that needs the same model waits for the first
)
def _load(folder: Path, device: str, precision: str, key: str) -> Engine:
    """Load a model; for `key` see `_key`."""
    from .compute import ComputeThread
    from .engine import Engine
    from .recognizer.acoustic_model import AcousticModel
    from .recognizer.ctc_recognizer import CtcRecognizer

    with ComputeThread() as thread:
        model = thread.submit(AcousticModel.load, folder, device=device, precision=precision).result()
    return Engine(CtcRecognizer(model))
