"""Whatever is typed gets rows, one readable sentence, or DuckDB's own error."""

from __future__ import annotations

from pathlib import Path

from tests.dialect.mutated_statements import check_all


def test_mutated_statements_give_rows_or_one_readable_sentence(no_hub: Path, tmp_path: Path) -> None:
    report = check_all(2_000, 1, tmp_path / "work")
    assert not report.faults
    assert sum(count for ended, count in report.counts.items() if ended.startswith("planned")) == 2_000
    assert sum(count for ended, count in report.counts.items() if ended.startswith("run")) == 100
    assert len(report.counts) == 6, f"one way of ending never came up: {report.counts}"
