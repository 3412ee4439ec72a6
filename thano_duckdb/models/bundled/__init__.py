"""What ships inside the package beside its code: the small English model, and the clips of the tutorial."""

from __future__ import annotations

from pathlib import Path

from thano_duckdb.errors import ModelError
from thano_duckdb.models.checkpoint import check_checkpoint
from thano_duckdb.models.tiny import NAME as MODEL

__all__ = ["MODEL", "MODEL_FOLDER", "dataset_folder", "has_model", "model_folder"]

_FOLDER = Path(__file__).parent
MODEL_FOLDER = _FOLDER / MODEL


def model_folder() -> Path:
    """The folder of the small model, in Hugging Face format.

    Raises:
        ModelError: this copy of the package came without it.
    """
    if not has_model():
        raise ModelError(
            f"the weights of '{MODEL}' are not in this copy of the package ({MODEL_FOLDER}): install it again, or "
            f"BUILD from the shape of '{MODEL}' with from_scratch=True"
        )
    check_checkpoint(MODEL_FOLDER)
    return MODEL_FOLDER


def has_model() -> bool:
    """Whether the small model is there."""
    return (MODEL_FOLDER / "model.safetensors").is_file()


def dataset_folder(name: str) -> Path:
    """The folder of a data set's files."""
    return _FOLDER / name
