"""The connection in Python: DuckDB's whole API, with our statements in it."""

from __future__ import annotations

import subprocess
import sys
import threading
import warnings
from pathlib import Path
from typing import Any, Literal

import duckdb
import pandas as pd
import pytest

import thano_duckdb
from thano_duckdb import DialectError, ModelError, ThanoWarning
from thano_duckdb.functions.installation import FUNCTIONS

MODULE_FRAME = pd.DataFrame({"n": [1, 2]})


# DuckDB's own SQL and API


def test_plain_sql_behaves_as_in_duckdb(con: thano_duckdb.Connection) -> None:
    relation = con.sql("SELECT i, i * 2 AS twice FROM range(5) t(i)")
    assert isinstance(relation, duckdb.DuckDBPyRelation)
    assert relation.filter("i > 2").project("twice").fetchall() == [(6,), (8,)]
    assert len(relation) == 5
    assert relation.columns == ["i", "twice"]
    assert next(iter(relation.iter_rows())) == (0, 0)
    assert con.execute("SELECT 42").fetchall() == [(42,)]
    assert con.query("SELECT 1 AS a").df()["a"].tolist() == [1]
    assert con.from_query("SELECT 1").fetchall() == [(1,)]
    assert con.values([1, 2]).fetchall() == [(1, 2)]


def test_ddl_and_transactions_and_the_description_of_rows(con: thano_duckdb.Connection) -> None:
    con.sql("CREATE TABLE t AS SELECT 1 AS a")
    con.execute("SELECT a FROM t")
    assert [column[0] for column in con.description] == ["a"]
    con.begin()
    con.execute("INSERT INTO t VALUES (2)")
    con.rollback()
    assert con.table("t").fetchall() == [(1,)]


def test_relations_join_plain_relations_and_are_found_by_their_variable(con: thano_duckdb.Connection) -> None:
    numbers = con.sql("SELECT i FROM range(3) t(i)")
    squares = con.sql("SELECT i, i * i AS square FROM numbers")
    assert numbers.join(squares, "i").order("i").fetchall() == [(0, 0), (1, 1), (2, 4)]
    assert con.execute("SELECT sum(square) FROM squares").fetchall() == [(5,)]


def test_the_callers_data_frames_are_found_whatever_their_names(con: thano_duckdb.Connection) -> None:
    query = pd.DataFrame({"n": [10]})  # noqa: F841 - DuckDB finds it by its name
    text = pd.DataFrame({"n": [20]})  # noqa: F841 - DuckDB finds it by its name
    self = pd.DataFrame({"n": [30]})  # noqa: F841 - DuckDB finds it by its name
    assert con.sql("SELECT n FROM query UNION ALL SELECT n FROM text UNION ALL SELECT n FROM self").fetchall() == [
        (10,),
        (20,),
        (30,),
    ]
    assert con.execute("SELECT count(*) FROM MODULE_FRAME").fetchall() == [(2,)]


def test_parameters(con: thano_duckdb.Connection) -> None:
    assert con.execute("SELECT ? + ?", [1, 2]).fetchall() == [(3,)]
    assert con.sql("SELECT $a AS a", params={"a": "x"}).fetchall() == [("x",)]
    con.execute("CREATE TABLE t (a INTEGER)")
    con.executemany("INSERT INTO t VALUES (?)", [[1], [2]])
    assert con.table("t").fetchall() == [(1,), (2,)]


def test_statement_objects_run(con: thano_duckdb.Connection) -> None:
    first, second = con.extract_statements("SELECT 1; SELECT 2")
    assert con.execute(second).fetchall() == [(2,)]
    assert con.sql(first).fetchall() == [(1,)]


def test_errors_of_duckdb_are_passed_on_unchanged(con: thano_duckdb.Connection) -> None:
    with pytest.raises(duckdb.ParserException):
        con.sql("SELEC 1")
    with pytest.raises(duckdb.CatalogException, match="nothing_here"):
        con.execute("SELECT * FROM nothing_here")
    with pytest.raises(AttributeError):
        _ = con.no_such_method


# Our statements


def test_predict_keeps_the_columns_and_adds_the_text(an4_con: thano_duckdb.Connection, an4_model: Path) -> None:
    rows = an4_con.sql(f"PREDICT USING '{an4_model}' AS SELECT id, audio_path FROM an4 ORDER BY id LIMIT 3")
    assert rows.columns == ["id", "audio_path", "predicted"]
    assert [row[0] for row in rows.fetchall()] == [0, 1, 2]
    assert all(isinstance(row[2], str) and row[2] for row in rows.fetchall())


def test_predict_works_wherever_a_query_may_stand(
    an4_con: thano_duckdb.Connection, an4_model: Path, tmp_path: Path
) -> None:
    predict = f"PREDICT USING '{an4_model}' AS SELECT id, audio_path FROM an4 WHERE id < 3"
    expected = an4_con.sql(f"SELECT id, predicted FROM ({predict}) ORDER BY id").fetchall()
    an4_con.execute(f"CREATE TABLE made AS {predict}")
    an4_con.execute(f"CREATE VIEW seen AS {predict}")
    an4_con.execute(f"COPY ({predict}) TO '{tmp_path / 'out.parquet'}'")
    an4_con.execute("CREATE TABLE filled (id INTEGER, audio_path VARCHAR, predicted VARCHAR)")
    an4_con.execute(f"INSERT INTO filled {predict}")
    for source in ("made", "seen", "filled", f"'{tmp_path / 'out.parquet'}'"):
        assert an4_con.execute(f"SELECT id, predicted FROM {source} ORDER BY id").fetchall() == expected
    assert an4_con.execute(f"WITH p AS ({predict}) SELECT count(*) FROM p").fetchall() == [(3,)]
    twice = f"{predict} AND id = 0"
    assert len(an4_con.sql(f"({twice}) UNION ALL ({twice})")) == 2
    assert an4_con.sql(f"EXPLAIN {predict}").fetchall()[0][0] == "physical_plan"


def test_predict_takes_prepared_parameters(an4_con: thano_duckdb.Connection, an4_model: Path) -> None:
    predict = f"PREDICT USING '{an4_model}' AS SELECT id, audio_path FROM an4 WHERE id = "
    expected = an4_con.sql(predict + "5").fetchall()
    assert an4_con.execute(predict + "?", [5]).fetchall() == expected
    assert an4_con.sql(predict + "$id", params={"id": 5}).fetchall() == expected


def test_predict_over_the_callers_data_frame(an4_con: thano_duckdb.Connection, an4_model: Path) -> None:
    clips = an4_con.table("an4").limit(2).df()
    found = an4_con.sql(f"PREDICT USING '{an4_model}' AS SELECT * FROM clips").df()
    assert found["audio_path"].tolist() == clips["audio_path"].tolist()
    assert found["predicted"].notna().all()


def test_a_missing_column_is_reported_with_its_position(an4_con: thano_duckdb.Connection, an4_model: Path) -> None:
    with pytest.raises(DialectError, match="audio_pth") as caught:
        an4_con.sql(f"PREDICT USING '{an4_model}'\nOPTIONS (audio_col='audio_pth') AS SELECT * FROM an4")
    assert (caught.value.line, caught.value.column) == (2, 20)
    assert "Did you mean 'audio_path'?" in str(caught.value)


def test_a_query_that_uses_the_result_of_its_own_predict_is_explained(
    an4_con: thano_duckdb.Connection, an4_model: Path
) -> None:
    with pytest.raises(DialectError, match=r"SELECT .. FROM \(PREDICT ..\) WHERE predicted"):
        an4_con.sql(f"PREDICT USING '{an4_model}' AS SELECT * FROM an4 WHERE predicted = 'YES'")
    with pytest.raises(duckdb.BinderException, match="nothing_here"):
        an4_con.sql(f"PREDICT USING '{an4_model}' AS SELECT * FROM an4 WHERE nothing_here = 'YES'")


def test_an_unknown_model_is_reported_with_its_position_before_anything_runs(an4_con: thano_duckdb.Connection) -> None:
    with pytest.raises(DialectError, match="Wav2Vec2Em") as caught:
        an4_con.sql("PREDICT USING Wav2Vec2Em AS SELECT * FROM an4")
    assert (caught.value.line, caught.value.column) == (1, 15)
    assert "Did you mean 'Wav2Vec2En'?" in str(caught.value)
    with pytest.raises(ModelError, match="nowhere"):
        an4_con.sql("SELECT thano_transcribe('nowhere', audio_path) FROM an4").fetchall()


def test_options_of_training_are_ignored_with_a_warning(an4_con: thano_duckdb.Connection, an4_model: Path) -> None:
    with pytest.warns(ThanoWarning, match="epochs") as caught:
        an4_con.sql(f"PREDICT USING '{an4_model}' OPTIONS (epochs=1) AS SELECT * FROM an4 LIMIT 1").fetchall()
    assert caught[0].filename == __file__


def test_one_warning_per_statement_counts_the_failed_clips(an4_con: thano_duckdb.Connection, an4_model: Path) -> None:
    an4_con.execute("CREATE TABLE clips AS SELECT audio_path FROM an4 WHERE id < 2")
    an4_con.execute("INSERT INTO clips SELECT 'lost_' || i || '.wav' FROM range(3) t(i)")
    predict = f"PREDICT USING '{an4_model}' AS SELECT * FROM clips"
    with pytest.warns(ThanoWarning) as caught:
        an4_con.execute(f"CREATE TABLE made AS {predict}")
    assert len(caught) == 1
    assert "3 clips" in str(caught[0].message)
    assert "lost_0.wav" in str(caught[0].message)
    relation = an4_con.sql(predict)
    for _ in range(2):  # a relation runs again on each read
        with pytest.warns(ThanoWarning, match="3 clips"):
            assert [row[1] is None for row in relation.fetchall()] == [False, False, True, True, True]
    with warnings.catch_warnings(record=True) as caught_while_fetching:
        warnings.simplefilter("always")
        an4_con.execute(predict)
        while an4_con.fetchone():
            pass
    assert len(caught_while_fetching) == 1


def test_the_warning_says_that_several_rows_have_the_same_clips(
    con: thano_duckdb.Connection, any_small_model: Path
) -> None:
    predict = "PREDICT USING Wav2Vec2TinyEn AS SELECT 'lost_' || (i % {}) || '.wav' AS audio_path FROM range({}) t(i)"
    for n_clips, n_rows, start in (
        (3, 5_000, r"3 clips could not be transcribed and gave NULL in every row with one of them \(lost_\d\.wav"),
        (1, 2, r"1 clip could not be transcribed and gave NULL in every row with it \(lost_0\.wav"),
        (
            3,
            3,
            r"3 clips could not be transcribed and gave NULL \(lost_\d\.wav: No such file: '[^']*'; \.\.\.\)\. PREDICT",
        ),
    ):
        with pytest.warns(ThanoWarning, match=start) as caught:
            con.execute(predict.format(n_clips, n_rows)).fetchall()
        assert len(caught) == 1


@pytest.mark.parametrize(("action", "n_shown"), [("default", 3), ("once", 1), ("ignore", 0)])
def test_a_statement_in_a_loop_warns_each_time_unless_the_user_wants_it_once(
    con: thano_duckdb.Connection, action: Literal["default", "once", "ignore"], n_shown: int
) -> None:
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter(action, ThanoWarning)
        for _ in range(3):
            con.execute("PREDICT USING Wav2Vec2TinyEn OPTIONS (epochs=3) AS SELECT NULL AS audio_path")
    assert len(caught) == n_shown


def test_an_empty_path_is_warned_of_by_its_reason_alone(con: thano_duckdb.Connection, any_small_model: Path) -> None:
    with pytest.warns(ThanoWarning, match=r"gave NULL \(The path is empty\.\)\. PREDICT"):
        con.execute("PREDICT USING Wav2Vec2TinyEn AS SELECT '' AS audio_path").fetchall()
    with pytest.raises(thano_duckdb.AudioError, match=r"^The path is empty\. \(the statement has on_error='fail'"):
        con.execute("PREDICT USING Wav2Vec2TinyEn OPTIONS (on_error='fail') AS SELECT '' AS audio_path").fetchall()


def test_on_error_fail_stops_the_statement(an4_con: thano_duckdb.Connection, an4_model: Path) -> None:
    statement = f"PREDICT USING '{an4_model}' OPTIONS (on_error='fail') AS SELECT 'lost.wav' AS audio_path"
    with pytest.raises(thano_duckdb.AudioError, match=r"lost\.wav"):
        an4_con.sql(statement).fetchall()
    assert an4_con.execute("SELECT 1").fetchall() == [(1,)]


def test_models_are_uploaded_listed_used_and_deleted_by_sql(an4_model: Path, an4_clip: str, tmp_path: Path) -> None:
    with thano_duckdb.connect(tmp_path / "my.duckdb") as own:
        uploaded = own.sql(f"UPLOAD MODEL spelling FROM '{an4_model}'")
        assert uploaded.fetchall() == uploaded.fetchall()  # read twice, uploaded once
        assert own.sql("SELECT name, version FROM (LIST MODEL)").fetchall() == [("spelling", 1)]
        assert "Wav2Vec2En" in [row[0] for row in own.sql("LIST THANOSQL MODEL").fetchall()]
        with pytest.raises(ModelError, match="overwrite"):
            own.execute(f"UPLOAD MODEL spelling FROM '{an4_model}'")
        own.execute(f"UPLOAD MODEL Spelling OPTIONS (overwrite=True) FROM '{an4_model}'")
        assert own.sql("SELECT version FROM (LIST MODEL) ORDER BY version").fetchall() == [(1,), (2,)]
    with thano_duckdb.connect(tmp_path / "my.duckdb") as later:  # a later process finds it by its name
        for name in ("spelling", "SPELLING", "spelling@1"):
            rows = later.sql(f"PREDICT USING {name} AS SELECT '{an4_clip}' AS audio_path").fetchall()
            assert rows[0][1]
        later.sql("DELETE MODEL spelling")
        assert later.sql("LIST MODEL").fetchall() == []
        with pytest.raises(ModelError, match="spelling"):
            later.sql("DELETE MODEL spelling")


def test_an_executed_upload_returns_its_row_and_does_not_block_the_connection(an4_model: Path, tmp_path: Path) -> None:
    with thano_duckdb.connect(model_home=tmp_path) as con:
        assert con.execute(f"UPLOAD MODEL a FROM '{an4_model}'").fetchall()[0][:3] == ("a", 1, "uploaded")
        con.execute(f"UPLOAD MODEL b FROM '{an4_model}'")
        assert [row[0] for row in con.sql("LIST MODEL").fetchall()] == ["a", "b"]
        con.execute(f"UPLOAD MODEL c FROM '{an4_model}'")
        assert con.values([1]).fetchall() == [(1,)]


def test_one_text_may_upload_a_model_and_use_it(an4_model: Path, an4_clip: str, tmp_path: Path) -> None:
    with thano_duckdb.connect(model_home=tmp_path) as con:
        rows = con.sql(f"UPLOAD MODEL a FROM '{an4_model}'; PREDICT USING a AS SELECT '{an4_clip}' AS audio_path")
        assert rows.fetchall()[0][1]
        assert len(con.sql("LIST MODEL")) == 1
        with pytest.raises(DialectError, match="there is no model 'b'") as caught:
            con.sql(f"UPLOAD MODEL c FROM '{an4_model}';\nPREDICT USING b AS SELECT '{an4_clip}' AS audio_path")
        assert caught.value.line == 2


def test_views_work_in_a_later_process_and_the_database_file_holds_no_function_of_ours(
    an4_model: Path, an4_clip: str, tmp_path: Path
) -> None:
    database = tmp_path / "my.duckdb"
    with thano_duckdb.connect(database) as first:
        first.execute(f"CREATE VIEW v AS PREDICT USING '{an4_model}' AS SELECT '{an4_clip}' AS audio_path")
        expected = first.sql("FROM v").fetchall()
    with thano_duckdb.connect(database, read_only=True) as second:
        assert second.sql("FROM v").fetchall() == expected
    with duckdb.connect(database) as plain:
        ours = "SELECT count(*) FROM duckdb_functions() WHERE function_name LIKE '%thano%'"
        assert plain.execute(ours).fetchall() == [(0,)]


# Functions and macros are installed when something needs them


def test_a_new_connection_runs_each_statement_of_a_script_once() -> None:
    with thano_duckdb.connect() as con:
        con.execute("FROM range(10000)")
        con.fetchone()  # the others are left, in the way of an installation
        script = "CREATE TABLE t AS SELECT 'a b' AS x; SELECT thano_wer(x, 'a c') FROM t"
        assert con.execute(script).fetchall() == [(0.5,)]


@pytest.mark.parametrize("open_again", [thano_duckdb.Connection.cursor, lambda con: con])
def test_a_macro_of_the_database_does_not_stand_in_for_ours(open_again: Any, tmp_path: Path) -> None:
    with duckdb.connect(tmp_path / "my.duckdb") as plain:
        plain.execute("CREATE MACRO thano_wer(a, b) AS 42")
    with thano_duckdb.connect(tmp_path / "my.duckdb") as con, open_again(con) as new:
        assert new.execute("SELECT thano_wer('a', 'a')").fetchall() == [(0.0,)]


def test_functions_are_registered_where_an_earlier_attempt_got_only_to_the_first() -> None:
    with duckdb.connect() as plain:
        FUNCTIONS[0].register(plain.cursor())
        thano_duckdb.load(plain)
        assert plain.execute("SELECT thano_normalize('A')").fetchall() == [("a",)]


def test_connecting_imports_none_of_the_large_libraries() -> None:
    code = (
        "import sys, thano_duckdb; con = thano_duckdb.connect(); con.cursor()\n"
        "print([name for name in ('numpy', 'pyarrow', 'torch', 'IPython') if name in sys.modules])"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout == "[]\n"


# Threads and lifetime


def test_two_threads_with_a_cursor_each(an4_con: thano_duckdb.Connection, an4_model: Path) -> None:
    statement = f"PREDICT USING '{an4_model}' AS SELECT id, audio_path FROM an4 WHERE id % 2 = "
    expected = [an4_con.sql(statement + str(half)).fetchall() for half in (0, 1)]
    found: dict[int, list[tuple[object, ...]]] = {}

    def work(half: int) -> None:
        with an4_con.cursor() as cursor:
            found[half] = cursor.execute(statement + str(half)).fetchall()

    threads = [threading.Thread(target=work, args=(half,)) for half in (0, 1)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [found[0], found[1]] == expected


def test_failed_clips_are_counted_per_connection(an4_con: thano_duckdb.Connection, an4_model: Path) -> None:
    with an4_con.cursor() as other, warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        an4_con.execute(f"PREDICT USING '{an4_model}' AS SELECT 'a.wav' AS audio_path")
        other.execute(f"PREDICT USING '{an4_model}' AS SELECT 'b' || i || '.wav' AS audio_path FROM range(2) t(i)")
        an4_con.fetchall()
        other.fetchall()
    assert ["a.wav" in str(warning.message) for warning in caught] == [True, False]


def test_two_connections_have_their_own_models(an4_model: Path, tmp_path: Path) -> None:
    with (
        thano_duckdb.connect(model_home=tmp_path / "one") as one,
        thano_duckdb.connect(model_home=tmp_path / "two") as two,
    ):
        one.execute(f"UPLOAD MODEL mine FROM '{an4_model}'")
        assert len(one.sql("LIST MODEL")) == 1
        assert len(two.sql("LIST MODEL")) == 0


QUIET_EXIT = """
import sys, threading, thano_duckdb
con = thano_duckdb.connect()
rows = con.sql("PREDICT USING '{model}' AS SELECT '{clip}' AS audio_path").fetchall()
cursor = con.cursor()
{close}
# Dummy threads are those of DuckDB that have called Python; those that compute are shared by all connections.
ours = [thread.name for thread in threading.enumerate() if type(thread) is threading.Thread]
assert all(name.startswith("thano-compute_") for name in ours), ours
print(rows[0][1])
"""


@pytest.mark.parametrize(
    "close",
    [
        "",
        pytest.param("cursor.close(); con.close()", marks=pytest.mark.nightly),
        pytest.param("del con, cursor", marks=pytest.mark.nightly),
    ],
)
def test_nothing_is_printed_when_the_process_ends(close: str, an4_model: Path, an4_clip: str) -> None:
    script = QUIET_EXIT.format(model=an4_model, clip=an4_clip, close=close)
    run = subprocess.run([sys.executable, "-W", "error", "-c", script], capture_output=True, text=True, check=False)
    assert run.stderr == ""
    assert run.returncode == 0
    assert run.stdout.strip()


@pytest.mark.parametrize("database", [5, b"a.duckdb", ["a.duckdb"]])
def test_connect_refuses_what_is_no_path_in_the_words_of_duckdb(database: Any) -> None:
    with pytest.raises(duckdb.Error) as expected:
        duckdb.connect(database)
    with pytest.raises(expected.type) as found:
        thano_duckdb.connect(database)
    assert str(found.value) == str(expected.value)
