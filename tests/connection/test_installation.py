"""Our functions and macros are there before the first statement, whatever it is, and nothing takes their place."""

from __future__ import annotations

import signal
from pathlib import Path
from typing import Any

import duckdb
import pytest

import thano_duckdb
from tests.training.kit import write_model
from thano_duckdb.functions.arrow import Function
from thano_duckdb.functions.installation import FUNCTIONS

# A statement runs once


@pytest.mark.parametrize("method", ["execute", "sql"])
def test_a_script_that_fails_is_not_run_again(con: thano_duckdb.Connection, method: str) -> None:
    con.execute("CREATE TABLE log (i INTEGER)")
    with con.cursor() as cursor:
        for _ in range(2):
            with pytest.raises(duckdb.CatalogException, match="thano_nothing"):
                getattr(cursor, method)("INSERT INTO log VALUES (1); SELECT * FROM thano_nothing")
        assert con.execute("SELECT count(*) FROM log").fetchall() == [(2,)]


def test_relations_are_made_while_rows_are_left_to_fetch() -> None:
    with thano_duckdb.connect() as con:
        con.execute("FROM range(10000)")
        assert con.fetchone() == (0,)
        assert con.sql("SELECT thano_normalize('X')").columns == ["thano_normalize('X')"]
        assert con.sql("PREDICT USING Wav2Vec2TinyEn AS SELECT 'a' AS audio_path").columns == [
            "audio_path",
            "predicted",
        ]
        with pytest.raises(duckdb.ResourceInUseException):
            con.sql("LIST MODEL").fetchall()
        assert len(con.fetchall()) == 9_999


@pytest.mark.parametrize("query", [None, 5, b"SELECT 1", ["x"]])
@pytest.mark.parametrize("method", ["execute", "sql", "executemany"])
def test_what_is_no_sql_is_refused_in_duckdbs_words(method: str, query: Any) -> None:
    with duckdb.connect() as plain, pytest.raises((TypeError, duckdb.Error)) as expected:
        getattr(plain, method)(query)
    with thano_duckdb.connect() as con, pytest.raises(type(expected.value)) as refused:
        getattr(con, method)(query)
    assert str(refused.value).splitlines()[0] == str(expected.value).splitlines()[0]


def test_a_connection_of_ours_needs_no_functions() -> None:
    with thano_duckdb.connect() as con, pytest.raises(TypeError, match="has the functions already"):
        thano_duckdb.load(con)  # type: ignore[arg-type]


@pytest.mark.parametrize("given", ["my.duckdb", None, 3])
def test_what_is_no_connection_is_refused_in_one_sentence(given: Any) -> None:
    with pytest.raises(TypeError, match=rf"^load takes a DuckDB connection, .*, not {type(given).__name__}$"):
        thano_duckdb.load(given)
    with pytest.raises(TypeError, match=r"^plot_training takes a connection, then the model, not"):
        thano_duckdb.plot_training(given, "m")


# Macros of the database

HOSTILE = (
    "thano_transcribe(model, audio, options := NULL) AS {'text': 'wrong', 'error': NULL}",
    "thano_wer(a, b) AS 42",
    "thano_normalize(a) AS 'wrong'",
    "thano_word_errors(a, b) AS 42",
    "_thano_models(a) AS 'wrong'",
    "list_transform(a, b) AS [42]",
    "list_contains(a, b) AS false",
    "list_value(a) AS 42",
    "lower(a) AS 'wrong'",
    "struct_pack(audio, text) AS 42",
    "sum(a) AS 42",
    "nullif(a, b) AS 42",
    '"+"(a, b) AS 42',
    '"*"(a, b) AS 42',
    '"/"(a, b) AS 42',
    '"//"(a, b) AS 42',
    '"%"(a, b) AS 42',
    "\"||\"(a, b) AS 'wrong'",
    "read_csv(a) AS TABLE SELECT 42 AS a",
    "duckdb_tables() AS TABLE SELECT 'wrong' AS table_name, false AS internal",
    "duckdb_views() AS TABLE SELECT 'wrong' AS view_name, false AS internal",
    "\"glob\"(a) AS TABLE SELECT 'wrong' AS file",
)


@pytest.mark.parametrize("locked", [False, True])
def test_macros_of_a_database_file_do_not_take_the_place_of_functions(tmp_path: Path, locked: bool) -> None:
    (tmp_path / "t.csv").write_text("a\n1\n", encoding="utf-8")
    with duckdb.connect(tmp_path / "hostile.duckdb") as plain:
        plain.execute(f"CREATE MACRO {HOSTILE[0]}")
        plain.execute("CREATE VIEW v AS SELECT thano_transcribe('Wav2Vec2TinyEn', NULL).text AS text")
        for macro in HOSTILE[1:]:
            plain.execute(f"CREATE MACRO {macro}")
    with thano_duckdb.connect(tmp_path / "hostile.duckdb", config={"lock_configuration": locked}) as con:
        assert con.table("v").fetchall() == [(None,)]
        assert con.execute("SELECT thano_wer('a b c', 'A b d'), thano_normalize('A!')").fetchall() == [(1 / 3, "a")]
        assert con.execute("SELECT thano_word_errors('a', 'b').substitutions").fetchall() == [(1,)]
        with pytest.warns(thano_duckdb.ThanoWarning, match="column 'predicted' of the query is replaced"):
            predicted = con.sql(
                "PREDICT USING Wav2Vec2TinyEn AS SELECT NULL AS audio_path, 'old' AS predicted"
            ).fetchall()
        assert predicted == [(None, None)]
        assert con.execute("SELECT table_name, kind FROM (LIST TABLE)").fetchall() == [("v", "view")]
        assert con.execute("LIST MODEL").fetchall() == []
        con.execute(f"COPY t OPTIONS () FROM '{tmp_path / 't.csv'}'")
        assert con.table("t").fetchall() == [(1,)]
        with pytest.raises(thano_duckdb.ThanoError, match="there is no file or folder"):
            con.execute(f"SELECT * FROM thano_audio('{tmp_path / 'nothing'}')").fetchall()


# Ctrl-C


@pytest.fixture
def registered(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The names of the functions registered so far; Ctrl-C is pressed before the third."""
    names: list[str] = []
    register = Function.register

    def interrupted(function: Function, connection: duckdb.DuckDBPyConnection) -> None:
        names.append(function.name)
        if len(names) == 3:
            signal.raise_signal(signal.SIGINT)
        register(function, connection)

    monkeypatch.setattr(Function, "register", interrupted)
    return names


def test_ctrl_c_waits_until_the_functions_are_installed(registered: list[str]) -> None:
    with thano_duckdb.connect() as con:
        with pytest.raises(KeyboardInterrupt):
            con.execute("SELECT thano_normalize('A!')")
        assert registered == [function.name for function in FUNCTIONS]
        assert con.execute("SELECT thano_normalize('A!')").fetchall() == [("a",)]


def test_ctrl_c_waits_until_load_has_finished(registered: list[str]) -> None:
    with duckdb.connect() as plain:
        with pytest.raises(KeyboardInterrupt):
            thano_duckdb.load(plain)
        assert registered == [function.name for function in FUNCTIONS]
        assert plain.execute("SELECT thano_normalize('A!')").fetchall() == [("a",)]


# Only a statement that says so changes models


def test_a_view_or_a_macro_changes_no_models(tmp_path: Path) -> None:
    with thano_duckdb.connect(tmp_path / "shared.duckdb", model_home=tmp_path / "home") as con:
        con.execute(f"UPLOAD MODEL precious FROM '{write_model(tmp_path / 'checkpoint')}'")
        with con.cursor() as other:
            other.execute("CREATE VIEW innocent AS SELECT name AS audio_path FROM thano_delete_model('precious')")
            other.execute("CREATE MACRO innocent() AS TABLE SELECT name FROM thano_delete_model('precious')")
        for query in (
            "FROM innocent",
            "FROM innocent()",
            "PREDICT USING Wav2Vec2TinyEn AS FROM innocent",
            "CREATE TABLE t AS FROM innocent",
        ):
            for run in (con.execute, con.sql):
                with pytest.raises(thano_duckdb.RegistryError, match="changed only by a statement that says so"):
                    run(query).fetchall()
        with pytest.raises(thano_duckdb.RegistryError, match="changed only by a statement that says so"):
            con.table("innocent").fetchall()
        con.begin()
        with pytest.raises(thano_duckdb.RegistryError, match="changed only by a statement that says so"):
            con.execute("FROM innocent")
        con.rollback()
        with pytest.raises(thano_duckdb.RegistryError, match="changed only by a statement that says so"):
            con.execute("BUILD MODEL new USING Wav2Vec2TinyEn AS SELECT audio_path, 'a' AS text FROM innocent")
        assert con.execute("SELECT name FROM (LIST MODEL)").fetchall() == [("precious",)]
        statement, *_ = con.extract_statements("DELETE MODEL precious")
        con.begin()
        with pytest.raises(thano_duckdb.RegistryError, match="inside a transaction"):
            con.execute(statement)
        con.rollback()
        con.execute(statement)
        assert con.execute("LIST MODEL").fetchall() == []


def test_whoever_learns_a_token_deletes_no_models(tmp_path: Path) -> None:
    with thano_duckdb.connect(tmp_path / "shared.duckdb", model_home=tmp_path / "home") as con:
        con.execute(f"UPLOAD MODEL precious FROM '{write_model(tmp_path / 'checkpoint')}'")
        token = con._session.token
        with con.raw.cursor() as other, pytest.raises(duckdb.Error, match="changed only by a statement that says so"):
            other.execute(f"SELECT system.main._thano_delete_model('precious', false, NULL, '{token}')").fetchall()
        assert con.execute("SELECT name FROM (LIST MODEL)").fetchall() == [("precious",)]


# Forged calls


@pytest.mark.parametrize(
    ("call", "problem"),
    [
        ("system.main.thano_normalize(1)", "thano_normalize takes 2 arguments, not 1"),
        ("system.main.thano_word_errors(1, 2, 3)", "thano_word_errors takes 4 arguments, not 3"),
        ("system.main._thano_audio_info(1)", "_thano_audio_info takes 3 arguments, not 1"),
        ("system.main._thano_models(1, 2)", "_thano_models takes 1 argument, not 2"),
        ("thano_audio_info('a.wav'::VARIANT)", "not a VARIANT"),
    ],
)
def test_a_call_with_other_arguments_says_what_is_wrong(con: thano_duckdb.Connection, call: str, problem: str) -> None:
    with pytest.raises(thano_duckdb.ThanoError, match=problem):
        con.execute(f"SELECT {call}").fetchall()


@pytest.mark.parametrize("model", ["mine@" + "9" * 5000, "m" * 5000, "./" + "m" * 5000])
def test_a_model_name_of_any_length_is_unknown(con: thano_duckdb.Connection, model: str) -> None:
    with pytest.raises(thano_duckdb.DialectError, match=r"neither the name of a model|no model folder"):
        con.execute(f"PREDICT USING '{model}' AS SELECT 'a.wav' AS audio_path")
