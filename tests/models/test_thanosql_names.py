"""ThanoSQL's names for models: those that do not exist here are answered with what to write instead."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import thano_duckdb
from tests.checkpoints import make_checkpoint
from thano_duckdb import ThanoError
from thano_duckdb.models.built_in_models import find_built_in
from thano_duckdb.models.registry import Registry
from thano_duckdb.models.resolve import resolve

STATEMENTS = (
    "PREDICT USING {} AS SELECT 'a.wav' AS audio_path",
    "EVALUATE USING {} AS SELECT 'a.wav' AS audio_path, 'a' AS text",
    "BUILD MODEL mine USING {} AS SELECT 'a.wav' AS audio_path, 'a' AS text",
    "GET THANOSQL MODEL {} OPTIONS (model_name='mine')",
    "GET THANOSQL MODEL {}",
)


@pytest.mark.parametrize("statement", STATEMENTS)
@pytest.mark.parametrize(
    ("name", "instead"),
    [
        ("Wav2Vec2Ko", "write a Korean CTC model of the Hugging Face hub, such as 'hf://"),
        ("Wav2Vec2KO", "'hf://facebook/mms-1b-all' with OPTIONS (language='kor')"),
        ("wav2vec2ko", "BUILD MODEL name USING 'hf://facebook/wav2vec2-xls-r-300m'"),
        ("Whisper", "Whisper is not supported: use a CTC model, such as Wav2Vec2En"),
        ("tutorial_whisper_small", "Whisper is not supported: use a CTC model"),
        ("ElectraEn", "here there are only models for speech"),
        ("AutomlRegressor", "here there are only models for speech"),
    ],
)
def test_a_name_of_thanosql_says_what_to_use(
    no_hub: Path, tmp_path: Path, statement: str, name: str, instead: str
) -> None:
    with thano_duckdb.connect(model_home=tmp_path) as con, pytest.raises(ThanoError) as refusal:
        con.execute(statement.format(name)).fetchall()
    message = str(refusal.value).splitlines()[0]
    assert message.startswith(f"there is no built-in model '{name}', ")
    assert instead in re.sub(" +", " ", message)
    assert len(message) < 400


def test_the_names_that_exist_here_are_used() -> None:
    for name in ("Wav2Vec2En", "wav2vec2", "tutorial_audio_recognition"):
        assert find_built_in(name)


def test_a_model_of_ones_own_may_have_such_a_name(tmp_path: Path) -> None:
    registry = Registry(tmp_path / "home")
    registry.upload("Wav2Vec2Ko", make_checkpoint(tmp_path / "checkpoint"))
    assert resolve("wav2vec2ko", registry).version == 1
