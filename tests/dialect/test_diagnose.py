"""A column or a model that is missing at run time is reported where the user's text names it."""

from __future__ import annotations

import re

import duckdb
import pytest

from thano_duckdb.dialect import missing_column, plan, rewrite, unknown_model
from thano_duckdb.errors import DialectError

Database = duckdb.DuckDBPyConnection


def diagnosis(database: Database, marked: str) -> DialectError | None:
    """Run a text without its mark, and report the column that DuckDB misses; the mark says where."""
    before, _, after = marked.partition("@@")
    sql = before + after
    with pytest.raises(duckdb.BinderException) as refusal:
        database.execute(rewrite(sql))
    named = re.search(r'column named "(.*?)"|column "(.*?)" not found', str(refusal.value))
    assert named is not None, refusal.value

    def columns_of(query: str) -> list[str]:
        try:
            return database.sql(rewrite(query)).columns
        except duckdb.Error:
            return []

    error = missing_column(plan(sql), sql, named[1] or named[2], columns_of)
    if error is not None:
        assert (error.line, error.column) == (before.count("\n") + 1, len(before) - (before.rfind("\n") + 1) + 1)
    return error


@pytest.mark.parametrize(
    ("marked", "phrase"),
    [
        (
            "PREDICT USING m OPTIONS (audio_col=@@'audio_pth') AS\nSELECT * FROM librispeech_test",
            "PREDICT reads the column 'audio_pth', which its query does not have. Did you mean 'audio_path'?",
        ),
        (
            "SELECT 1;\n@@PREDICT USING m AS SELECT * FROM calls",
            "It has id, recording, my audio. OPTIONS (audio_col='..') names another.",
        ),
        ("@@PRINT AUDIO AS SELECT text FROM librispeech_test", "PRINT AUDIO reads the column 'audio_path'"),
        ("SELECT * FROM (@@PREDICT USING m AS SELECT speaker FROM librispeech_test)", "It has speaker."),
        (
            "PREDICT USING m AS SELECT 'x' AS audio_path UNION ALL SELECT 1 FROM (@@PREDICT USING n AS FROM calls)",
            "PREDICT reads the column 'audio_path'",
        ),
        (
            "(PREDICT USING m AS FROM librispeech_test) UNION ALL BY NAME (@@PREDICT USING n AS FROM calls)",
            "PREDICT reads the column 'audio_path'",
        ),
        (
            "PREDICT USING m AS @@PREDICT USING n AS SELECT id FROM calls",
            "It has id.",
        ),
        (
            "PREDICT USING m AS SELECT * FROM librispeech_test WHERE @@predicted LIKE '%a%'",
            "write SELECT .. FROM (PREDICT ..) WHERE predicted ..",
        ),
        (
            'PREDICT USING m OPTIONS (include=words) AS SELECT * FROM librispeech_test ORDER BY @@"Words"',
            "PREDICT makes the column 'Words' from its query",
        ),
        (
            "PREDICT USING m AS FROM librispeech_test ORDER BY @@confidence",
            "write SELECT .. FROM (PREDICT .. OPTIONS (include='confidence')) ORDER BY confidence ..",
        ),
        (
            "EVALUATE USING m OPTIONS (by='speaker') AS FROM librispeech_test ORDER BY @@wer DESC",
            "write SELECT .. FROM (EVALUATE ..) ORDER BY wer ..",
        ),
        (
            "EVALUATE USING m AS FROM librispeech_test WHERE @@Metric = 'wer'",
            "write SELECT .. FROM (EVALUATE ..) WHERE Metric ..",
        ),
        (
            "PRINT AUDIO AS FROM librispeech_test WHERE @@duration > 1",
            "write thano_audio_info(audio_path).duration in it",
        ),
    ],
)
def test_a_missing_column_is_shown_where_the_text_names_it(database: Database, marked: str, phrase: str) -> None:
    error = diagnosis(database, marked)
    assert error is not None
    assert phrase in error.problem


@pytest.mark.parametrize(
    "sql",
    [
        "PREDICT USING m AS SELECT nothing FROM librispeech_test",
        "PREDICT USING m AS SELECT duration FROM librispeech_test",
        "EVALUATE USING m AS FROM librispeech_test ORDER BY clips",
        "SELECT nothing FROM (PREDICT USING m AS SELECT * FROM librispeech_test)",
        "SELECT nothing FROM calls",
    ],
)
def test_a_column_that_only_the_users_query_names_is_left_to_duckdb(database: Database, sql: str) -> None:
    assert diagnosis(database, sql) is None


def test_an_unknown_model_is_shown_where_the_text_names_it() -> None:
    sql = "SELECT 1;\nPREDICT USING m AS FROM (PREDICT USING 'hf://a/b' AS FROM t)"
    error = unknown_model(plan(sql), sql, "hf://a/b", "There is no model 'hf://a/b'.")
    assert error is not None
    assert (error.problem, error.line, error.column) == ("There is no model 'hf://a/b'.", 2, 40)
    assert unknown_model(plan(sql), sql, "other", "") is None
