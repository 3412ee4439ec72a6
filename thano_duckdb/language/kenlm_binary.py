"""Reads what a KenLM binary says of itself: only its header, and the words at its end.

The layout: `lm/binary_format.hh` and `lm/binary_format.cc` of KenLM, https://github.com/kpu/kenlm. The order of its
bytes is that of the machine that wrote it, which KenLM checks.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from pathlib import Path

from thano_duckdb.errors import ModelError

from .arpa import MAX_ORDER, damaged

_FORMAT = b"mmap lm http://kheafield.com/code format version "
_MAGIC = _FORMAT + b"5\n\0"
# After the magic, which is padded to a multiple of 8: three floats, three words of 32 bits and one of 64.
_SANITY_BYTES = -(-(len(_MAGIC) + 1) // 8) * 8 + 32
_PARAMETERS = struct.Struct("<B3xfI?3xI")  # order, probing_multiplier, model_type, has_vocabulary, search_version
_N_NGRAMS = struct.Struct("<Q")
_MAX_WORD_LIST_BYTES = 2**30
_TYPES = range(6)  # probing, rest probing, trie, and the trie with numbers or pointers in fewer bits
_PROBING_TYPES = (0, 1)
# What a word takes at least: in a probing model its hash and number in the vocabulary, and its two numbers; in a trie
# its hash, its two numbers and its pointer.
_MIN_WORD_BYTES = 16
_MIN_PROBING_NGRAM_BYTES = 12
_MIN_TRIE_NGRAM_BITS = 2


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
        raise damaged(path, "it ends within its header")
    order, multiplier, model_type, has_words, _version = _PARAMETERS.unpack_from(header)
    if not 2 <= order <= MAX_ORDER:
        raise ModelError(f"{path} is a model of order {order}; those from 2 to {MAX_ORDER} are supported")
    with path.open("rb") as file:
        n_bytes = file.seek(0, 2)
        file.seek(_SANITY_BYTES + _PARAMETERS.size)
        counts = file.read(_N_NGRAMS.size * order)
        file.seek(-(-(_SANITY_BYTES + _PARAMETERS.size + _N_NGRAMS.size * order) // 8) * 8)
        vocabulary = file.read(_N_NGRAMS.size)
    if len(counts) < _N_NGRAMS.size * order or len(vocabulary) < _N_NGRAMS.size:
        raise damaged(path, "it ends within its header")
    n_ngrams = [n for (n,) in _N_NGRAMS.iter_unpack(counts)]
    if model_type not in _TYPES or not 1 < multiplier < 100:
        raise damaged(path, "its header is not one that KenLM writes")
    if n_bytes < _min_bytes(n_ngrams, model_type):
        raise damaged(path, f"it has {n_bytes:,} bytes, too few for the {sum(n_ngrams):,} n-grams of its header")
    # KenLM reads as many words as stand here, wherever that is: in a probing model after the version of the vocabulary.
    if model_type in _PROBING_TYPES:
        is_consistent = struct.unpack("<II", vocabulary)[1] <= n_ngrams[0]
    else:
        is_consistent = _N_NGRAMS.unpack(vocabulary)[0] < n_ngrams[0]
    if not is_consistent:
        raise damaged(path, "its vocabulary has another number of words than its header")
    return BinarySummary(order, n_ngrams[0], has_words)


def _min_bytes(n_ngrams: list[int], model_type: int) -> int:
    """A lower bound of the size of a file."""
    bits = 8 * _MIN_PROBING_NGRAM_BYTES if model_type in _PROBING_TYPES else _MIN_TRIE_NGRAM_BITS
    return n_ngrams[0] * _MIN_WORD_BYTES + sum(n_ngrams[1:]) * bits // 8


def words_of_binary(path: Path) -> tuple[str, ...] | None:
    """The words at the end of the file, or None where it has none.

    Raises:
        ModelError: the words are cut short, or see `summarize_binary`.
        OSError: see `summarize_binary`.
    """
    summary = summarize_binary(path)
    if not summary.has_words:
        return None
    with path.open("rb") as file:
        n_bytes = file.seek(0, 2)
        file.seek(max(0, n_bytes - min(_MAX_WORD_LIST_BYTES, summary.n_words * 64)))
        tail = file.read()
    at = tail.rfind(b"<unk>\0")
    if at < 0 or tail.count(b"\0", at) != summary.n_words or not tail.endswith(b"\0"):
        raise damaged(path, f"it ends before the last of its {summary.n_words:,} words")
    return tuple(word.decode(errors="replace") for word in tail[at:-1].split(b"\0"))
