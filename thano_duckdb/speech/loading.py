"""Keeps the models that this process used last, so that all connections share one copy of each."""

from __future__ import annotations

import functools
import os
import threading
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from cachetools import LRUCache, cached

from thano_duckdb.errors import ModelError, OpenVinoError
from thano_duckdb.models.adapters import chosen_language
from thano_duckdb.models.checkpoint import check_checkpoint, reading_model

from . import processor
from .heap import trim
from .libraries import require_libraries
from .processor import OPENVINO
from .recognizer.ctc_checkpoint import fingerprint

if TYPE_CHECKING:
    from .device import Device
    from .engine import Engine
    from .recognizer.clip_scorer import ClipScorer

MAX_MODELS = 2
MAX_LANGUAGES = 64
"""Of one model, that are kept; each takes about 9 MB with `facebook/mms-1b-all`."""


def load_engine(folder: Path, device: str = "auto", precision: str = "auto", language: str | None = None) -> Engine:
    """The engine of a checkpoint, which is loaded on the first call, and again if one of its files has changed.

    The engines of the languages of a checkpoint share its network.

    Args:
        folder: a checkpoint in Hugging Face format.
        device: `auto`, `cpu`, `cuda`, `cuda:1` and so on, or `mps`.
        precision: `auto`, `float32`, `bfloat16`, `float16` or `int8`.
        language: which of the languages of the checkpoint; None for its default.

    Raises:
        LanguageError: the checkpoint has languages, and not this one.
        ModelError: the checkpoint cannot be loaded, or the device or precision is not available.
    """
    if not folder.is_dir():
        raise ModelError(f"there is no model folder {folder}")
    with reading_model(folder):
        check_checkpoint(folder)
        require_libraries()
        language = chosen_language(folder, language)
        own_key, key = _keys(folder, device, precision, language)
        loaded = _load(folder, device, precision, language, own_key, key)
        return loaded.engine(folder, language, own_key)


def check_loadable(folder: Path, language: str | None = None) -> None:
    """Refuse a checkpoint that `load_engine` refuses; of its weights only the headers are read.

    Args:
        folder: a checkpoint in Hugging Face format.
        language: which of the languages of the checkpoint; None for its default.

    Raises:
        ModelError: it cannot be loaded; the message says why.
    """
    with reading_model(folder):
        check_checkpoint(folder)
        require_libraries()
        from .recognizer.ctc_checkpoint import CtcCheckpoint
        from .recognizer.padding_invariance import PaddingInvariance

        PaddingInvariance(CtcCheckpoint.read(folder, language=language).load_network(reads_weights=False))


def loaded_engine(
    folder: Path, device: str = "auto", precision: str = "auto", language: str | None = None
) -> Engine | None:
    """What `load_engine` returns, where it need not load anything; else None."""
    if not _loaded:
        return None
    try:
        own_key, key = _keys(folder, device, precision, chosen_language(folder, language))
    except (OSError, ModelError):  # the folder is missing or may not be read: loading it says so
        return None
    with _changing:
        found = _loaded.get(key)
    return found.loaded_engine(own_key) if found else None


def converts_first(folder: Path, device: str = "auto", precision: str = "auto") -> bool:
    """Whether `load_engine` first converts the network of a checkpoint for OpenVINO: that takes seconds to minutes.

    Raises:
        ModelError: see `load_engine`.
    """
    with reading_model(folder):
        check_checkpoint(folder)
        require_libraries()
        from .device import choose_device

        chosen = choose_device(device, precision)
        if not chosen.uses_openvino:
            return False
        from .recognizer.ctc_checkpoint import CtcCheckpoint
        from .recognizer.openvino.export import is_written

        return not is_written(CtcCheckpoint.read(folder), int8=chosen.precision == "int8")


def _keys(folder: Path, device: str, precision: str, language: str | None) -> tuple[str, str]:
    """What identifies the present files of a checkpoint in a language, and those of its network on the device."""
    from .device import choose_device

    files = fingerprint(folder)  # once: a file that changes in between must not give two keys
    own_key = files if language is None else fingerprint(folder, language)
    chosen = choose_device(device, precision)
    instead = " or torch" if chosen.uses_openvino and device != OPENVINO else ""
    return own_key, f"{files} on {chosen}{instead}"


@dataclass
class _LoadedModel:
    """The engines of a checkpoint: one for each of its languages that was asked for, over one network.

    Attributes:
        model: the network, in any of the languages.
        engines: by the fingerprint of the checkpoint in its language; those used last.
        lock: is held while another language is loaded.
    """

    model: ClipScorer
    engines: LRUCache[str, Engine]
    lock: threading.Lock = field(default_factory=threading.Lock)

    def engine(self, folder: Path, language: str | None, own_key: str) -> Engine:
        """The engine of a language; for `own_key` see `engines`.

        Raises:
            ModelError: its adapter cannot be loaded.
        """
        from .compute import ComputeThreads

        with self.lock:
            if own_key not in self.engines and language is not None:
                with ComputeThreads() as threads:
                    model = threads.submit(threads.n_threads, self.model.in_language, folder, language).result()
                self.engines[own_key] = _engine_of(model)
            return self.engines[own_key]

    def loaded_engine(self, own_key: str) -> Engine | None:
        """The engine of a language that was asked for before."""
        with self.lock:
            return self.engines.get(own_key)


_loaded: LRUCache[str, _LoadedModel] = LRUCache(MAX_MODELS)
_left_behind: list[_LoadedModel] = []
"""Models of OpenVINO in a forked process, where they cannot compute, nor be destroyed: their threads are missing."""


def _leave_openvino_behind() -> None:
    keys = [key for key, loaded in _loaded.items() if loaded.model.device.uses_openvino]
    _left_behind.extend(_loaded.pop(key) for key in keys)


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_leave_openvino_behind)
_changing = threading.Condition()


@cached(
    _loaded,
    key=lambda _folder, _device, _precision, _language, _own_key, key: key,
    condition=_changing,  # a second thread that needs the same model waits for the first
)
def _load(folder: Path, device: str, precision: str, language: str | None, own_key: str, key: str) -> _LoadedModel:
    """Load a model; see `_keys`."""
    from .compute import ComputeThreads

    with ComputeThreads() as threads:
        load = functools.partial(_scorer, folder, device, precision, language)
        model, refusal = threads.submit(threads.n_threads, load).result()
    trim()  # the weights as they were read: the network keeps packed ones
    engines: LRUCache[str, Engine] = LRUCache(MAX_LANGUAGES)
    engines[own_key] = _engine_of(model, _notice(model.device, refusal))
    return _LoadedModel(model, engines)


def _notice(device: Device, refusal: OpenVinoError | None) -> str | None:
    """What the user may not expect of a model that runs on this device, to follow its name."""
    if refusal is not None:
        return f"is run by torch, not OpenVINO: {refusal}"
    if device.torch_device.type != "cpu" or device.arithmetic != "int8" or not processor.lacks_int8_products():
        return None
    instead = (
        "write device='openvino'"
        if processor.has_openvino()
        else "install OpenVINO (pip install 'thano_duckdb[openvino]')"
    )
    return f"takes longer in int8 than in float32 on this processor: omit precision='int8', or {instead}"


def _scorer(folder: Path, device: str, precision: str, language: str | None) -> tuple[ClipScorer, OpenVinoError | None]:
    """The network, run by OpenVINO or torch, and why it is not OpenVINO where that was tried."""
    from .device import choose_device
    from .recognizer.acoustic_model import AcousticModel

    chosen = choose_device(device, precision)
    if chosen.uses_openvino:
        from .recognizer.openvino.model import OpenVinoModel

        try:
            return OpenVinoModel.load(folder, chosen), None
        except OpenVinoError as error:
            if device == OPENVINO:
                raise OpenVinoError(f"{error} ({folder}): write device='cpu', and torch runs it") from error
            return AcousticModel.load(folder, device="cpu", precision=precision, language=language), error
    return AcousticModel.load(folder, device=device, precision=precision, language=language), None


def _engine_of(model: ClipScorer, notice: str | None = None) -> Engine:
    from .engine import Engine
    from .recognizer.ctc_recognizer import CtcRecognizer

    return Engine(CtcRecognizer(model, notice=notice))
