"""Columns of PREDICT and PRINT AUDIO replace those of the same name in their query, with one warning."""

from __future__ import annotations

import warnings
from pathlib import Path

import pytest

import thano_duckdb
from thano_duckdb import ThanoWarning
from thano_duckdb.dialect.statements.transcription import AUDIO_INFO_COLUMNS
from thano_duckdb.functions.audio_info import AUDIO_INFO


def thano_warnings(caught: list[warnings.WarningMessage]) -> list[str]:
    return [str(each.message) for each in caught if issubclass(each.category, ThanoWarning)]


def test_the_dialect_knows_the_columns_of_print_audio() -> None:
    assert list(AUDIO_INFO_COLUMNS) == [field.name for field in AUDIO_INFO]


def test_the_new_transcript_wins_over_an_old_column_and_one_warning_says_so(
    an4_con: thano_duckdb.Connection, an4_model: Path
) -> None:
    query = "SELECT *, 'OLD' AS Predicted, 1 AS \"ERROR\" FROM an4 LIMIT 1"
    sql = f"PREDICT USING '{an4_model}' OPTIONS (include='error') AS {query}"
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        found = an4_con.sql(sql)
        assert found.columns == ["id", "audio_path", "text", "speaker", "predicted", "error"]
        assert found.fetchall()[0][4:] != ("OLD", 1)
        found.df()
    (sentence,) = thano_warnings(caught)
    assert "'Predicted', 'ERROR'" in sentence


def test_every_way_to_keep_the_rows_warns_once(an4_con: thano_duckdb.Connection, an4_model: Path) -> None:
    predict = f"PREDICT USING '{an4_model}' AS SELECT audio_path, 'OLD' AS predicted FROM an4 LIMIT 1"
    for sql in (
        predict,
        f"CREATE TABLE kept AS {predict}",
        f"EXPLAIN FROM thano_predict('{an4_model}', 'kept')",
        f"SELECT predicted FROM ({predict})",
    ):
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            an4_con.execute(sql).fetchall()
        assert len(thano_warnings(caught)) == 1, sql
    assert an4_con.sql("FROM kept").columns == ["audio_path", "predicted"]
    assert an4_con.sql("FROM kept").fetchall() != [("OLD",)]


def test_print_audio_over_thano_audio_has_each_column_once(an4_con: thano_duckdb.Connection, an4_clip: str) -> None:
    with pytest.warns(ThanoWarning, match="'duration'"):
        found = an4_con.sql(f"PRINT AUDIO AS FROM thano_audio('{an4_clip}')")
    assert found.columns == ["audio_path", *AUDIO_INFO_COLUMNS]


def test_without_a_clash_nothing_is_asked_and_nothing_said(
    an4_con: thano_duckdb.Connection, an4_model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        thano_duckdb.connection.session.Session, "column_replaced", lambda _self, _name: pytest.fail("asked")
    )
    an4_con.execute(f"PREDICT USING '{an4_model}' AS FROM an4 LIMIT 1").fetchall()


def test_the_tables_of_a_statement_are_found_whether_they_exist_or_not(con: thano_duckdb.Connection) -> None:
    predict = "PREDICT USING m AS SELECT * FROM one, two"
    for sql in (predict, f"SELECT * FROM ({predict}), three", f"EVALUATE USING n AS {predict}"):
        assert con.get_table_names(sql) >= {"one", "two"}
