"""Outputs that depend on the machine or the data have the form that the pages show."""

from __future__ import annotations

from pathlib import Path

import thano_duckdb

from .blocks import BLOCKS
from .world import sentences


def shown(page: str) -> str:
    """The output on a page that is not compared as a whole."""
    (text,) = [block.text for block in BLOCKS if block.page == page and block.language == "text" and block.not_run]
    return text


def labels(plan: str) -> list[str]:
    """The first word of each line below the first."""
    return [line.split()[0] for line in plan.splitlines()[1:]]


def test_the_plan_on_the_page_has_every_line_of_a_plan(any_small_model: Path, con: thano_duckdb.Connection) -> None:
    con.execute(f"CREATE TABLE calls AS SELECT '{sentences()[0][0]}' AS audio_path")
    ((_, plan),) = [
        row
        for row in con.sql("EXPLAIN PREDICT USING Wav2Vec2TinyEn AS FROM calls").fetchall()
        if row[0] == "thano_plan"
    ]
    page = labels(shown("docs/plans.md"))
    assert [label for label in page if label in labels(plan)] == labels(plan)


def test_the_alphabet_on_the_page_has_as_many_characters_as_it_says() -> None:
    count, characters = (
        shown("docs/any-language.md").removeprefix("the new alphabet has ").split(" characters and the space: ")
    )
    assert int(count) == len(characters.split())
