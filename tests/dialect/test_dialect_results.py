"""What rewritten statements give when DuckDB runs them."""

from __future__ import annotations

from typing import Any

import duckdb
import pytest

from thano_duckdb.audio.formats import AUDIO_SUFFIXES
from thano_duckdb.dialect import rewrite

Database = duckdb.DuckDBPyConnection


def run(database: Database, sql: str, *parameters: object) -> list[tuple[Any, ...]]:
    return database.execute(rewrite(sql), parameters or None).fetchall()


def columns(database: Database, sql: str) -> list[str]:
    return [column[0] for column in database.execute(rewrite(sql)).description or []]


def test_predict_gives_every_row_and_column_and_the_text(database: Database) -> None:
    sql = "PREDICT USING m AS SELECT * FROM librispeech_test"
    assert columns(database, sql) == ["audio_path", "text", "speaker", "predicted"]
    assert [row[3] for row in run(database, sql)] == ["m hears a.wav", "m hears b.wav", None, "m hears d.wav"]


def test_included_columns_follow_the_result_in_the_order_asked_for(database: Database) -> None:
    sql = "PREDICT USING m OPTIONS (result_col='said', include=[error, confidence]) AS SELECT 'x' AS audio_path"
    assert columns(database, sql) == ["audio_path", "said", "error", "confidence"]


ALWAYS = ["confidence", "words", "duration", "error"]


@pytest.mark.parametrize(
    ("options", "more"),
    [
        ("include=ALL", []),
        ("include=['all', words]", []),
        ("include='all', n_best=3", ["alternatives"]),
        ("include=['all', alternatives]", ["alternatives"]),
        ("include='all', hotwords=['Pierre']", ["hotwords"]),
        ("include='all', hotwords=[]", []),
        ("include='all', hotwords_col=text, n_best=1", ["alternatives", "hotwords"]),
    ],
)
def test_include_all_gives_what_the_other_options_compute_anyway(
    database: Database, options: str, more: list[str]
) -> None:
    sql = f"PREDICT USING m OPTIONS ({options}) AS SELECT 'x' AS audio_path, ['Anna'] AS text"
    assert columns(database, sql) == ["audio_path", "text", "predicted", *ALWAYS, *more]


def test_include_all_alone_asks_for_no_beam_search() -> None:
    assert "n_best" not in rewrite("PREDICT USING m OPTIONS (include='all') AS SELECT 'x' AS audio_path")
    assert "n_best" in rewrite("PREDICT USING m OPTIONS (include=['all', alternatives]) AS SELECT 'x' AS audio_path")


def test_what_the_engine_needs_reaches_it_as_json_and_nothing_else(database: Database) -> None:
    options = "include=error, on_error=FAIL, batch_size=8, epochs=2, text_col='x'"
    sql = f"PREDICT USING m OPTIONS ({options}) AS FROM librispeech_test"
    assert run(database, f"SELECT DISTINCT error FROM ({sql})") == [('{"batch_size": 8, "on_error": "fail"}',)]


def test_predict_over_predict_keeps_both_texts_under_two_names(database: Database) -> None:
    inner = "PREDICT USING n AS SELECT audio_path FROM librispeech_test WHERE speaker = 'bob'"
    sql = f"PREDICT USING m OPTIONS (result_col='again') AS {inner}"
    assert columns(database, sql) == ["audio_path", "predicted", "again"]
    assert run(database, sql) == [("b.wav", "n hears b.wav", "m hears b.wav")]
    assert run(database, f"PREDICT USING m AS {inner}") == [("b.wav", "m hears b.wav")]


@pytest.mark.parametrize(
    ("options", "query", "expected"),
    [
        ("", "SELECT 'x' AS audio_path, 'OLD' AS Predicted, 1 AS c", ["audio_path", "c", "predicted"]),
        ("", "SELECT 'x' AS audio_path, 1 AS a, 2 AS a", ["audio_path", "a", "a_1", "predicted"]),
        ("", """SELECT 'x' AS audio_path, {'predicted': 1} AS "it's ""s" """, ["audio_path", "it's \"s", "predicted"]),
        ("result_col='Ö'", "SELECT 'x' AS audio_path, 'OLD' AS \"ö\"", ["audio_path", "Ö"]),
        ("include=[error, words]", "SELECT 'x' AS audio_path, 1 AS ERROR, 2 AS words, 3 AS duration",
         ["audio_path", "duration", "predicted", "error", "words"]),
        ("result_col='AUDIO_PATH'", "SELECT 'x' AS audio_path", ["AUDIO_PATH"]),
        ("audio_col=error, include=error", "SELECT 'x' AS error, 'OLD' AS predicted", ["predicted", "error"]),
        ("audio_col=words, result_col=words", "SELECT 1 AS a, 'x' AS words, 'OLD' AS error", ["a", "error", "words"]),
    ],
)  # fmt: skip
def test_a_new_column_replaces_the_one_of_its_name(
    database: Database, options: str, query: str, expected: list[str]
) -> None:
    sql = f"PREDICT USING m OPTIONS ({options}) AS {query}"
    assert columns(database, sql) == expected
    assert "OLD" not in run(database, sql)[0] or "error" in expected[:2]
    database.execute(rewrite(f"CREATE OR REPLACE TABLE kept AS {sql}"))
    assert columns(database, "FROM kept") == expected
    database.execute(rewrite(f"CREATE OR REPLACE VIEW seen AS {sql}"))
    assert columns(database, "FROM seen") == expected
    database.execute(rewrite(f"PREPARE later AS {sql}"))
    assert columns(database, "EXECUTE later") == expected


@pytest.mark.parametrize(
    "query",
    [
        "SELECT {'audio_path': 'x'} AS src",
        "SELECT (SELECT count(*) FROM (PREDICT USING m AS SELECT 1 AS n)) FROM (SELECT 'x' AS audio_path) AS src",
    ],
)
def test_no_other_column_stands_in_for_the_one_that_is_missing(database: Database, query: str) -> None:
    with pytest.raises(duckdb.BinderException, match="audio_path"):
        run(database, query if "PREDICT" in query else f"PREDICT USING m AS {query}")


def test_print_audio_replaces_columns_too(database: Database) -> None:
    sql = "PRINT AUDIO AS SELECT 'x.wav' AS audio_path, 'OLD' AS Format"
    assert columns(database, sql) == ["audio_path", "duration", "format", "error"]
    assert run(database, sql) == [("x.wav", 1.5, "wav", None)]


def test_the_plan_is_the_one_of_a_star(database: Database) -> None:
    rewritten = rewrite(
        "SELECT speaker, predicted FROM (PREDICT USING m AS FROM librispeech_test) WHERE speaker = 'ann' LIMIT 1"
    )
    kept = "COLUMNS(system.main.list_filter(*, lambda c: thano_keeps(c, system.main.list_value('predicted'))))"
    star = rewritten.replace(kept, "_thano_rows.*")
    assert star != rewritten
    plans = [database.execute(f"EXPLAIN {sql}").fetchall() for sql in (rewritten, star)]
    assert plans[0] == plans[1]


def test_a_union_after_predict_is_predicted_too(database: Database) -> None:
    union = "SELECT 'x' AS audio_path UNION ALL SELECT 'y'"
    assert run(database, f"PREDICT USING m AS {union}") == [("x", "m hears x"), ("y", "m hears y")]
    assert run(database, "(PREDICT USING m AS SELECT 'x' AS audio_path) UNION ALL SELECT 'y', NULL") == [
        ("x", "m hears x"),
        ("y", None),
    ]


def test_limit_and_order_of_the_query_hold(database: Database) -> None:
    sql = "PREDICT USING m AS SELECT audio_path FROM librispeech_test ORDER BY 1 DESC NULLS LAST LIMIT 1"
    assert run(database, sql) == [("d.wav", "m hears d.wav")]


@pytest.mark.parametrize("parameter", ["?", "$1"])
def test_parameters_within_the_query_are_duckdbs(database: Database, parameter: str) -> None:
    sql = f"PREDICT USING m AS SELECT audio_path FROM librispeech_test WHERE speaker = {parameter}"
    assert run(database, sql, "bob") == [("b.wav", "m hears b.wav")]


def test_a_result_can_be_kept_read_again_and_added_to(database: Database) -> None:
    run(
        database,
        "CREATE TABLE kept AS PREDICT USING m AS SELECT audio_path FROM librispeech_test WHERE speaker = 'bob'",
    )
    run(database, "INSERT INTO kept PREDICT USING n AS SELECT recording AS audio_path FROM calls")
    run(database, "CREATE VIEW again AS PREDICT USING k OPTIONS (result_col='again') AS FROM kept")
    assert run(database, "FROM again") == [
        ("b.wav", "m hears b.wav", "k hears b.wav"),
        ("x.wav", "n hears x.wav", "k hears x.wav"),
    ]


def test_list_model_omits_the_built_in_models(database: Database) -> None:
    assert run(database, "SELECT name FROM (LIST MODEL)") == [("mine",)]
    assert run(database, "SELECT name FROM (LIST THANOSQL MODEL)") == [("Wav2Vec2En",), ("mine",)]


def test_list_table_tells_tables_of_one_name_apart_and_shows_views(database: Database) -> None:
    database.execute("CREATE SCHEMA old; CREATE TABLE old.calls AS SELECT 1; CREATE VIEW seen AS FROM calls")
    assert set(run(database, "FROM (LIST TABLES) WHERE table_name IN ('calls', 'seen')")) >= {
        ("calls", "main", "memory", "table"),
        ("calls", "old", "memory", "table"),
        ("seen", "main", "memory", "view"),
    }


def test_a_table_called_list_keeps_its_aliases(database: Database) -> None:
    database.execute("CREATE TABLE list AS SELECT 7 AS n")
    assert run(database, "SELECT model.n FROM list model") == [(7,)]
    assert run(database, "SELECT model.n FROM (list AS model)") == [(7,)]
    assert run(database, "SELECT model.n FROM (list model JOIN calls ON true)") == [(7,)]
    assert run(database, "SELECT models.n FROM (list models JOIN calls ON true), (list AS tables)") == [(7,)]


def test_names_and_options_reach_the_registry(database: Database) -> None:
    get = "GET THANOSQL MODEL 'hf://a/b' OPTIONS (overwrite=true, model_name='mine')"
    assert run(database, get) == [("hf://a/b", '{"model_name": "mine", "overwrite": true}')]
    assert run(database, "UPLOAD MODEL mine FROM 'C:\\models\\it''s'") == [("mine", "C:\\models\\it's", "{}")]
    assert run(database, "DELETE MODEL mine") == [("mine", [1, 2])]


CSV = "'thanosql-dataset/librispeech_data/librispeech_train.csv'"


@pytest.mark.usefixtures("data_files")
def test_copy_refuses_replaces_or_appends(own_database: Database) -> None:
    run(own_database, f"COPY t OPTIONS () FROM {CSV}")
    for options in ("", "if_exists='fail'", "overwrite=False"):
        with pytest.raises(duckdb.CatalogException, match="already exists"):
            run(own_database, f"COPY t OPTIONS ({options}) FROM {CSV}")
    run(own_database, f"COPY t OPTIONS (if_exists='append') FROM {CSV}")
    assert run(own_database, "FROM t") == [("a.wav", "one")] * 2
    run(own_database, f"COPY t OPTIONS (overwrite=True) FROM {CSV}")
    assert run(own_database, "FROM t") == [("a.wav", "one")]


@pytest.mark.usefixtures("data_files")
def test_copy_appends_to_a_new_table_and_by_the_names_of_the_columns(database: Database) -> None:
    run(database, f"COPY fresh OPTIONS (if_exists='append') FROM {CSV}")
    assert run(database, "FROM fresh") == [("a.wav", "one")]
    run(database, "CREATE TABLE turned (text VARCHAR, audio_path VARCHAR)")
    run(database, f"COPY turned OPTIONS (if_exists='append') FROM {CSV}")
    assert run(database, "FROM turned") == [("one", "a.wav")]


@pytest.mark.parametrize(
    ("file", "reader"),
    [
        ("a.csv", "read_csv"),
        ("a.TSV", "read_csv"),
        ("a.txt", "read_csv"),
        ("a.csv.zst", "read_csv"),
        ("dir.v1/*.parquet", "read_parquet"),
        ("a.pqt", "read_parquet"),
        ("a.ndjson.gz", "read_json"),
        ("https://host/a.csv?token=1.x", "read_csv"),
        ("s3://bucket/**/*.parquet", "read_parquet"),
        ("file?.csv", "read_csv"),
        ("clips", "thano_copied_audio"),
        ("C:\\clips.v1\\", "thano_copied_audio"),
        ("clips/*", "thano_copied_audio"),
        ("a.wav", "thano_copied_audio"),
        ("clips/*.Flac", "thano_copied_audio"),
    ],
)
def test_copy_chooses_the_reader_by_the_suffix(file: str, reader: str) -> None:
    is_local_table = reader != "thano_copied_audio" and "://" not in file
    location = f"thano_copied_file('{file}')" if is_local_table else f"'{file}'"
    function = reader if reader.startswith("thano_") else f"system.main.{reader}"
    assert rewrite(f"COPY t OPTIONS () FROM '{file}'") == f"CREATE TABLE t AS SELECT * FROM {function}({location})"


@pytest.mark.parametrize("suffix", AUDIO_SUFFIXES)
def test_copy_reads_every_audio_format(suffix: str) -> None:
    assert "FROM thano_copied_audio('a" in rewrite(f"COPY t OPTIONS () FROM 'a{suffix}'")
