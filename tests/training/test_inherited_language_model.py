"""A model that is built decodes with the language model of its base."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

import thano_duckdb
from thano_duckdb import ThanoWarning
from thano_duckdb.models import bundled
from thano_duckdb.models.checkpoint import LANGUAGE_MODEL_FOLDER, ngram_file
from thano_duckdb.speech.decoding import beam_library

pytestmark = [
    pytest.mark.skipif(bool(beam_library.problem()), reason=str(beam_library.problem())),
    pytest.mark.skipif(ngram_file(bundled.LANGUAGE_MODEL_FOLDER) is None, reason="there is no English language model"),
]
BUILD = "BUILD MODEL {} USING {} OPTIONS (epochs=1, learning_rate=1e-6, {}) AS FROM clips LIMIT 2"


@pytest.fixture
def con(bundled_model: Path, tmp_path: Path) -> Iterator[thano_duckdb.Connection]:
    """A connection with the tutorial's test clips in the table `clips`."""
    folder = bundled.dataset_folder("librispeech_data")
    with thano_duckdb.connect(model_home=tmp_path / "models", progress=False) as connection:
        connection.execute(
            "CREATE TABLE clips AS SELECT ? || parse_filename(audio_path) AS audio_path, text FROM read_csv(?)",
            [f"{folder}/", str(folder / "librispeech_test.csv")],
        )
        yield connection


def texts(con: thano_duckdb.Connection, model: str, options: str = "") -> list[str]:
    query = f"PREDICT USING {model} OPTIONS ({options}) AS FROM clips"
    return [text for (text,) in con.sql(f"SELECT predicted FROM ({query}) ORDER BY audio_path").fetchall()]


def config(con: thano_duckdb.Connection, model: str) -> dict[str, object]:
    row = con.execute("SELECT path FROM thano_models() WHERE name = ?", [model]).fetchone()
    assert row
    found: dict[str, object] = json.loads((Path(row[0]) / "config.json").read_text(encoding="utf-8"))
    return found


def test_models_built_from_the_small_one_are_decoded_with_its_language_model(con: thano_duckdb.Connection) -> None:
    con.execute(BUILD.format("mine", "Wav2Vec2TinyEn", "freeze_feature_encoder=True"))
    con.execute(BUILD.format("more", "mine", "freeze_feature_encoder=True").replace("BUILD", "FIT"))
    for model in ("mine", "more"):
        assert texts(con, model) == texts(con, model, "language_model='en'")
        assert texts(con, model) != texts(con, model, "language_model=NULL")


def test_a_model_from_scratch_has_none_because_it_may_be_for_another_language(con: thano_duckdb.Connection) -> None:
    con.execute(BUILD.format("mine", "Wav2Vec2TinyEn", "freeze_feature_encoder=True"))
    for base, name in (("Wav2Vec2TinyEn", "fresh"), ("mine", "fresh_too")):
        con.execute(BUILD.format(name, base, "from_scratch=True"))
        assert not config(con, name).get("thano_language_model")
    assert config(con, "mine")["thano_language_model"] == "en"


def test_the_language_model_in_the_folder_of_the_base_is_copied(
    con: thano_duckdb.Connection, bundled_model: Path, tmp_path: Path
) -> None:
    base = tmp_path / "base"
    shutil.copytree(bundled_model, base)
    settings = json.loads((base / "config.json").read_text(encoding="utf-8"))
    del settings["thano_language_model"]
    (base / "config.json").write_text(json.dumps(settings), encoding="utf-8")
    (base / LANGUAGE_MODEL_FOLDER).mkdir()
    for path in bundled.LANGUAGE_MODEL_FOLDER.glob("*[!d]"):
        shutil.copy(path, base / LANGUAGE_MODEL_FOLDER)
    con.execute(BUILD.format("mine", f"'{base}'", "freeze_feature_encoder=True"))
    with pytest.warns(ThanoWarning, match="has a language model in its folder, which is not used"):
        greedy = texts(con, "mine")
    assert greedy == texts(con, "mine", "language_model=NULL")
    assert texts(con, "mine", "language_model='model'") == texts(con, "mine", "language_model='en'") != greedy
