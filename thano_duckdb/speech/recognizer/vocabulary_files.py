"""Reads the vocabulary of a checkpoint, as its tokenizer has it.

The files are `vocab.json`, `tokenizer_config.json`, `special_tokens_map.json` and `added_tokens.json`, and for subwords
`tokenizer.json`.
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

from thano_duckdb.errors import ModelError
from thano_duckdb.models.adapters import chosen_language, is_nested
from thano_duckdb.speech.decoding.vocabulary import Vocabulary

from .settings_files import read_flag, read_object, shown
from .subword_vocabulary import read_subword_ids, read_subword_vocabulary

CHARACTER_TOKENIZERS = frozenset({"Wav2Vec2CTCTokenizer", "Wav2Vec2Tokenizer"})
PHONEME_TOKENIZER = "Wav2Vec2PhonemeCTCTokenizer"
"""Each of its tokens is a phoneme, and is written between spaces."""
SUBWORD_TOKENIZERS = frozenset({"ParakeetTokenizer", "ParakeetTokenizerFast"})
SUBWORD_MARKS = ("▁", "Ġ", "##")
"""Prefixes of the tokens of subword tokenizers; joining those tokens like characters would give a wrong text."""
MAX_LABELS = 2**31
_BRACKETED = re.compile(r"<.*>|\[.*\]")
"""A special token, such as `<s>` or `[UNK]`; many checkpoints have some after the last output."""
SPECIAL_TOKENS = {"pad_token": "<pad>", "bos_token": "<s>", "eos_token": "</s>", "unk_token": "<unk>"}
"""The roles of `Wav2Vec2CTCTokenizer` and their defaults; `pad_token` is the CTC blank."""


def read_vocabulary(folder: Path, n_labels: int | None = None, language: str | None = None) -> Vocabulary:
    """The vocabulary of a tokenizer of characters, phonemes or subwords.

    Args:
        folder: the checkpoint.
        n_labels: the number of outputs of the model; ids without a token are never written. None: as many as there
            are tokens.
        language: which of several vocabularies; None for the default.

    Raises:
        ModelError: there is no vocabulary, or it is of another kind.
    """
    tokenizer = _tokenizer_settings(folder)
    kind = str(tokenizer.get("tokenizer_class") or "Wav2Vec2CTCTokenizer")
    special = {role: _content(tokenizer.get(role, default)) for role, default in SPECIAL_TOKENS.items()}
    if kind in SUBWORD_TOKENIZERS and n_labels is not None:
        return read_subword_vocabulary(folder, special["pad_token"], set(special.values()), n_labels)
    if kind not in CHARACTER_TOKENIZERS and kind != PHONEME_TOKENIZER:
        raise ModelError(
            f"{folder} uses a {shown(kind)}; only tokenizers of characters (Wav2Vec2CTCTokenizer), of phonemes "
            f"({PHONEME_TOKENIZER}) and of Parakeet models are supported"
        )
    ids = _token_ids(folder, tokenizer, language)
    if n_labels is None:
        n_labels = 1 + max(ids.values())
        if n_labels > 2 * len(ids):
            raise ModelError(f"the vocabulary of {folder} has only {len(ids)} tokens for {n_labels} outputs")
    blank_id = ids.get(special["pad_token"] or "")
    if blank_id is None or not 0 <= blank_id < n_labels:
        raise ModelError(
            f"the vocabulary of {folder} has no '{shown(special['pad_token'])}' among the {n_labels} outputs of the "
            "model, which CTC needs as its blank"
        )

    is_phonemes = kind == PHONEME_TOKENIZER
    delimiter_token = _content(tokenizer.get("word_delimiter_token", None if is_phonemes else "|"))
    lower = read_flag(tokenizer, "do_lower_case", folder, default=False)
    unwritten = set(special.values())
    tokens: list[str | None] = [None] * n_labels
    delimiters = set()
    for token, index in ids.items():
        if index >= n_labels or token in unwritten:
            continue
        if len(token) > 1 and token.startswith(SUBWORD_MARKS):
            raise ModelError(
                f"{folder} has subword tokens (such as '{shown(token)}'); only character vocabularies are supported"
            )
        if token == delimiter_token or token.isspace():
            delimiters.add(index)
        tokens[index] = token.lower() if lower else token
    replacement = tokenizer.get("replace_word_delimiter_char", " ")
    between_words = " " if replacement is None or is_phonemes else str(replacement)
    phonemes = {index for index, token in enumerate(tokens) if token is not None and index not in delimiters}
    word_starts = frozenset(phonemes if is_phonemes else ())
    return Vocabulary(tuple(tokens), frozenset(delimiters), between_words, blank_id, word_starts)


def blank_token(folder: Path) -> str | None:
    """The token that is CTC's blank.

    Raises:
        ModelError: the settings of the tokenizer cannot be read.
    """
    return _content(_tokenizer_settings(folder).get("pad_token", SPECIAL_TOKENS["pad_token"]))


def tokens_without_output(folder: Path, n_labels: int, language: str | None = None) -> list[str]:
    """The tokens of a vocabulary that a network with `n_labels` outputs cannot write, those in brackets not counted.

    Raises:
        ModelError: see `read_vocabulary`.
    """
    tokenizer = _tokenizer_settings(folder)
    is_subwords = tokenizer.get("tokenizer_class") in SUBWORD_TOKENIZERS
    ids = read_subword_ids(folder) if is_subwords else _token_ids(folder, tokenizer, language)
    return [token for token, index in ids.items() if index >= n_labels and not _BRACKETED.fullmatch(token)]


def _tokenizer_settings(folder: Path) -> dict[str, Any]:
    return (read_object(folder / "tokenizer_config.json") or {}) | (
        read_object(folder / "special_tokens_map.json") or {}
    )


def _token_ids(folder: Path, tokenizer: dict[str, Any], language: str | None) -> dict[str, int]:
    ids = read_object(folder / "vocab.json")
    if not ids:
        raise ModelError(f"{folder} has no vocab.json; only CTC models with a character tokenizer are supported")
    if has_languages := is_nested(ids):  # a vocabulary for each, as in MMS
        ids = dict(ids[language or chosen_language(folder, None) or ""])
    all_ids = {**(read_object(folder / "added_tokens.json") or {}), **ids}
    added = tokenizer.get("added_tokens_decoder") or {}
    if not isinstance(added, dict):
        raise ModelError(f"{folder / 'tokenizer_config.json'} is damaged: added_tokens_decoder is not a JSON object")
    for index, token in added.items():
        is_number = index.isascii() and index.isdigit() and len(index) < 10
        if has_languages and is_number and int(index) in ids.values():
            continue  # a token of another language: transformers prefers the vocabulary too
        all_ids.setdefault(_content(token) or "", int(index) if is_number else index)
    for token, index in all_ids.items():
        if isinstance(index, bool) or not isinstance(index, int) or not 0 <= index < MAX_LABELS:
            raise ModelError(
                f"the vocabulary of {folder} is damaged: the token '{shown(token)}' has the id "
                f"{shown(json.dumps(index))}, which is not a number of an output"
            )
    return all_ids


def _content(token: Any) -> str | None:
    """The text of a token: these files hold it as a plain string or as `{"content": ..}`."""
    text = token.get("content") if isinstance(token, dict) else token
    return None if text is None else str(text)
