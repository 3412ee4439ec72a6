"""Reads the subword vocabulary of a `tokenizer.json`, in which a mark at the start of a label begins a new word."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from thano_duckdb.errors import ModelError, brief
from thano_duckdb.models.checkpoint import read_json
from thano_duckdb.speech.decoding.vocabulary import Vocabulary

WORD_MARK = "\u2581"
"""`▁`, as in SentencePiece."""
_DECODERS = frozenset({"Metaspace", "Replace", "Fuse", "Strip", "ByteFallback"})
"""Parts of decoders that join labels, and put spaces in place of marks. Without labels for bytes, ByteFallback does
nothing."""


def read_subword_vocabulary(
    folder: Path, blank_token: str | None, special: set[str | None], n_labels: int
) -> Vocabulary:
    """The vocabulary of a tokenizer that was made from SentencePiece.

    Args:
        folder: the checkpoint.
        blank_token: the pad token.
        special: tokens that are never written.
        n_labels: the number of outputs of the model.

    Raises:
        ModelError: the file is missing or damaged, or is of another kind.
    """
    ids = read_subword_ids(folder)
    blank_id = ids.get(blank_token or "")
    if blank_id is None or not 0 <= blank_id < n_labels:
        raise ModelError(
            f"the vocabulary of {folder} has no {brief(repr(blank_token))} among the {n_labels} outputs of the model, "
            "which CTC needs as its blank"
        )
    tokens: list[str | None] = [None] * n_labels
    delimiters: set[int] = set()
    starts_word: set[int] = set()
    for token, index in ids.items():
        if not 0 <= index < n_labels or token in special or index == blank_id:
            continue
        if token.startswith("<0x") and token.endswith(">"):
            raise ModelError(
                f"{folder} has labels for single bytes (such as {brief(repr(token))}), which are not supported"
            )
        text = token.replace(WORD_MARK, " ").strip(" ")
        tokens[index] = text
        if token.startswith(WORD_MARK):
            (starts_word if text else delimiters).add(index)
    return Vocabulary(tuple(tokens), frozenset(delimiters), " ", blank_id, frozenset(starts_word))


def read_subword_ids(folder: Path) -> dict[str, int]:
    """The label of each token in the `tokenizer.json` of a checkpoint.

    Raises:
        ModelError: the file is missing or damaged, or is of another kind.
    """
    path = folder / "tokenizer.json"
    if not path.is_file():
        raise ModelError(f"{folder} has no tokenizer.json, which holds the subwords that the model writes")
    content = read_json(path)
    model = content.get("model") if isinstance(content, dict) else None
    added = content.get("added_tokens") or [] if isinstance(content, dict) else None
    if not isinstance(model, dict) or not isinstance(added, list):
        raise ModelError(f"{path} is damaged: it does not describe a tokenizer")
    if unknown := _decoders(content.get("decoder")) - _DECODERS:
        raise ModelError(f"{folder} has a tokenizer of a kind ({', '.join(sorted(unknown))}) that is not supported")
    return _ids(model.get("vocab")) | _ids(
        {each.get("content"): each.get("id") for each in added if isinstance(each, dict)}
    )


def _decoders(decoder: Any) -> set[str]:
    """The types of the parts of a decoder."""
    if not isinstance(decoder, dict):
        return {"no decoder"}
    if decoder.get("type") == "Sequence":
        return {name for part in decoder.get("decoders") or [] for name in _decoders(part)}
    return {str(decoder.get("type"))}


def _ids(vocab: Any) -> dict[str, int]:
    """The label of each token, from the object of a BPE model or the list of a unigram model."""
    if isinstance(vocab, dict):
        pairs = list(vocab.items())
    elif isinstance(vocab, list):
        pairs = [(entry[0], index) for index, entry in enumerate(vocab) if isinstance(entry, list) and entry]
    else:
        pairs = []
    return {
        token: index
        for token, index in pairs
        if isinstance(token, str) and isinstance(index, int) and not isinstance(index, bool)
    }
