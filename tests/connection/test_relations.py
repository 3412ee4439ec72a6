"""The methods of relations that take SQL text take our statements in it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import thano_duckdb
from thano_duckdb import DialectError

Con = thano_duckdb.Connection


@pytest.fixture
def clip_con(con: Con, an4_model: Path, an4_clip: str, tmp_path: Path) -> Con:
    """A connection with a model `m` and a table `t` of one clip and one row without audio."""
    home = thano_duckdb.connect(model_home=tmp_path)
    home.execute(f"UPLOAD MODEL m FROM '{an4_model}'")
    home.execute(f"CREATE TABLE t AS SELECT '{an4_clip}' AS audio_path UNION ALL SELECT NULL")
    return home


PREDICT_T = "(PREDICT USING m AS FROM t WHERE audio_path IS NOT NULL)"


@pytest.mark.parametrize(
    "ask",
    [
        lambda con: con.sql("FROM t").query("v", "PREDICT USING m AS FROM v WHERE audio_path IS NOT NULL"),
        lambda con: con.sql("FROM t").filter(f"audio_path IN (SELECT audio_path FROM {PREDICT_T})"),
        lambda con: (
            con.sql("FROM t").filter("audio_path IS NOT NULL").project(f"1, (SELECT predicted FROM {PREDICT_T})")
        ),
        lambda con: con.sql("SELECT 1 AS n").select(f"n, (SELECT predicted FROM {PREDICT_T})"),
        lambda con: con.sql("FROM t").aggregate(f"count(*), max((SELECT predicted FROM {PREDICT_T}))"),
        lambda con: con.sql("FROM t").order(f"(SELECT predicted FROM {PREDICT_T})").limit(1),
        lambda con: con.sql("FROM t").join(
            con.sql("SELECT 1 AS n"), f"audio_path = (SELECT audio_path FROM {PREDICT_T})"
        ),
    ],
    ids=["query", "filter", "project", "select", "aggregate", "order", "join"],
)
def test_a_method_of_a_relation_takes_our_statements(clip_con: Con, ask: Callable[[Con], Any]) -> None:
    assert len(ask(clip_con).fetchall()) == 1


def test_a_query_over_a_relation_is_a_statement_like_any_other(clip_con: Con) -> None:
    clips = clip_con.sql("FROM t WHERE audio_path IS NOT NULL")
    transcripts = clips.query("v", "PREDICT USING m AS FROM v").filter("predicted <> ''")
    assert transcripts.columns == ["audio_path", "predicted"]
    assert clips.query("v", "SELECT count(*) FROM v").fetchall() == [(1,)]
    with pytest.raises(DialectError, match="there is no model"):
        clips.query("v", "PREDICT USING nobody AS FROM v")
    with pytest.raises(DialectError, match="no option 'foo'"):
        clips.query("v", "PREDICT USING m OPTIONS (foo=1) AS FROM v")
    deleted = clips.query("v", "DELETE MODEL m")
    assert len(deleted.fetchall()) == len(deleted.fetchall()) == 1  # it ran once
    assert clip_con.sql("LIST MODEL").fetchall() == []


def test_columns_with_aliases_stay_what_they_are(con: Con) -> None:
    lists = con.sql("SELECT 1 AS list, 2 AS print")
    assert lists.project("list model, print audio").columns == ["model", "audio"]
    assert lists.filter("list = 1").order("list").aggregate("sum(print) tables", "list").fetchall() == [(2,)]
