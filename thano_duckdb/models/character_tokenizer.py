"""The tokenizer of a character CTC model, in Hugging Face format."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

PROCESSOR_CLASS = "Wav2Vec2Processor"
BLANK, UNKNOWN, DELIMITER = "<pad>", "<unk>", "|"
SPECIAL_TOKENS = (BLANK, "<s>", "</s>", UNKNOWN)
"""The first tokens of every vocabulary: transformers' CTC tokenizer adds those that it misses, without an output."""

_TOKENIZER = {
    "tokenizer_class": "Wav2Vec2CTCTokenizer",
    "processor_class": PROCESSOR_CLASS,
    "pad_token": BLANK,
    "bos_token": "<s>",
    "eos_token": "</s>",
    "unk_token": UNKNOWN,
    "word_delimiter_token": DELIMITER,
    "replace_word_delimiter_char": " ",
    "do_lower_case": False,
}


def write_tokenizer(folder: Path, tokens: Sequence[str]) -> None:
    """Write `vocab.json` and `tokenizer_config.json`.

    Args:
        folder: exists.
        tokens: the token of each output, `SPECIAL_TOKENS` first; `DELIMITER` stands for the space.
    """
    write_json(folder / "vocab.json", {token: index for index, token in enumerate(tokens)})
    write_json(folder / "tokenizer_config.json", _TOKENIZER)


def write_json(path: Path, content: dict[str, Any]) -> None:
    """Write one of the JSON files of a checkpoint."""
    path.write_text(json.dumps(content, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
