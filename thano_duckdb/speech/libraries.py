"""torch and transformers, imported together once, with a readable error where the installed versions do not fit."""

from __future__ import annotations

import contextlib
import importlib
from collections.abc import Iterator
from importlib import metadata
from logging import CRITICAL
from typing import Any

from thano_duckdb.errors import ModelError

PACKAGES = ("torch", "torchaudio", "transformers")
REMEDY = "pip install 'torch>=2.11,<2.15' 'torchaudio==2.11.*' 'transformers>=5.17,<6'"


def require_libraries() -> None:
    """Import torch, torchaudio and transformers.

    transformers imports torchaudio wherever it is installed, and torchaudio fails to import beside a torch that was
    built for another CUDA (torch 2.15 from PyPI, or a CPU build of torch beside torchaudio from PyPI).

    Raises:
        ModelError: one of them cannot be imported.
    """
    for name in PACKAGES:
        try:
            importlib.import_module(name)
        except (ImportError, OSError, RuntimeError) as error:
            versions = ", ".join(
                f"{package} {_version(package)}" for package in ("torch", "torchaudio", "transformers")
            )
            raise ModelError(
                f"the speech libraries cannot be imported: {name} says {first_line(error)!r} ({versions}). "
                f"Versions that work together: {REMEDY}"
            ) from error


def first_line(error: BaseException) -> str:
    """What a library's error says, without the pages that may follow."""
    return (str(error).splitlines() or [type(error).__name__])[0]


def _version(package: str) -> str:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return "not installed"


@contextlib.contextmanager
def quiet_transformers() -> Iterator[None]:
    """No progress bars and no log lines from transformers: what matters in them we check ourselves."""
    logging: Any = importlib.import_module("transformers.utils.logging")
    verbosity, bars = logging.get_verbosity(), logging.is_progress_bar_enabled()
    logging.set_verbosity(CRITICAL)
    logging.disable_progress_bar()
    try:
        yield
    finally:
        logging.set_verbosity(verbosity)
        if bars:
            logging.enable_progress_bar()
