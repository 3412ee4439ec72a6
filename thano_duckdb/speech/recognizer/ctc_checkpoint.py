"""What a model's folder says of itself in its JSON files, read without torch or transformers.

The files are those of Hugging Face: `vocab.json`, `tokenizer_config.json`, `special_tokens_map.json`,
`added_tokens.json`, and `preprocessor_config.json` or, newer, `processor_config.json`.
"""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

from thano_duckdb.errors import ModelError
from thano_duckdb.models.checkpoint import read_json
from thano_duckdb.speech.decoding.greedy import Vocabulary
from thano_duckdb.speech.windows import SAMPLE_RATE_HZ

CHARACTER_TOKENIZERS = frozenset({"Wav2Vec2CTCTokenizer", "Wav2Vec2Tokenizer"})
SUBWORD_MARKS = ("▁", "Ġ", "##")
"""How tokens of subword tokenizers begin; joining them as characters would give a wrong text."""
SPECIAL_TOKENS = {"pad_token": "<pad>", "bos_token": "<s>", "eos_token": "</s>", "unk_token": "<unk>"}
"""The roles of `Wav2Vec2CTCTokenizer` and their defaults; `pad_token` is the CTC blank."""


def fingerprint(folder: Path) -> str:
    """A hash that changes when a file of the folder does: names, sizes and times, not contents, so it is cheap."""
    digest = hashlib.blake2b(str(folder.resolve()).encode(), digest_size=16)
    for path in sorted(folder.iterdir()):
        status = path.stat()
        digest.update(f"\n{path.name}\t{status.st_size}\t{status.st_mtime_ns}".encode())
    return digest.hexdigest()


def read_normalize(folder: Path) -> bool:
    """Whether the model wants clips of zero mean and unit variance (`do_normalize`).

    Raises:
        ModelError: the settings are missing, or for another rate than 16 kHz, or another kind of input.
    """
    settings = _read_object(folder / "preprocessor_config.json")
    if settings is None:
        settings = (_read_object(folder / "processor_config.json") or {}).get("feature_extractor")
    if settings is None:
        raise ModelError(
            f"{folder} has no preprocessor_config.json, which says how audio enters the model: "
            "copy it from the model that this one was trained from"
        )
    kind = settings.get("feature_extractor_type", "Wav2Vec2FeatureExtractor")
    if kind != "Wav2Vec2FeatureExtractor":
        raise ModelError(f"{folder} reads audio through a {kind}; only models that read the waveform itself are known")
    rate_hz = settings.get("sampling_rate", SAMPLE_RATE_HZ)
    if rate_hz != SAMPLE_RATE_HZ:
        raise ModelError(f"{folder} was trained on audio at {rate_hz} Hz; only {SAMPLE_RATE_HZ} Hz is known")
    return bool(settings.get("do_normalize", True))


def read_vocabulary(folder: Path, n_labels: int) -> Vocabulary:
    """The vocabulary of a character tokenizer.

    Args:
        folder: the checkpoint.
        n_labels: outputs of the model; ids that the tokenizer does not name are never written.

    Raises:
        ModelError: there is no vocabulary, or it is not one of characters.
    """
    tokenizer = (_read_object(folder / "tokenizer_config.json") or {}) | (
        _read_object(folder / "special_tokens_map.json") or {}
    )
    kind = tokenizer.get("tokenizer_class") or "Wav2Vec2CTCTokenizer"
    if kind not in CHARACTER_TOKENIZERS:
        raise ModelError(f"{folder} has a {kind}; only character tokenizers (Wav2Vec2CTCTokenizer) are known")
    ids = _token_ids(folder, tokenizer)
    special = {role: _content(tokenizer.get(role, default)) for role, default in SPECIAL_TOKENS.items()}
    if special["pad_token"] not in ids:
        raise ModelError(f"the vocabulary of {folder} has no {special['pad_token']!r}, which CTC needs as its blank")

    delimiter_token = _content(tokenizer.get("word_delimiter_token", "|"))
    lower = bool(tokenizer.get("do_lower_case", False))
    unwritten = set(special.values())
    tokens: list[str | None] = [None] * n_labels
    delimiters = set()
    for token, index in ids.items():
        if index >= n_labels or token in unwritten:
            continue
        if len(token) > 1 and token.startswith(SUBWORD_MARKS):
            raise ModelError(f"{folder} writes in pieces of words (such as {token!r}); only characters are known")
        if token == delimiter_token or token.isspace():
            delimiters.add(index)
        tokens[index] = token.lower() if lower else token
    replacement = tokenizer.get("replace_word_delimiter_char", " ")
    return Vocabulary(tuple(tokens), frozenset(delimiters), " " if replacement is None else str(replacement))


def _token_ids(folder: Path, tokenizer: dict[str, Any]) -> dict[str, int]:
    ids = _read_object(folder / "vocab.json")
    if not ids:
        raise ModelError(f"{folder} has no vocab.json: a CTC model with a character tokenizer is needed")
    if any(isinstance(value, dict) for value in ids.values()):  # one vocabulary a language, as in MMS
        language = tokenizer.get("target_lang")
        if language not in ids:
            raise ModelError(
                f"{folder} holds vocabularies of {len(ids)} languages: "
                'name one of them as "target_lang" in its tokenizer_config.json'
            )
        ids = ids[language]
    named = {**(_read_object(folder / "added_tokens.json") or {}), **ids}
    for index, token in (tokenizer.get("added_tokens_decoder") or {}).items():
        named.setdefault(_content(token), int(index))
    return named


def _content(token: Any) -> str | None:
    """A token's text: these files write it plainly or as `{"content": ..}`."""
    text = token.get("content") if isinstance(token, dict) else token
    return None if text is None else str(text)


def _read_object(path: Path) -> dict[str, Any] | None:
    """What a JSON file says; None where it is not there."""
    if not path.exists():
        return None
    content = read_json(path)
    if not isinstance(content, dict):
        raise ModelError(f"{path} is not a JSON object")
    return content
