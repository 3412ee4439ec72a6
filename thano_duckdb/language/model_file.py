"""What the file of a language model is, of whichever kind; read once as long as it does not change."""

from __future__ import annotations

import functools
import hashlib
import os
from dataclasses import dataclass
from pathlib import Path

from thano_duckdb.errors import ModelError

from .arpa import MARKERS, summarize
from .kenlm_binary import is_kenlm_binary, summarize_binary, words_of_binary

WORDS_FILE = "unigrams.txt"
"""The words, one a line, which `Wav2Vec2ProcessorWithLM` writes beside the n-grams."""

MAX_WORDS_FILE_BYTES = 64 * 2**20


@dataclass(frozen=True)
class ModelFile:
    """What one reading of a file gives.

    Attributes:
        order: the longest n-gram.
        words: all that it knows, without <s>, </s> and <unk>; None for a KenLM binary that was made without them.
        n_words: how many they are.
        is_binary: whether it is a KenLM binary; else an ARPA file.
        is_upper_case: whether the words are written in capitals.
        fingerprint: of its content, and of the list of words beside it where that is read.
    """

    order: int
    words: tuple[str, ...] | None
    n_words: int
    is_binary: bool
    is_upper_case: bool
    fingerprint: str


def read_model_file(path: Path) -> ModelFile:
    """Look at a file, and check that it is complete; its numbers are not looked at.

    Raises:
        ModelError: there is no such file, it is no language model, or it is damaged.
    """
    try:
        status = path.stat()
        if not path.is_file():
            raise ModelError(f"{path} is not a file, so it is no language model")
        listed = path.with_name(WORDS_FILE)
        return _read(path, _state(status), _state(listed.stat()) if listed.is_file() else None)
    except (FileNotFoundError, ValueError):  # a path with a NUL is none
        raise ModelError(f"there is no language model {path}") from None
    except OSError as error:
        raise ModelError(f"the language model {path} cannot be read: {error.strerror or error}") from error


def _state(status: os.stat_result) -> tuple[int, ...]:
    """What differs after any change: a program can set the time of modification (mtime), but not that of change."""
    return status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns


@functools.lru_cache(maxsize=8)
def _read(path: Path, _model: tuple[int, ...], _words: tuple[int, ...] | None) -> ModelFile:
    fingerprint = content_fingerprint(path)
    is_binary = is_kenlm_binary(path)
    words: tuple[str, ...] | None
    if is_binary:
        binary = summarize_binary(path)
        order, words, n_words = binary.order, words_of_binary(path), binary.n_words - len(("<s>", "</s>", "<unk>"))
    else:
        arpa = summarize(path)
        order, words, n_words = arpa.order, arpa.words, len(arpa.words)
    listed = path.with_name(WORDS_FILE)
    if words is None and listed.is_file():
        words = _listed_words(listed)
        fingerprint += content_fingerprint(listed)
    if words is not None:
        words = tuple(word for word in words if word not in MARKERS)
    return ModelFile(order, words, n_words, is_binary, _is_upper_case(words), fingerprint)


def content_fingerprint(path: Path) -> str:
    """A hash of what a file holds.

    Raises:
        OSError: it cannot be read.
    """
    with path.open("rb") as file:
        return hashlib.file_digest(file, functools.partial(hashlib.blake2b, digest_size=16)).hexdigest()


def _listed_words(path: Path) -> tuple[str, ...]:
    with path.open("rb") as file:
        content = file.read(MAX_WORDS_FILE_BYTES + 1)
    if len(content) > MAX_WORDS_FILE_BYTES:
        raise ModelError(f"{path} is too large: a list of words has at most {MAX_WORDS_FILE_BYTES >> 20} MiB")
    try:
        return tuple(content.decode().split())
    except UnicodeDecodeError as error:
        raise ModelError(f"{path} is not a list of words in UTF-8: {error.reason} at byte {error.start:,}") from None


def _is_upper_case(words: tuple[str, ...] | None) -> bool:
    """Whether most of the first words have capitals and no small letters."""
    some = (words or ())[:1000]
    return 2 * sum(word.isupper() for word in some) > len(some)
