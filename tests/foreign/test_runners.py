"""What the runners of other projects report: a regression without a reason, and a reason without a regression."""

from __future__ import annotations

import pytest

from tests.foreign.run_duckdb_tests import compare, find_lost, read_expected
from tests.foreign.run_jupysql_tests import expected_failures

STOCK = {"a": "passed", "b[1]": "passed", "b[2]": "passed", "c": "failed", "d": "passed"}
REASONS = {("connect", "a"): "one", ("connect", "b"): "two", ("load", "d"): "three"}


def test_a_regression_passes_only_with_a_reason(capsys: pytest.CaptureFixture[str]) -> None:
    lost = {"a": "failed", "b[1]": "running", "b[2]": "passed", "c": "failed", "d": "passed"}
    assert find_lost(STOCK, lost) == ["a", "b[1]"]
    assert compare("connect", STOCK, lost, REASONS)
    assert not compare("connect", STOCK, lost, {("connect", "a"): "one"})
    assert "running b[1]: NOT EXPLAINED" in capsys.readouterr().out
    assert not compare("load", STOCK, lost, REASONS)


@pytest.mark.parametrize("outcome", ["passed", "failed in the baseline"])
def test_a_reason_without_a_regression_is_reported(capsys: pytest.CaptureFixture[str], outcome: str) -> None:
    stock = {**STOCK, "a": "passed" if outcome == "passed" else "failed"}
    ours = {**STOCK, "b[1]": "failed", "a": "passed" if outcome == "passed" else "failed"}
    assert not compare("connect", stock, ours, REASONS)
    assert "remove from duckdb_expected.txt" in capsys.readouterr().out
    del ours["a"]  # it was not run, as with `-k`
    del stock["a"]
    assert compare("connect", stock, ours, REASONS)


def test_the_lists_give_a_reason_for_each_test() -> None:
    assert all(reason.strip() for reason in read_expected().values())
    assert all(reason.strip() for reason in expected_failures().values())
