"""A copy of a language model's file that nobody else writes to.

KenLM maps a file into memory, a binary for as long as it is used. If another program truncates a mapped file, or writes
over it (`cp new old`), the operating system ends the process that reads it.
"""

from __future__ import annotations

import contextlib
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

from thano_duckdb.errors import ModelError

from .language_model import LanguageModel
from .temporary_folder import TemporaryFolder


@contextlib.contextmanager
def private_file(model: LanguageModel) -> Iterator[tuple[Path, TemporaryFolder | None]]:
    """The file of a model for a library that maps it: a copy, unless it is one that nobody writes to.

    Yields:
        The file, and the folder that must live as long as the mapping; None where there is none, or where it is
        removed at the end of the block: outside Windows a mapped file may go.

    Raises:
        ModelError: the file changed since the model was opened, it cannot be read, or there is no space for a copy.
    """
    if model.is_kept:
        yield model.path, None
        return
    with contextlib.ExitStack() as stack:
        folder = TemporaryFolder("language-model")
        if os.name == "posix":
            stack.callback(folder.close)
        path = folder.path / f"language_model{model.path.suffix}"
        _copy(model, path)
        yield path, None if os.name == "posix" else folder


def _copy(model: LanguageModel, path: Path) -> None:
    try:
        source = model.path.open("rb")
    except OSError as error:
        raise ModelError(f"the language model {model.path} cannot be read: {error.strerror or error}") from error
    with source:
        try:
            with path.open("wb") as target:
                shutil.copyfileobj(source, target, 2**20)
        except OSError as error:
            raise ModelError(
                f"the language model {model.path} cannot be copied to {path.parent}, from where it is loaded: "
                f"{error.strerror or error}; set TMPDIR to a folder on a disk with space, or UPLOAD LANGUAGE MODEL and "
                f"give its name"
            ) from error
    if not model.is_equal_to(path):
        raise ModelError(f"the language model {model.path} was changed while it was loaded; run the statement again")
