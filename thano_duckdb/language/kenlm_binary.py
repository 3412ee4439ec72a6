"""Reads what a KenLM binary says of itself: only its header, and the words at its end.

The layout: `lm/binary_format.hh` and `lm/binary_format.cc` of KenLM, https://github.com/kpu/kenlm. The order of its
bytes is that of the machine that wrote it, which KenLM checks.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from pathlib import Path

from thano_duckdb.errors import ModelError

from .arpa import MAX_ORDER

_FORMAT = b"mmap lm http://kheafield.com/code format version "
_MAGIC = _FORMAT + b"5\n\0"
# After the magic, which is padded to a multiple of 8: three floats, three words of 32 bits and one of 64.
_SANITY_BYTES = -(-(len(_MAGIC) + 1) // 8) * 8 + 32
_PARAMETERS = struct.Struct("<B3xfI?3xI")  # order, probing_multiplier, model_type, has_vocabulary, search_version
_N_NGRAMS = struct.Struct("<Q")
_MAX_WORD_LIST_BYTES = 2**30


@dataclass(frozen=True)
class BinarySummary:
    """What the header of a KenLM binary says.

    Attributes:
        order: the longest n-gram.
        n_words: of the vocabulary, with <s>, </s> and <unk>.
        has_words: whether the words stand at the end of the file.
    """

    order: int
    n_words: int
    has_words: bool


def is_kenlm_binary(path: Path) -> bool:
    """Whether a file begins as a KenLM binary does.

    Raises:
        OSError: it cannot be read.
    """
    with path.open("rb") as file:
        return file.read(len(_FORMAT)) == _FORMAT


def summarize_binary(path: Path) -> BinarySummary:
    """Read the header.

    Raises:
        ModelError: it is of another version of KenLM, or damaged.
        OSError: it cannot be read.
    """
    with path.open("rb") as file:
        magic = file.read(_SANITY_BYTES)
        header = file.read(_PARAMETERS.size + _N_NGRAMS.size)
    if not magic.startswith(_MAGIC):
        raise ModelError(
            f"{path} was written by another version of KenLM than 5; make the binary again from its ARPA file"
        )
    if len(header) < _PARAMETERS.size + _N_NGRAMS.size:
        raise ModelError(f"the language model {path} is damaged: it ends within its header; copy it again")
    order, _multiplier, _type, has_words, _version = _PARAMETERS.unpack_from(header)
    (n_words,) = _N_NGRAMS.unpack_from(header, _PARAMETERS.size)
    if not 2 <= order <= MAX_ORDER:
        raise ModelError(f"{path} is a model of order {order}; those from 2 to {MAX_ORDER} are supported")
    return BinarySummary(order, n_words, has_words)


def words_of_binary(path: Path) -> tuple[str, ...] | None:
    """The words at the end of the file, or None where it has none.

    Raises:
        ModelError, OSError: see `summarize_binary`.
    """
    summary = summarize_binary(path)
    if not summary.has_words:
        return None
    with path.open("rb") as file:
        n_bytes = file.seek(0, 2)
        file.seek(max(0, n_bytes - min(_MAX_WORD_LIST_BYTES, summary.n_words * 64)))
        tail = file.read()
    at = tail.rfind(b"<unk>\0")
    words = tail[at:].split(b"\0")[:-1]
    if at < 0 or len(words) != summary.n_words:
        return None
    return tuple(word.decode(errors="replace") for word in words)
