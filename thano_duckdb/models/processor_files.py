"""The files from which transformers' `AutoProcessor` makes the feature extractor and the tokenizer of a checkpoint."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from .character_tokenizer import PROCESSOR_CLASS, write_json
from .checkpoint import read_json

_EXTRACTOR_FILES = ("preprocessor_config.json", "processor_config.json")
_TOKENIZER_FILE = "tokenizer_config.json"
_EXTRACTOR_CLASS, _TOKENIZER_CLASS = "Wav2Vec2FeatureExtractor", "Wav2Vec2CTCTokenizer"


def name_processor(folder: Path) -> None:
    """Make the settings of a checkpoint that reads the waveform and writes characters say of which classes they are.

    Older checkpoints leave it to transformers to guess, which it does only for some architectures. A processor with a
    language model loads only where pyctcdecode and KenLM are installed; the plain one loads everywhere, and gives the
    texts that PREDICT gives. The language model stays in the folder, for whoever asks for it.

    Raises:
        ModelError: one of the files is not JSON.
        OSError: one of them cannot be written.
    """
    names = [name for name in (*_EXTRACTOR_FILES, _TOKENIZER_FILE) if (folder / name).is_file()]
    settings = {name: read_json(folder / name) for name in names}
    tokenizer = settings.setdefault(_TOKENIZER_FILE, {})
    if not all(isinstance(content, dict) for content in settings.values()):  # damaged
        return
    extractors = [settings[name] for name in _EXTRACTOR_FILES if name in settings]
    writes_characters = (folder / "vocab.json").is_file() and tokenizer.get("tokenizer_class") in (
        None,
        _TOKENIZER_CLASS,
    )
    if not (extractors and writes_characters and all(map(_reads_waveform, extractors))):
        return
    for name, before in settings.items():
        after = {**before, "processor_class": PROCESSOR_CLASS}
        if name == _TOKENIZER_FILE:
            after["tokenizer_class"] = _TOKENIZER_CLASS
        if after != before:
            write_json(folder / name, after)


def _reads_waveform(settings: dict[str, Any]) -> bool:
    inner = settings.get("feature_extractor", settings)
    kind = inner.get("feature_extractor_type") if isinstance(inner, dict) else None
    return kind in (None, _EXTRACTOR_CLASS)
