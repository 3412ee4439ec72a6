"""Small language models for tests."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pyarrow as pa

from tests.conftest import REPOSITORY
from thano_duckdb.language.build_language_model import (
    FILE_NAME,
    LanguageModelFigures,
    LanguageModelOptions,
    build_language_model,
)
from thano_duckdb.language.ngram_counts import TextStore
from thano_duckdb.speech.normalize import normalize

MARKERS = ("<s>", "</s>", "<unk>")


def tutorial_sentences() -> list[str]:
    """The hundred sentences of the tutorial, normalised."""
    lines = (REPOSITORY / "bundle" / "tutorial_sentences.txt").read_text(encoding="utf-8").splitlines()
    normalized: list[str] = normalize(pa.array(lines)).to_pylist()
    return normalized


def build(
    folder: Path, sentences: Sequence[str], order: int = 3, prune: float = 0.0, validation_split: float = 0.0
) -> tuple[Path, LanguageModelFigures]:
    """Build a language model into `folder`, which is created."""
    folder.mkdir(parents=True, exist_ok=True)
    with TextStore() as store:
        store.add(pa.array(sentences, pa.string()))
        options = LanguageModelOptions(order=order, prune=prune, validation_split=validation_split)
        figures = build_language_model(store, folder, options)
    return folder / FILE_NAME, figures
