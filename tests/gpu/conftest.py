"""The tests of this folder need an NVIDIA GPU: `python -m pytest -m gpu tests/gpu`. They need no network."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

import thano_duckdb
from tests.speech.conftest import noises, random_model
from thano_duckdb.models import bundled
from thano_duckdb.speech.cache import MemoryCache, NoCache

__all__ = ["noises", "random_model"]  # fixtures


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark the tests of this folder, and skip them where there is no GPU."""
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.gpu)
            if not torch.cuda.is_available():
                item.add_marker(pytest.mark.skip(reason="torch sees no NVIDIA GPU on this machine"))


@pytest.fixture(autouse=True)
def _no_cache(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every text is computed: a cached one would be equal whatever the batch."""
    monkeypatch.setattr(MemoryCache, "get_many", NoCache.get_many)


@pytest.fixture
def speech(bundled_model: Path, tmp_path: Path) -> Iterator[thano_duckdb.Connection]:
    """A connection with the table `clips`: those that ship with the package, with their texts."""
    assert bundled_model.exists()
    folder = bundled.dataset_folder("librispeech_data")
    with thano_duckdb.connect(progress=False, model_home=tmp_path) as con:
        con.execute(
            f"CREATE TABLE clips AS SELECT '{folder}/' || parse_filename(audio_path) AS audio_path, text, "
            f"parse_filename(filename) = 'librispeech_test.csv' AS is_test FROM read_csv('{folder}/*.csv')"
        )
        yield con
