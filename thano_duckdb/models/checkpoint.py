"""Check that a folder is a complete checkpoint in Hugging Face format, without torch or transformers.

Only loading it tells whether it is a CTC model that the engine can run: see `speech.recognizer.ctc_checkpoint`.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import shutil
from collections.abc import Iterator
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

from thano_duckdb.errors import ModelError

from .built_in_models import LANGUAGE_MODEL

# All that a character CTC model needs, and the files that name its authors and licence. Never a pickle (*.bin, *.pt).
_NEEDED_FILES = ("*.json", "*.safetensors", "*.txt", "README*", "LICENSE*", "NOTICE*")
ADAPTER_FILES = "adapter.*.safetensors"
"""Where checkpoints of many languages keep the weights that differ between them: see `adapters`."""
LANGUAGE_MODEL_FOLDER = "language_model"
"""Where `Wav2Vec2ProcessorWithLM` keeps the language model of an acoustic model."""
_LABELS_OF_LANGUAGE_MODEL = "alphabet.json"
LANGUAGE_MODEL_KEY = "thano_language_model"
"""In config.json: the language model of this package that is used unless a statement says otherwise. Models that are
built from the checkpoint inherit it."""
LANGUAGE_MODEL_FILES = ("*.arpa", "*.arpa.gz", "*.bin", "*.binary", "*.klm")

MAX_JSON_BYTES = 32 * 2**20
"""Of one file; the largest vocabularies have a few MiB."""
MAX_JSON_DEPTH = 100
"""Lists within lists: no such file has more than ten, and Python copies or shows no more than some hundreds."""
_SURROGATE = re.compile(r"\\u[dD][89a-fA-F]")
_PICKLES = ("*.bin", "*.pt", "*.pth", "*.ckpt")
_VOCABULARIES = ("vocab.json", "tokenizer.json")
_LFS_POINTER = b"version https://git-lfs.github.com/spec/"
_HEADS = ("lm_head.", "ctc_head.")
"""How the names of the weights of the outputs begin."""


def check_checkpoint(folder: Path) -> None:
    """Check that `folder` holds a configuration, complete weights as safetensors, and a vocabulary.

    Raises:
        ModelError: what is missing or broken, and how to mend it.
    """
    _check_network(folder)
    if not has_vocabulary(folder):
        problem = f"{folder} has no vocabulary: it holds neither {' nor '.join(_VOCABULARIES)}"
        if has_head(folder):
            raise ModelError(problem)
        raise ModelError(
            f"{problem}. It is a pretrained encoder, which cannot write text yet: BUILD MODEL name USING it makes a "
            "model of it, from recordings with their texts"
        )


def check_base(folder: Path) -> None:
    """Check that BUILD can start from `folder`: a checkpoint, or a pretrained encoder, which has no vocabulary yet.

    Raises:
        ModelError: what is missing or broken, and how to mend it.
    """
    _check_network(folder)
    if has_head(folder):
        check_checkpoint(folder)


def has_vocabulary(folder: Path) -> bool:
    """Whether a folder says which text each output of its network stands for."""
    return any((folder / name).is_file() for name in _VOCABULARIES)


def has_head(folder: Path) -> bool:
    """Whether a network was trained to write text: among its weights are those of a CTC head, or a part of them.

    Where there are no safetensors, `architectures` in `config.json` says so.
    """
    from safetensors import safe_open

    if not (weights := weight_files(folder)):
        return describes_head(read_json(folder / "config.json"))
    for path in weights:
        with safe_open(path, framework="numpy") as file:
            if any(name.startswith(_HEADS) for name in file.keys()):  # noqa: SIM118 - it is no dict
                return True
    return False


def describes_head(config: object) -> bool:
    """Whether `architectures` of a `config.json` names a network with a CTC head, or nothing."""
    architectures = config.get("architectures") if isinstance(config, dict) else None
    return not isinstance(architectures, list) or any(str(each).endswith("ForCTC") for each in architectures)


def _check_network(folder: Path) -> None:
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


def check_weights(folder: Path) -> None:
    """Check that the weights of `folder` are safetensors, and complete.

    Raises:
        ModelError: there are none or only pickles, a shard is missing, or a file was cut short.
    """
    weights = weight_files(folder)
    if not weights:
        if pickles := [path.name for path in pickled_weights(folder)]:
            # AutoModelForCTC would give an encoder random outputs.
            network = "AutoModelForCTC" if has_head(folder) else "AutoModel"
            raise ModelError(
                f"{folder} holds its weights only as a pickle ({', '.join(pickles)}), which is never loaded; convert "
                f"it: transformers.{network}.from_pretrained(folder).save_pretrained(new_folder)"
            )
        raise ModelError(f"{folder} holds no weights: it has no *.safetensors file")
    from safetensors import SafetensorError, safe_open

    for path in weights:
        if not path.is_file():  # a folder, a dangling link, or a pipe, which would never end
            raise ModelError(f"{path} is not a file; copy the weights again")
        try:
            with safe_open(path, framework="numpy"):
                pass
        except (SafetensorError, OSError) as error:
            if _is_lfs_pointer(path):
                raise ModelError(
                    f"{path} holds no weights but a pointer of Git LFS: `git lfs pull` in the clone fetches them"
                ) from error
            raise ModelError(f"{path} is damaged or was cut short ({error}); copy it again") from error
    for index in folder.glob("*.safetensors.index.json"):
        if missing := sorted(shard for shard in _shards(index) if not (folder / shard).is_file()):
            named = ", ".join(shard if len(shard) <= 60 else f"{shard[:57]}..." for shard in missing[:3])
            more = f" and {len(missing) - 3} more" if len(missing) > 3 else ""
            raise ModelError(f"{folder} lacks a part of its weights: {named}{more}")


def _is_lfs_pointer(path: Path) -> bool:
    """Whether a file is what a clone without Git LFS has in place of a large one."""
    with contextlib.suppress(OSError), path.open("rb") as file:
        return file.read(len(_LFS_POINTER)) == _LFS_POINTER
    return False


@contextlib.contextmanager
def reading_model(folder: Path) -> Iterator[None]:
    """Turn what goes wrong because a model is deleted or replaced while it is read into one sentence.

    Raises:
        ModelError: within the block the folder disappeared, or a file in it could not be read.
    """
    try:
        yield
    except (ModelError, OSError) as error:
        if not folder.is_dir():
            raise ModelError(f"the model in {folder} was deleted while it was being loaded") from error
        if isinstance(error, ModelError):
            raise
        raise ModelError(f"a file of the model in {folder} cannot be read: {error.strerror or error}") from error


def weight_files(folder: Path) -> list[Path]:
    """The safetensors files of a folder, sorted; not those of the adapters of languages."""
    return sorted(path for path in folder.glob("*.safetensors") if not fnmatch(path.name, ADAPTER_FILES))


def pickled_weights(folder: Path) -> list[Path]:
    """The files of a folder that may be pickled weights."""
    return [path for pattern in _PICKLES for path in sorted(folder.glob(pattern)) if path.is_file()]


def _shards(index: Path) -> set[str]:
    """The files that an index of shards names."""
    content = read_json(index)
    shards = content.get("weight_map", {}) if isinstance(content, dict) else None
    if not isinstance(shards, dict) or not all(map(_is_file_name, shards.values())):
        raise ModelError(f"{index} is damaged: its weight_map does not give a file for each weight")
    return set(shards.values())


def _is_file_name(value: object) -> bool:
    return isinstance(value, str) and 0 < len(value) < 256 and not set("/\\\0") & set(value)


def needed_files(folder: Path) -> Iterator[Path]:
    """The files of `folder` that a copy of the model needs; nothing in folders inside it."""
    for path in sorted(folder.glob("*")):
        if any(fnmatch(path.name, pattern) for pattern in _NEEDED_FILES) and path.is_file():
            yield path


def ngram_files(folder: Path) -> list[Path]:
    """The ARPA files and KenLM binaries in a folder."""
    return [path for pattern in LANGUAGE_MODEL_FILES for path in sorted(folder.glob(pattern)) if path.is_file()]


def ngram_file(folder: Path) -> Path | None:
    """The first ARPA file or KenLM binary in a folder, or None."""
    return next(iter(ngram_files(folder)), None)


def language_model_files(folder: Path) -> list[Path]:
    """The language model in the folder of an acoustic model: its n-grams, words and weights; empty if it has none."""
    inside = folder / LANGUAGE_MODEL_FOLDER
    ngrams = ngram_file(inside)
    if ngrams is None:
        return []
    return [ngrams, *(path for path in (inside / "unigrams.txt", inside / "attrs.json") if path.is_file())]


def uses_bundled_language_model(folder: Path) -> bool:
    """Whether the texts of a checkpoint are written with the language model of this package, unless asked otherwise."""
    config = read_json(folder / "config.json")
    return isinstance(config, dict) and config.get(LANGUAGE_MODEL_KEY) == LANGUAGE_MODEL


def copy_language_model(folder: Path, into: Path) -> None:
    """Copy the language model in the folder of an acoustic model, if it has one, into the folder of another.

    With it goes what `Wav2Vec2ProcessorWithLM` says of the labels.
    """
    if files := language_model_files(folder):
        if (folder / _LABELS_OF_LANGUAGE_MODEL).is_file():
            shutil.copyfile(folder / _LABELS_OF_LANGUAGE_MODEL, into / _LABELS_OF_LANGUAGE_MODEL)
        (into / LANGUAGE_MODEL_FOLDER).mkdir()
        for path in files:
            shutil.copyfile(path, into / LANGUAGE_MODEL_FOLDER / path.name)


def _is_readable(path: Path) -> bool:
    return os.access(path, os.R_OK, effective_ids=os.access in os.supports_effective_ids)


def read_json(path: Path, *, allow_nan: bool = False) -> Any:
    """The value that a JSON file holds.

    Args:
        path: the file.
        allow_nan: accept NaN and Infinity, which are not JSON.

    Raises:
        ModelError: it cannot be read, is not JSON, holds text that is not Unicode, or is far too large.
    """
    try:
        if not path.is_file():
            raise ModelError(f"{path} is not a file")
        if (n_bytes := path.stat().st_size) > MAX_JSON_BYTES:
            raise ModelError(
                f"{path} is too large ({n_bytes >> 20} MiB): such a file has at most {MAX_JSON_BYTES >> 20} MiB"
            )
        text = path.read_text(encoding="utf-8")
        value = json.loads(text) if allow_nan else json.loads(text, parse_constant=_refuse)
        if _is_deeper(value, MAX_JSON_DEPTH):
            raise RecursionError
        if _SURROGATE.search(text):
            json.dumps(value, ensure_ascii=False).encode()
    except UnicodeEncodeError:
        raise ModelError(f"{path} cannot be read as JSON: it holds half a character (a lone surrogate)") from None
    except RecursionError:
        raise ModelError(f"{path} cannot be read as JSON: it is nested too deeply") from None
    except (OSError, ValueError) as error:
        why = "it holds a number of thousands of digits" if "integer string conversion" in str(error) else error
        raise ModelError(f"{path} cannot be read as JSON: {why}") from error
    return value


def _is_deeper(value: Any, depth: int) -> bool:
    """Whether lists or objects lie within each other, more than `depth` of them."""
    level = [value]
    for _ in range(depth + 1):
        level = [
            inner
            for outer in level
            for inner in (outer.values() if isinstance(outer, dict) else outer if isinstance(outer, list) else ())
            if isinstance(inner, dict | list)
        ]
        if not level:
            return False
    return True


def _refuse(constant: str) -> None:
    raise ValueError(f"{constant} is not JSON")
