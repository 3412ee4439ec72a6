"""A DuckDB with stand-ins for our functions, and the golden pairs."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

import duckdb
import pytest

STUBS = Path(__file__).with_name("stubs.sql").read_text(encoding="utf-8")


@contextlib.contextmanager
def _new_database() -> Iterator[duckdb.DuckDBPyConnection]:
    with duckdb.connect() as connection:
        connection.execute(STUBS)
        yield connection


@pytest.fixture(scope="session")
def shared_database() -> Iterator[duckdb.DuckDBPyConnection]:
    with _new_database() as connection:
        yield connection


@pytest.fixture
def database(shared_database: duckdb.DuckDBPyConnection) -> Iterator[duckdb.DuckDBPyConnection]:
    """A connection that runs rewritten SQL: `stubs.sql` holds the functions and small tables; changes are undone."""
    with shared_database.cursor() as connection:
        connection.begin()
        yield connection
        connection.rollback()


@pytest.fixture
def own_database() -> Iterator[duckdb.DuckDBPyConnection]:
    """The same without a transaction, which the first error would end."""
    with _new_database() as connection:
        yield connection


@pytest.fixture
def data_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The working directory, with the small files that COPY statements of the tests name."""
    monkeypatch.chdir(tmp_path)
    folder = tmp_path / "thanosql-dataset" / "librispeech_data"
    folder.mkdir(parents=True)
    with duckdb.connect() as connection:
        connection.execute("CREATE TABLE t AS SELECT 'a.wav' AS audio_path, 'one' AS text")
        for name in ("librispeech_train.csv", "librispeech_test.csv", "train.tsv", "train.csv.gz"):
            connection.execute(f"COPY t TO '{folder / name}' (FORMAT csv)")
        for name in ("train.parquet", "train.pqt"):
            connection.execute(f"COPY t TO '{folder / name}' (FORMAT parquet)")
        for name in ("train.json", "train.jsonl", "train.ndjson.gz"):
            connection.execute(f"COPY t TO '{folder / name}' (FORMAT json)")
    return folder
