"""DuckDB's errors about a text with our statements show the line that the user wrote."""

from __future__ import annotations

import duckdb
import pytest

import thano_duckdb


@pytest.mark.parametrize(
    "method", ["execute", "sql", "executemany", "extract_statements", "get_table_names"], ids=lambda name: name
)
@pytest.mark.parametrize(
    "marked",
    [
        "BUILD MODEL z USING Wav2Vec2TinyEn AS\nSELECT * FRM @@t",
        "FIT MODEL z USING Wav2Vec2TinyEn OPTIONS (epochs=1) AS SELECT * FRM @@t",
        "BUILD LANGUAGE MODEL z AS SELECT * FRM @@t",
        "PREDICT USING Wav2Vec2TinyEn AS SELECT * FRM @@t",
        "EVALUATE USING Wav2Vec2TinyEn OPTIONS (by='t') AS SELECT * FRM @@t",
        "PREDICT USING Wav2Vec2TinyEn AS FROM t USING @@Wav2Vec2TinyEn",
    ],
)
def test_a_parse_error_points_at_the_users_text(con: thano_duckdb.Connection, method: str, marked: str) -> None:
    before, _, after = marked.partition("@@")
    with pytest.raises(duckdb.ParserException) as refusal:
        getattr(con, method)(before + after)
    _, line, carets = str(refusal.value).rsplit("\n", 2)
    number = before.count("\n") + 1
    assert line == f"LINE {number}: {(before + after).splitlines()[number - 1]}"
    assert carets.index("^") == len(f"LINE {number}: ") + len(before.rpartition("\n")[2])
