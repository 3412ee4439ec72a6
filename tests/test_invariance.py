"""A text depends on its clip alone: not on the batch, the order, the threads, or the neighbours."""

from __future__ import annotations

import pytest

from thano_duckdb.speech import memo


@pytest.fixture(autouse=True)
def _no_memo(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every statement computes."""
    monkeypatch.setattr(memo.Memo, "get", lambda *_: None)
