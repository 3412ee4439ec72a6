"""Imports torch and transformers, with a readable error if the installed versions are incompatible."""

from __future__ import annotations

import contextlib
import importlib
import importlib.util
import os
import sys
from collections.abc import Iterator
from importlib import metadata
from logging import CRITICAL
from typing import Any

from thano_duckdb.errors import ModelError

PACKAGES = ("torch", "torchaudio", "transformers")
REMEDY = "These versions work together: pip install 'torch>=2.11,<2.15' 'transformers>=5.17,<6'"
REMEDY_FOR_TORCHAUDIO = "Nothing here needs torchaudio: pip uninstall torchaudio"

SLEEPING_THREADS = {"OMP_WAIT_POLICY": "PASSIVE"}
"""OpenMP's setting for threads that sleep while they wait for each other."""
_SPIN_SETTINGS = ("OMP_WAIT_POLICY", "GOMP_SPINCOUNT", "KMP_BLOCKTIME")

_MAX_CHARS = 300


def require_libraries() -> None:
    """Import torch and transformers, and torchaudio if it is installed.

    We do not use torchaudio. But transformers imports it where it finds it, and that fails if torch was built for
    another version of CUDA (torch 2.15 from PyPI, or a CPU build of torch beside torchaudio from PyPI).

    Raises:
        ModelError: one of them cannot be imported.
    """
    for name in PACKAGES:
        if name == "torchaudio" and importlib.util.find_spec(name) is None:
            continue
        try:
            with sleeping_threads():
                importlib.import_module(name)
        except (ImportError, OSError, RuntimeError) as error:
            versions = ", ".join(f"{package} {_version(package)}" for package in PACKAGES)
            raise ModelError(
                f"the speech libraries cannot be imported: importing {name} fails with {first_line(error)!r} "
                f"({versions}). {REMEDY_FOR_TORCHAUDIO if name == 'torchaudio' else REMEDY}"
            ) from error


@contextlib.contextmanager
def sleeping_threads() -> Iterator[None]:
    """Where torch is imported within this context, its threads sleep while they wait for each other.

    Otherwise they spin, for milliseconds after each operation. On a machine that does other things too, a thread then
    uses up its time while the one that it waits for does not run: two threads computed at a tenth of the speed of one.
    OpenMP reads the setting once, when it is loaded; one that the user made holds.
    """
    if "torch" in sys.modules or any(name in os.environ for name in _SPIN_SETTINGS):
        yield
        return
    os.environ.update(SLEEPING_THREADS)
    try:
        yield
    finally:
        for name in SLEEPING_THREADS:  # not for the processes that this one starts
            os.environ.pop(name, None)


def module_paths() -> list[str]:
    """Where Python looks for modules, for a process that is to find the same; without deleted working folders."""
    paths = []
    for path in sys.path:
        with contextlib.suppress(OSError):
            paths.append(os.path.abspath(path))
    return paths


def first_line(error: BaseException) -> str:
    """The first line of an error of a library; pages of details may follow it."""
    return (str(error).splitlines() or [type(error).__name__])[0]


def one_sentence(error: BaseException) -> str:
    """What an error of a library says, on one line and not too long, with its type where it says next to nothing."""
    text = " ".join(str(error).split()).rstrip(".")
    if len(text) > _MAX_CHARS:
        text = f"{text[: _MAX_CHARS - 3]}..."
    return text if " " in text else f"{type(error).__name__} {text}".rstrip()


def _version(package: str) -> str:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return "not installed"


@contextlib.contextmanager
def quiet_transformers() -> Iterator[None]:
    """Silence the progress bars and log messages of transformers: we check ourselves what matters in them."""
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
