"""DESCRIBE MODEL: a row for each thing that is known of a model, without a network and without its weights."""

from __future__ import annotations

import json
import warnings
from collections.abc import Iterator
from pathlib import Path

import duckdb
import pytest

import thano_duckdb
from tests.training.kit import write_clips, write_model
from thano_duckdb import ThanoError
from thano_duckdb.models.registry import Registry

URL = "https://ann:hunter2@host/clips.csv"


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The home of a model `built` of one epoch, on four clips, one of which was held out."""
    folder = tmp_path_factory.mktemp("models")
    write_model(folder / "checkpoint")
    write_clips(folder / "clips")
    with thano_duckdb.connect(model_home=folder / "home") as con, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        con.execute(f"UPLOAD MODEL start FROM '{folder}/checkpoint'")
        con.execute(f"CREATE TABLE clips AS SELECT file AS audio_path, 'go' AS text FROM glob('{folder}/clips/*.wav')")
        con.execute(
            "BUILD MODEL built USING start OPTIONS (epochs=1, validation_split=0.2, device='cpu') AS "
            f"FROM clips WHERE audio_path <> '{URL}'"
        )
    return folder / "home"


@pytest.fixture
def con(home: Path) -> Iterator[thano_duckdb.Connection]:
    """A connection to these models."""
    with thano_duckdb.connect(model_home=home) as connection:
        yield connection


def describe(con: thano_duckdb.Connection, model: str, what: str = "MODEL") -> dict[str, str]:
    rows = con.execute(f"DESCRIBE {what} {model}").fetchall()
    facts = dict(rows)
    assert len(facts) == len(rows), "each property once"
    return facts


def test_a_built_model_says_how_it_was_made_and_what_it_can_write(con: thano_duckdb.Connection, home: Path) -> None:
    facts = describe(con, "Built")
    expected = {
        "name": "built",
        "version": "1",
        "versions": "1",
        "kind": "built",
        "base": "start@1",
        "path": str(home / "built" / "1"),
        "architecture": "wav2vec2",
        "precision": "float32",
        "sample_rate": "16000",
        "blank": "<pad>",
        "alphabet": "A B C D E F G H I J K L M N O P Q R S T U V W X Y Z '",
        "training_rows": "5",
        "validation_rows": "1",
        "skipped_rows": "0",
        "epochs": "1",
        "kept_epoch": "1",
        "evaluated_rows": "1",
        "evaluated_on": "held-out rows",
    }
    assert {name: facts[name] for name in expected} == expected
    assert facts["created"].endswith("+00:00")
    assert int(facts["bytes"]) == (home / "built" / "1" / "model.safetensors").stat().st_size
    assert float(facts["training_hours"]) == pytest.approx(5 * 0.95 / 3600, rel=0.5)
    assert json.loads(facts["options"])["epochs"] == 1
    assert "torch " in facts["libraries"]
    assert {"wer", "base_wer", "cer", "base_cer", "training_seconds"} <= facts.keys()
    (metrics,) = con.execute("SELECT wer, base_wer FROM thano_training('built')").fetchall()
    assert (float(facts["wer"]), float(facts["base_wer"])) == pytest.approx(metrics, rel=1e-5)


def test_its_sql_is_shown_without_secrets(con: thano_duckdb.Connection, home: Path) -> None:
    assert describe(con, "built")["sql"].endswith("WHERE audio_path <> 'https://***@host/clips.csv'")
    file = home / "built" / "1" / "thano.json"
    kept = file.read_text(encoding="utf-8")
    about = json.loads(kept)
    about["lineage"]["sql"] = f"FROM '{URL}'"
    about["lineage"]["notes"] = [URL]
    about["lineage"]["options"] = {"file": [URL]}
    about["description"] = URL
    file.write_text(json.dumps(about), encoding="utf-8")
    try:
        facts = describe(con, "built")
    finally:
        file.write_text(kept, encoding="utf-8")
    assert facts["sql"] == "FROM 'https://***@host/clips.csv'"
    assert "hunter2" not in json.dumps(facts)


@pytest.mark.parametrize("wrong", [7, "x", None, [], [1], {}, {"train": [None]}, {"wer": {"a": 1}}])
def test_a_lineage_that_somebody_edited_is_shown_as_far_as_it_makes_sense(
    con: thano_duckdb.Connection, home: Path, wrong: object
) -> None:
    file = home / "built" / "1" / "thano.json"
    kept = file.read_text(encoding="utf-8")
    about = json.loads(kept)
    about["lineage"] |= dict.fromkeys(
        ("sql", "options", "rows", "notes", "libraries", "figures", "uploaded_from"), wrong
    )
    about["lineage"]["comparison"] |= {"model": wrong, "n_clips": wrong}
    file.write_text(json.dumps(about), encoding="utf-8")
    try:
        assert describe(con, "built")["name"] == "built"
    finally:
        file.write_text(kept, encoding="utf-8")


def test_an_uploaded_model_says_where_it_came_from(con: thano_duckdb.Connection, home: Path) -> None:
    facts = describe(con, "start@1")
    assert (facts["kind"], facts["uploaded_from"]) == ("uploaded", str(home.parent / "checkpoint"))
    assert not {"sql", "wer", "epochs", "description"} & facts.keys()


@pytest.mark.usefixtures("no_hub")
def test_a_model_of_the_hub_is_described_without_downloading_it(con: thano_duckdb.Connection) -> None:
    facts = describe(con, "wav2vec2")
    assert (facts["name"], facts["kind"]) == ("Wav2Vec2En", "built-in")
    assert facts["base"] == "hf://facebook/wav2vec2-base-960h"
    assert facts["downloaded"].startswith("no: ")
    assert describe(con, "'hf://facebook/mms-1b-all'")["downloaded"].startswith("no: ")


@pytest.mark.usefixtures("bundled_model")
def test_the_bundled_models_are_described(con: thano_duckdb.Connection) -> None:
    facts = describe(con, "Wav2Vec2TinyEn")
    assert (facts["kind"], facts["language_model"], facts["parameters"]) == ("built-in", "en", "8666735")
    assert describe(con, "EN", "LANGUAGE MODEL")["kind"] == "built-in"


def test_a_language_model_is_described_and_an_acoustic_one_is_no_language_model(
    con: thano_duckdb.Connection, home: Path
) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        con.execute(
            "BUILD LANGUAGE MODEL words OPTIONS (order=2, overwrite=True) AS "
            "SELECT 'she said ' || (i % 7)::VARCHAR || ' word' || (i % 50)::VARCHAR AS text FROM range(500) t (i)"
        )
    for what in ("MODEL", "LANGUAGE MODEL"):
        facts = describe(con, "words", what)
        assert (facts["kind"], facts["order"]) == ("language model", "2")
        assert "architecture" not in facts
    with pytest.raises(ThanoError, match=r"'built' is an acoustic model, which DESCRIBE MODEL describes \(line 1"):
        con.execute("DESCRIBE LANGUAGE MODEL built")


def test_an_unknown_model_is_an_error_at_its_name(con: thano_duckdb.Connection) -> None:
    for what in ("MODEL", "LANGUAGE MODEL"):
        with pytest.raises(ThanoError, match=r"there is no model 'bilt'\. Did you mean 'built'\?") as refusal:
            con.execute(f"FROM (DESCRIBE {what} bilt)")
        assert str(refusal.value).endswith(" " * len(f"FROM (DESCRIBE {what} ") + "^")


def test_it_is_a_query_that_changes_nothing(con: thano_duckdb.Connection, home: Path, tmp_path: Path) -> None:
    assert con.sql("SELECT value FROM (DESCRIBE MODEL built) WHERE property = 'kind'").fetchall() == [("built",)]
    con.execute("BEGIN; CREATE TABLE facts AS DESC MODEL built; COMMIT")
    assert con.execute("SELECT count(*) FROM facts WHERE property = 'sql'").fetchone() == (1,)
    database = tmp_path / "a.duckdb"
    duckdb.connect(database).close()
    with thano_duckdb.connect(database, read_only=True, model_home=home) as read_only:
        assert describe(read_only, "built")["name"] == "built"


def test_a_database_in_a_sandbox_describes_its_models_and_no_folder(home: Path, tmp_path: Path) -> None:
    with thano_duckdb.connect(model_home=home, config={"enable_external_access": "false"}) as con:
        assert describe(con, "built")["name"] == "built"
        for spec in (str(tmp_path), "hf://owner/name"):
            with pytest.raises(ThanoError, match="may not read"):
                con.execute(f"DESCRIBE MODEL '{spec}'")


def test_a_table_called_model_is_still_described_by_duckdb(con: thano_duckdb.Connection) -> None:
    con.execute("CREATE TABLE model (a INTEGER)")
    for described in ("DESCRIBE model", "DESC model;", "FROM (DESCRIBE MODEL)", "DESCRIBE model -- mine"):
        assert con.execute(described).fetchall()[0][:2] == ("a", "INTEGER")


def test_a_plain_connection_calls_the_function(home: Path) -> None:
    with duckdb.connect() as plain:
        thano_duckdb.load(plain, model_home=home)
        facts = dict(plain.execute("FROM thano_describe_model('built')").fetchall())
        assert facts["name"] == "built"


def test_a_damaged_version_says_so(con: thano_duckdb.Connection, home: Path) -> None:
    entry = Registry(home).upload("broken", home.parent / "checkpoint", overwrite=True)
    (entry.path / "thano.json").write_text("{", encoding="utf-8")
    with pytest.raises(ThanoError, match="the model 'broken@1' is damaged"):
        con.execute("DESCRIBE MODEL broken")
    con.execute("DROP MODEL broken")
