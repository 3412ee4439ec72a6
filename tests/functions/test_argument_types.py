"""Columns of other types than text where text is meant: they are cast as DuckDB casts, or refused in one sentence."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

import thano_duckdb
from tests.conftest import Utterance
from thano_duckdb import ThanoError

VALUES = {
    "ENUM": "'left right'::ENUM('left right', 'up')",
    "JSON": "'{\"a\": 1}'::JSON",
    "UUID": "'dd44f705-782e-4b77-904e-54cc56699650'::UUID",
    "UTINYINT": "7::UTINYINT",
    "BIGINT": "12::BIGINT",
    "HUGEINT": "12::HUGEINT",
    "DOUBLE": "1.0::DOUBLE",
    "DECIMAL": "1.50::DECIMAL(9, 2)",
    "BOOLEAN": "true",
    "DATE": "DATE '2024-01-02'",
    "TIME": "TIME '10:00:00'",
    "TIMESTAMP": "TIMESTAMP '2024-01-02 10:00:00'",
    "INTERVAL": "INTERVAL 3 DAY",
    "NULL": "NULL",
}
REFUSED = {
    "a LIST": "['a']",
    "an ARRAY": "['a']::VARCHAR[1]",
    "a STRUCT": "{'a': 'b'}",
    "a MAP": "MAP {'a': 'b'}",
    "a UNION": "union_value(k := 'a')",
    "a BLOB": "'a'::BLOB",
}
TEXT_FUNCTIONS = [
    "thano_normalize({})",
    "thano_word_errors({}, 'left or 12')",
    "thano_word_errors('left or 12', {})",
    "thano_char_errors({}, 'left or 12')",
    "thano_char_errors('left or 12', {})",
    "thano_wer({}, 'left or 12')",
    "thano_cer('left or 12', {})",
    "thano_scores({}, {{'text': 'left or 12', 'duration': 1::DOUBLE, 'error': NULL}})",
    "thano_scores('left or 12', {{'text': {}, 'duration': 1::DOUBLE, 'error': NULL}})",
]
AUDIO_FUNCTIONS = ["thano_audio_info({})", "thano_transcribe('Wav2Vec2TinyEn', {})"]


@pytest.fixture(scope="module")
def con(tmp_path_factory: pytest.TempPathFactory) -> Iterator[thano_duckdb.Connection]:
    with thano_duckdb.connect(model_home=tmp_path_factory.mktemp("models")) as connection:
        yield connection


@pytest.mark.filterwarnings("ignore::thano_duckdb.ThanoWarning")
@pytest.mark.parametrize("value", VALUES.values(), ids=VALUES.keys())
@pytest.mark.parametrize("function", TEXT_FUNCTIONS + AUDIO_FUNCTIONS)
def test_a_value_of_another_type_counts_as_its_text(con: thano_duckdb.Connection, function: str, value: str) -> None:
    con.execute(f"CREATE OR REPLACE TABLE t AS SELECT {value} AS x, CAST({value} AS VARCHAR) AS as_text")
    found, expected = con.execute(f"SELECT {function.format('x')}, {function.format('as_text')} FROM t").fetchall()[0]
    assert without_speed(found) == without_speed(expected)


def without_speed(result: object) -> object:
    """The metrics of `thano_scores` that do not depend on the clock; any other result as it is."""
    return [row for row in result if row["metric"] != "speed"] if isinstance(result, list) else result


@pytest.mark.parametrize(("name", "value"), REFUSED.items(), ids=REFUSED.keys())
@pytest.mark.parametrize("function", TEXT_FUNCTIONS + AUDIO_FUNCTIONS)
def test_a_type_that_is_no_text_is_named_in_one_sentence(
    con: thano_duckdb.Connection, function: str, name: str, value: str
) -> None:
    if name == "a BLOB" and function in AUDIO_FUNCTIONS:
        pytest.skip("a BLOB is the content of a file")
    with pytest.raises(ThanoError, match=rf"VARCHAR.*, not {name}$"):
        con.execute(f"SELECT {function.format(value)}").fetchall()


@pytest.mark.parametrize(
    "column",
    [
        pd.Series(["left", None, "right"], dtype="category"),
        pl.Series(["left", None, "right"], dtype=pl.Categorical),
        pa.array(["left", None, "right"], pa.string_view()),
        pa.array(["left", None, "right"], pa.large_string()),
        pa.array(["left", None, "right"]).dictionary_encode(),
    ],
    ids=["pandas category", "polars Categorical", "Arrow view", "Arrow large", "Arrow dictionary"],
)
def test_columns_of_data_frames_are_text(con: thano_duckdb.Connection, column: object) -> None:
    frame = pa.table({"x": column}) if isinstance(column, pa.Array | pa.ChunkedArray) else None
    if isinstance(column, pd.Series):
        frame = pd.DataFrame({"x": column})
    elif isinstance(column, pl.Series):
        frame = pl.DataFrame({"x": column})
    assert frame is not None
    assert con.sql("SELECT thano_normalize(x), thano_word_errors('left', x).hits FROM frame").fetchall() == [
        ("left", 1),
        (None, None),
        ("right", 0),
    ]


def test_many_rows_of_an_enum_keep_their_order(con: thano_duckdb.Connection) -> None:
    con.execute("CREATE TYPE side AS ENUM ('left', 'right')")
    con.execute(
        "CREATE OR REPLACE TABLE t AS SELECT i, [NULL, 'left', 'right'][i % 3 + 1]::side AS x FROM range(5000) r(i)"
    )
    rows = con.sql("SELECT x::VARCHAR, thano_normalize(x) FROM t ORDER BY i").fetchall()
    assert all(text == normalized for text, normalized in rows)


# Numbers, names, files and options


DURATIONS = {"DECIMAL": "1.5", "DECIMAL(38,2)": "1.5", "HUGEINT": "2", "UHUGEINT": "2", "FLOAT": "1.5", "TINYINT": "2"}


@pytest.mark.parametrize(("kind", "number"), DURATIONS.items(), ids=DURATIONS.keys())
@pytest.mark.parametrize("function", ["thano_scores", "thano_group_scores"])
def test_a_duration_is_any_kind_of_number(con: thano_duckdb.Connection, function: str, kind: str, number: str) -> None:
    call = "{}('a', {{'text': 'a', 'duration': {}::{}, 'error': NULL}})"
    query = f"SELECT {call.format(function, number, kind)}, {call.format(function, number, 'DOUBLE')}"
    found, expected = con.execute(query).fetchall()[0]
    assert without_speed(found) == without_speed(expected)


@pytest.mark.parametrize(
    ("value", "name"),
    [("'1'", "VARCHAR"), ("DATE '2024-01-02'", "DATE"), ("[1]", r"INTEGER\[\]"), ("'a'::BLOB", "BLOB")],
)
def test_what_is_no_number_is_named_in_one_sentence(con: thano_duckdb.Connection, value: str, name: str) -> None:
    with pytest.raises(ThanoError, match=rf"^the duration must be a number \(DOUBLE\), not {name}$"):
        con.execute(f"SELECT thano_scores('a', {{'text': 'a', 'duration': {value}, 'error': NULL}})").fetchall()


@pytest.mark.parametrize(
    ("query", "what"),
    [
        ("FROM thano_training(NULL)", "the model"),
        ("FROM thano_delete_model(NULL)", "the name"),
        ("FROM thano_upload_model(NULL, 'folder')", "the name"),
        ("FROM thano_upload_model('mine', NULL)", "the folder"),
        ("FROM thano_get_model(NULL)", "the name"),
        ("FROM thano_get_dataset(NULL)", "the name"),
    ],
)
def test_a_name_that_is_null_is_refused_in_one_sentence(con: thano_duckdb.Connection, query: str, what: str) -> None:
    with pytest.raises(ThanoError, match=f"^{what} is NULL$"):
        con.execute(query).fetchall()


@pytest.mark.parametrize("value", ["DATE '2024-01-02'", "TIME '10:00:00'", "'a'::BLOB", "'1'::VARIANT", "'101'::BIT"])
@pytest.mark.parametrize("options", ["{{'batch_size': {}}}", "{{'device': {}}}"])
def test_an_option_of_another_type_is_refused_in_one_sentence(
    con: thano_duckdb.Connection, options: str, value: str
) -> None:
    with pytest.raises(ThanoError, match=r"^the options hold .*, which is neither text nor a number$"):
        con.execute(f"SELECT thano_transcribe('Wav2Vec2TinyEn', 'a.wav', {options.format(value)})").fetchall()


def test_options_that_are_a_variant_are_refused_in_one_sentence(con: thano_duckdb.Connection) -> None:
    for call in ("thano_transcribe('Wav2Vec2TinyEn', 'a.wav', {})", "thano_audio_info('a.wav', {})"):
        with pytest.raises(ThanoError, match=r"^the options"):
            con.execute("SELECT " + call.format("'{}'::VARIANT")).fetchall()


def test_paths_of_other_types_are_cast_or_refused(con: thano_duckdb.Connection, tmp_path: Path) -> None:
    (tmp_path / "a [1].csv").touch()
    path = tmp_path / "a [1].csv"
    assert con.execute(f"SELECT thano_file('{path}'::ENUM('{path}')), thano_file(12), thano_file(NULL)").fetchall() == [
        (str(tmp_path / "a [[]1].csv"), "12", None)
    ]
    for query in ("SELECT thano_file(['a'])", "SELECT thano_file('a'::BLOB)", "FROM thano_audio('a'::VARIANT)"):
        with pytest.raises(ThanoError, match=r"^the (file|folder of audio) must be text"):
            con.execute(query).fetchall()


@pytest.mark.parametrize(
    ("example", "missing"), [("{'audio': 'a.wav'}", "text"), ("{'text': 'a'}", "audio"), ("{'a': 1}", "audio, text")]
)
def test_training_rows_without_a_field_are_refused_in_one_sentence(
    con: thano_duckdb.Connection, example: str, missing: str
) -> None:
    with pytest.raises(ThanoError, match=rf"^a row must have the fields audio, text; missing: {missing}$"):
        con.execute(f"SELECT thano_build('mine', 'Wav2Vec2TinyEn', NULL, {example})").fetchall()


# Audio


@pytest.mark.parametrize("kind", ["ENUM", "category"])
def test_paths_of_other_types_are_transcribed(
    con: thano_duckdb.Connection, an4_model: Path, an4_test: list[Utterance], kind: str
) -> None:
    paths = [clip.audio_path for clip in an4_test[:2]]
    source = pd.DataFrame({"audio_path": pd.Categorical(paths)})
    con.execute("CREATE OR REPLACE TABLE clips AS FROM source")
    if kind == "ENUM":
        names = ", ".join(f"'{path}'" for path in paths)
        con.execute(f"ALTER TABLE clips ALTER audio_path TYPE ENUM({names})")
    query = f"SELECT predicted FROM (PREDICT USING '{an4_model}' AS SELECT * FROM clips)"
    expected = con.execute(
        f"SELECT thano_transcribe('{an4_model}', p).text FROM (SELECT unnest(?) AS p)", [paths]
    ).fetchall()
    assert con.execute(query).fetchall() == expected
    assert len(source) == len(paths)


# Names of models, options, and statements over rows


@pytest.mark.parametrize(
    "call",
    [
        "SELECT thano_transcribe({model}, 'a.wav').text",
        "FROM thano_training({model})",
        "FROM thano_delete_model({model})",
        "SELECT thano_perplexity('a', {model})",
    ],
)
def test_names_of_models_are_cast(con: thano_duckdb.Connection, call: str) -> None:
    for value, message in (("12::BIGINT", "'12'"), ("'nobody'::ENUM('nobody')", "'nobody'"), ("['a']", "not a LIST")):
        with pytest.raises(ThanoError, match=message):
            con.execute(call.format(model=value)).fetchall()


def test_options_are_cast(con: thano_duckdb.Connection) -> None:
    for value in ("'{\"batch_siz\": 1}'::JSON", "'{\"batch_siz\": 1}'::ENUM('{\"batch_siz\": 1}')"):
        with pytest.raises(ThanoError, match="batch_size"):
            con.execute(f"SELECT thano_transcribe('Wav2Vec2TinyEn', 'a.wav', {value})").fetchall()
    with pytest.raises(ThanoError, match=r"neither JSON text nor a STRUCT"):
        con.execute("SELECT thano_transcribe('Wav2Vec2TinyEn', 'a.wav', ['a'])").fetchall()


def test_evaluate_and_build_take_texts_of_other_types(
    con: thano_duckdb.Connection, an4_model: Path, an4_test: list[Utterance]
) -> None:
    values = ", ".join(f"('{clip.audio_path}', '{clip.text}')" for clip in an4_test[:4])
    con.execute(f"CREATE TABLE plain AS FROM (VALUES {values}) t(audio_path, text)")
    con.execute("CREATE TYPE paths AS ENUM (SELECT audio_path FROM plain)")
    con.execute("CREATE TYPE texts AS ENUM (SELECT text FROM plain)")
    con.execute("CREATE TABLE enums AS SELECT audio_path::paths AS audio_path, text::texts AS text FROM plain")
    for source in ("plain", "enums"):
        con.execute(f"CREATE TABLE scores_of_{source} AS EVALUATE USING '{an4_model}' AS FROM {source}")
    wer = "SELECT score FROM scores_of_{} WHERE metric = 'wer'"
    assert con.sql(wer.format("enums")).fetchall() == con.sql(wer.format("plain")).fetchall()
    rows = con.sql(f"BUILD MODEL mine USING '{an4_model}' OPTIONS (epochs=1) AS FROM enums").df()
    assert rows["skipped"].tolist() == [0]


def test_a_build_refuses_texts_that_are_lists(con: thano_duckdb.Connection, an4_model: Path) -> None:
    with pytest.raises(ThanoError, match=r"the text of a training row must be text .*, not a LIST"):
        con.execute(f"BUILD MODEL mine USING '{an4_model}' AS SELECT 'a.wav' AS audio_path, ['a'] AS text")


def test_a_list_is_no_text_for_normalize(con: thano_duckdb.Connection) -> None:
    with pytest.raises(ThanoError, match=r"^the argument of thano_normalize must be text \(VARCHAR\), not a LIST$"):
        con.execute("SELECT thano_normalize(['a'])").fetchall()


@pytest.mark.parametrize(
    ("arguments", "refusal"),
    [
        ("channel := 2.5", r"the channel of a row must be .*, not DECIMAL\(2,1\)$"),
        ("channel := '2'", r"the channel of a row must be .*, not VARCHAR$"),
        ("hotwords := [1.5]", r"the hotwords of a row must be .*, not DECIMAL\(2,1\)\[\]$"),
    ],
)
def test_a_type_is_called_what_duckdb_calls_it(con: thano_duckdb.Connection, arguments: str, refusal: str) -> None:
    with pytest.raises(ThanoError, match=refusal):
        con.sql(f"SELECT thano_transcribe('Wav2Vec2TinyEn', 'a.wav', {arguments})").fetchall()
