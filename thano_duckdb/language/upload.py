"""Takes a language model that was made elsewhere."""

from __future__ import annotations

import shutil
from pathlib import Path

from thano_duckdb.errors import ModelError

from .build_language_model import FILE_NAME
from .language_model import ATTRIBUTES_FILE, LanguageModel
from .model_file import WORDS_FILE
from .ngram_scorer import NgramScorer


def check_language_model(model: LanguageModel) -> None:
    """Read all of an ARPA file that was not read before; of a KenLM binary only the header can be checked.

    Raises:
        ModelError: it is damaged.
    """
    if not (model.is_binary or model.is_checked):
        NgramScorer.read(model.path)


def copy_language_model(model: LanguageModel, folder: Path) -> Path:
    """Copy a language model into a folder, with the words and the weights that lie beside it.

    Returns:
        The file.

    Raises:
        ModelError: the file changed since the model was opened.
        OSError: it cannot be copied.
    """
    if model.is_binary:
        name = "language_model.bin"
    else:
        name = FILE_NAME if model.path.suffix == ".gz" else FILE_NAME.removesuffix(".gz")
    shutil.copyfile(model.path, folder / name)
    if not model.is_equal_to(folder / name):
        raise ModelError(f"the language model {model.path} was changed while it was copied; run the statement again")
    for beside in (WORDS_FILE, ATTRIBUTES_FILE):
        if (path := model.path.with_name(beside)).is_file():
            shutil.copyfile(path, folder / beside)
    return folder / name
