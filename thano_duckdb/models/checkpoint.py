"""Check that a folder is a usable CTC checkpoint in Hugging Face format, without torch or transformers."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from thano_duckdb.errors import ModelError

# All that a character CTC model needs, and the files that name its authors and licence. Never a pickle (*.bin, *.pt).
_NEEDED_FILES = ("*.json", "*.safetensors", "*.txt", "README*", "LICENSE*", "NOTICE*")

_PICKLES = ("*.bin", "*.pt", "*.pth", "*.ckpt")
_VOCABULARIES = ("vocab.json", "tokenizer.json")


def check_checkpoint(folder: Path) -> None:
    """Check that `folder` holds a configuration, complete weights as safetensors, and a vocabulary.

    Raises:
        ModelError: what is missing or broken, and how to mend it.
    """
    if not folder.is_dir():
        what = "is a file, not a folder" if folder.exists() else "does not exist"
        raise ModelError(f"the model folder {folder} {what}")
    if unreadable := [path.name for path in needed_files(folder) if not _is_readable(path)]:
        raise ModelError(f"there is no permission to read {', '.join(unreadable)} in {folder}")
    config = folder / "config.json"
    if not config.is_file():
        raise ModelError(
            f"{folder} is not a model: it has no config.json (a folder in Hugging Face format is expected)"
        )
    if not isinstance(read_json(config), dict):
        raise ModelError(f"{config} is not the configuration of a model: it holds no JSON object")
    check_weights(folder)
    if not any((folder / name).is_file() for name in _VOCABULARIES):
        raise ModelError(f"{folder} has no vocabulary: it holds neither {' nor '.join(_VOCABULARIES)}")


def check_weights(folder: Path) -> None:
    """Check that the weights of `folder` are safetensors, and complete.

    Raises:
        ModelError: there are none or only pickles, a shard is missing, or a file was cut short.
    """
    weights = sorted(folder.glob("*.safetensors"))
    if not weights:
        pickles = [path.name for pattern in _PICKLES for path in sorted(folder.glob(pattern))]
        if pickles:
            raise ModelError(
                f"{folder} holds its weights only as a pickle ({', '.join(pickles)}), which is never loaded; convert "
                f"it: transformers.AutoModelForCTC.from_pretrained(folder).save_pretrained(new_folder)"
            )
        raise ModelError(f"{folder} holds no weights: it has no *.safetensors file")
    from safetensors import SafetensorError, safe_open

    for path in weights:
        try:
            with safe_open(path, framework="numpy"):
                pass
        except (SafetensorError, OSError) as error:
            raise ModelError(f"{path} is damaged or was cut short ({error}); copy it again") from error
    for index in folder.glob("*.safetensors.index.json"):
        shards = read_json(index).get("weight_map", {}).values()
        if missing := sorted({shard for shard in shards if not (folder / shard).is_file()}):
            raise ModelError(f"{folder} lacks a part of its weights: {', '.join(missing)}")


def needed_files(folder: Path) -> Iterator[Path]:
    """The files of `folder` that a copy of the model needs; nothing in folders inside it."""
    yield from sorted({path for pattern in _NEEDED_FILES for path in folder.glob(pattern) if path.is_file()})


def _is_readable(path: Path) -> bool:
    return os.access(path, os.R_OK, effective_ids=os.access in os.supports_effective_ids)


def read_json(path: Path) -> Any:
    """The value that a JSON file holds.

    Raises:
        ModelError: it cannot be read, or is not JSON.
    """
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ModelError(f"{path} cannot be read as JSON: {error}") from error
