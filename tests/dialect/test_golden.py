"""What our statements become: as text, and run by DuckDB."""

from __future__ import annotations

import duckdb
import pytest

from tests.dialect.golden import Case, read_cases
from thano_duckdb.dialect import rewrite
from thano_duckdb.errors import DialectError

CASES = read_cases()
ACCEPTED = [case for case in CASES if case.becomes is not None]
REFUSED = [case for case in CASES if case.refused is not None]


def test_every_golden_case_has_a_result_or_a_refusal() -> None:
    assert len(CASES) == len(ACCEPTED) + len(REFUSED) > 60


@pytest.mark.parametrize("case", ACCEPTED, ids=lambda case: case.name)
def test_a_statement_becomes_the_expected_sql(case: Case) -> None:
    assert rewrite(case.source).rstrip("\n") == case.becomes


@pytest.mark.parametrize("case", ACCEPTED, ids=lambda case: case.name)
@pytest.mark.usefixtures("data_files")
def test_duckdb_runs_the_expected_sql(case: Case, database: duckdb.DuckDBPyConnection) -> None:
    assert case.becomes is not None
    parameters = ["ann"] if "$1" in case.becomes and not case.becomes.startswith("PREPARE") else None
    database.execute(case.becomes, parameters)


@pytest.mark.parametrize("case", REFUSED, ids=lambda case: case.name)
def test_a_refused_statement_says_why(case: Case) -> None:
    with pytest.raises(DialectError) as refusal:
        rewrite(case.source)
    assert refusal.value.problem == case.refused


@pytest.mark.parametrize("case", ACCEPTED, ids=lambda case: case.name)
def test_the_result_holds_nothing_more_to_rewrite(case: Case) -> None:
    once = rewrite(case.source)
    assert rewrite(once) is once


@pytest.mark.parametrize("case", ACCEPTED, ids=lambda case: case.name)
def test_line_numbers_stay_the_same(case: Case) -> None:
    assert rewrite(case.source).count("\n") == case.source.count("\n")


@pytest.mark.usefixtures("data_files")
def test_both_tutorials_run_to_their_last_statement(database: duckdb.DuckDBPyConnection) -> None:
    for tutorial in ("tutorial_of_2022", "tutorial_of_2023"):
        for case in ACCEPTED:
            if case.name.startswith(tutorial):
                database.execute(rewrite(case.source))
    assert database.execute("SELECT * FROM librispeech_train").fetchall() == [("a.wav", "one")]


@pytest.mark.parametrize("space", ["\u2060", "\ufeff", "\u00a0", " /* and a comment */ "])
def test_words_are_separated_by_whatever_duckdb_takes_for_a_space(space: str) -> None:
    deleted = rewrite(space.join(("DROP", "LANGUAGE", "MODEL", "calls")))
    assert deleted == "SELECT * FROM thano_delete_model('calls', is_language_model := true)"
    assert rewrite(space.join(("DELETE", "MODEL", "m"))) == "SELECT * FROM thano_delete_model('m')"
