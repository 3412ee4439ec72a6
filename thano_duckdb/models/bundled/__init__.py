"""The data inside the package: the small English model, the English language model, and the clips of the tutorial."""

from __future__ import annotations

from pathlib import Path

from thano_duckdb.errors import ModelError
from thano_duckdb.models.checkpoint import check_checkpoint
from thano_duckdb.models.tiny import NAME as MODEL

__all__ = ["LANGUAGE_MODEL_FOLDER", "MODEL", "MODEL_FOLDER", "dataset_folder", "has_model", "model_folder"]

_FOLDER = Path(__file__).parent
MODEL_FOLDER = _FOLDER / MODEL
LANGUAGE_MODEL_FOLDER = _FOLDER / "english_language_model"


def model_folder() -> Path:
    """The folder of the small model, in Hugging Face format.

    Raises:
        ModelError: this copy of the package does not contain it.
    """
    if not has_model():
        raise ModelError(
            f"the weights of '{MODEL}' are missing from this copy of the package ({MODEL_FOLDER}): install it again, "
            f"or BUILD one of its architecture from '{MODEL}' with from_scratch=True"
        )
    check_checkpoint(MODEL_FOLDER)
    return MODEL_FOLDER


def has_model() -> bool:
    """Whether this copy of the package contains the weights of the small model."""
    return (MODEL_FOLDER / "model.safetensors").is_file()


def dataset_folder(name: str) -> Path:
    """The folder of a data set's files."""
    return _FOLDER / name
