"""What a checkpoint says of its processor, so that transformers loads it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import transformers

from tests.checkpoint_styles import write_style
from thano_duckdb.models.processor_files import name_processor

SETTINGS = ("preprocessor_config.json", "processor_config.json", "tokenizer_config.json")


def settings(folder: Path) -> dict[str, Any]:
    return {name: json.loads((folder / name).read_text()) for name in SETTINGS if (folder / name).exists()}


def test_every_file_that_names_the_processor_names_the_one_that_loads(tmp_path: Path) -> None:
    folder = write_style("XLSR-53 with a language model", tmp_path)
    (folder / "processor_config.json").write_text('{"processor_class": "Wav2Vec2ProcessorWithLM"}')
    name_processor(folder)
    assert {each["processor_class"] for each in settings(folder).values()} == {"Wav2Vec2Processor"}
    assert isinstance(transformers.AutoProcessor.from_pretrained(folder), transformers.Wav2Vec2Processor)


def test_nothing_else_is_changed(tmp_path: Path) -> None:
    folder = write_style("community, added_tokens_decoder", tmp_path)
    before = settings(folder)
    name_processor(folder)
    after = settings(folder)
    for content in after.values():
        assert content.pop("processor_class") == "Wav2Vec2Processor"
    assert after == before


@pytest.mark.parametrize("style", ["wav2vec2-BERT", "phoneme tokenizer", "BERT tokenizer", "SSL XLS-R", "Parakeet-CTC"])
def test_processors_of_other_kinds_are_left_alone(tmp_path: Path, style: str) -> None:
    folder = write_style(style, tmp_path)
    before = settings(folder)
    name_processor(folder)
    assert settings(folder) == before


def test_damaged_settings_are_left_alone(tmp_path: Path) -> None:
    folder = write_style("wav2vec2-base-960h", tmp_path)
    (folder / "tokenizer_config.json").write_text("[]")
    before = settings(folder)
    name_processor(folder)
    assert settings(folder) == before
