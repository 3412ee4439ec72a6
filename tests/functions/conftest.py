"""Fixtures of the tests of the functions that train."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import thano_duckdb
from tests.functions.written_calls import Calls, make_table, write_down_calls
from tests.training.kit import write_clips, write_model
from thano_duckdb.training.training_options import Example


@pytest.fixture(scope="session")
def clips(tmp_path_factory: pytest.TempPathFactory) -> list[Example]:
    """Six short clips of tones and their texts."""
    return write_clips(tmp_path_factory.mktemp("clips"))


@pytest.fixture(scope="session")
def small_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A checkpoint of about 10,000 random weights."""
    return write_model(tmp_path_factory.mktemp("models") / "small")


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> Calls:
    """What the runner is asked for, which runs no model."""
    return write_down_calls(monkeypatch)


@pytest.fixture
def table(con: thano_duckdb.Connection, small_model: Path, calls: Calls) -> Callable[..., list[Any]]:
    """Runs statements; `clips` is a table of clips, and `M` the model."""
    return make_table(con, small_model)
