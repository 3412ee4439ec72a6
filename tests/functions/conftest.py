"""Fixtures of the tests of the functions that train."""

from __future__ import annotations

from pathlib import Path

import pytest

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
