"""Clips that files name are read ahead like those of tables."""

from __future__ import annotations

import os
import threading
import wave
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from unittest import mock

import duckdb
import pytest

import thano_duckdb
from tests.functions.written_calls import N_ROWS, Calls, ahead_threads, without_reading_ahead
from thano_duckdb import ThanoWarning
from thano_duckdb.functions import rows_ahead
from thano_duckdb.speech.cache import process_cache

CREATE = "CREATE OR REPLACE TABLE t AS PREDICT USING M AS "
N_FILES = 4_200


@pytest.fixture
def folder(
    con: thano_duckdb.Connection, table: Callable[..., list[Any]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Path:
    """The working folder, with the table `clips` as files."""
    monkeypatch.chdir(tmp_path)
    for name in ("clips.parquet", "clips.csv", "clips.csv.gz", "clips.json"):
        con.execute(f"COPY clips TO '{name}'")
    (tmp_path / "parts").mkdir()
    for part in range(3):
        con.execute(f"COPY (FROM clips WHERE id % 3 = {part}) TO 'parts/{part}.parquet'")
    con.execute("DROP TABLE clips")
    con.execute("CREATE VIEW all_clips AS FROM 'parts/*.parquet'")
    return tmp_path


@pytest.fixture(scope="module")
def recordings(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of very short recordings, of which some are bad, and of a file that is none."""
    folder = tmp_path_factory.mktemp("recordings")
    for number in range(N_FILES):
        with wave.open(str(folder / f"{'bad' if number % 1000 == 7 else 'clip'}{number}.wav"), "wb") as file:
            file.setparams((1, 2, 16_000, 0, "NONE", ""))
            file.writeframes(number.to_bytes(320, "little"))
    (folder / "notes.txt").write_text("none")
    return folder


def both(table: Callable[..., list[Any]], calls: Calls, *statements: str) -> Iterator[tuple[list[Any], list[str]]]:
    """The rows and the warnings of statements without and with reading ahead; that this was so is checked."""
    for context, is_read in ((without_reading_ahead(), False), (mock.MagicMock(), True)):
        calls.threads.clear()
        process_cache().clear()
        with context, pytest.warns(ThanoWarning) as warnings:
            rows = table(*statements)
        assert calls.reads_ahead == is_read
        yield [row for row in rows if row[0] != "speed"], [str(each.message) for each in warnings]


@pytest.mark.parametrize(
    "source",
    [
        "FROM 'clips.parquet'",
        "FROM 'clips.csv'",
        "FROM 'clips.csv.gz'",
        "FROM 'clips.json'",
        "FROM 'parts/*.parquet'",
        "FROM all_clips",
        "FROM read_parquet(['parts/2.parquet', 'parts/0.parquet'], filename := true)",
        "SELECT c.id, audio_path FROM read_csv('clips.csv', all_varchar = true) AS c WHERE c.id::INT % 5 > 0",
        "FROM read_json('clips.json') ORDER BY id DESC",
        "WITH c AS (FROM 'clips.parquet') SELECT clips.* FROM 'clips.csv' SEMI JOIN c USING (id)",
    ],
)
def test_the_result_is_the_same_with_and_without(
    table: Callable[..., list[Any]], calls: Calls, folder: Path, source: str
) -> None:
    without, ahead = both(table, calls, CREATE + source, "FROM t")
    assert without == ahead
    assert len(ahead[0]) > N_ROWS / 2
    assert ahead_threads() == []


@pytest.mark.parametrize(
    "statements",
    [
        [
            "CREATE OR REPLACE TABLE t (id BIGINT, path VARCHAR, text VARCHAR, predicted VARCHAR)",
            "INSERT INTO t PREDICT USING M AS FROM 'clips.parquet'",
            "FROM t",
        ],
        ["COPY (PREDICT USING M AS FROM 'clips.parquet') TO 'out.csv'", "FROM 'out.csv'"],
        ["EVALUATE USING M AS FROM 'clips.parquet' WHERE audio_path IS NOT NULL"],
        ["EVALUATE USING M OPTIONS (by='half') AS SELECT *, id % 2 AS half FROM 'clips.csv'"],
    ],
    ids=["insert", "copy", "evaluate", "by"],
)
def test_every_statement_that_takes_all_rows_reads_files_ahead(
    table: Callable[..., list[Any]], calls: Calls, folder: Path, statements: list[str]
) -> None:
    without, ahead = both(table, calls, *statements)
    assert without == ahead


@pytest.mark.parametrize("condition", ["", " WHERE error IS NULL AND duration > 0"])
def test_folders_of_audio_are_read_ahead(
    table: Callable[..., list[Any]], calls: Calls, recordings: Path, condition: str
) -> None:
    without, ahead = both(table, calls, f"{CREATE}FROM thano_audio('{recordings}'){condition}", "FROM t")
    assert without == ahead
    rows, warnings = ahead
    assert len(rows) == N_FILES
    assert sum("omits 1 file that is not audio" in each for each in warnings) == 1


def test_what_the_second_reading_finds_in_a_folder_is_not_reported(
    table: Callable[..., list[Any]], calls: Calls, recordings: Path
) -> None:
    process_cache().clear()
    read = rows_ahead.RowsAhead._read
    other = recordings / "other.txt"

    def read_later(ahead: rows_ahead.RowsAhead) -> None:
        other.touch()
        read(ahead)

    with (
        mock.patch.object(rows_ahead.RowsAhead, "_read", read_later),
        pytest.warns(ThanoWarning) as warnings,
    ):
        table(f"{CREATE}FROM thano_audio('{recordings}')")
    other.unlink()
    assert calls.reads_ahead
    assert [str(each.message) for each in warnings if "omits 2" in str(each.message)] == []


@pytest.mark.parametrize("change", ["other rows", "another order", "no file", "broken"])
def test_a_file_that_changes_between_the_readings_changes_no_row(
    con: thano_duckdb.Connection, table: Callable[..., list[Any]], calls: Calls, folder: Path, change: str
) -> None:
    con.execute("COPY (SELECT i AS id, 'c' || i || '.wav' AS audio_path FROM range(20_000) t(i)) TO 'c.parquet'")
    changed = {
        "other rows": "SELECT i AS id, 'd' || i || '.wav' AS audio_path FROM range(20_000) t(i)",
        "another order": "SELECT i AS id, 'c' || i || '.wav' AS audio_path FROM range(19_999, 0, -1) t(i)",
    }
    if change in changed:
        con.execute(f"COPY ({changed[change]}) TO 'changed'(FORMAT parquet)")
    elif change == "broken":
        Path("changed").write_text("this is no parquet file")
    read = rows_ahead.RowsAhead._read

    def read_changed(ahead: rows_ahead.RowsAhead) -> None:
        if change == "no file":
            Path("c.parquet").unlink()
        else:
            os.replace("changed", "c.parquet")  # the statement goes on with the file that it has opened
        read(ahead)

    with mock.patch.object(rows_ahead.RowsAhead, "_read", read_changed):
        table(f"{CREATE}FROM 'c.parquet'")
    same = "SELECT count(*), bool_and(audio_path = 'c' || id || '.wav' AND predicted = 'c' || id) FROM t"
    assert con.sql(same).fetchall() == [(20_000, True)]
    assert ahead_threads() == []


def test_readings_in_different_orders_give_each_row_its_own_text(
    con: thano_duckdb.Connection, table: Callable[..., list[Any]], calls: Calls, folder: Path
) -> None:
    for part in range(8):
        con.execute(
            f"""COPY (SELECT 'c' || i || '.wav' AS audio_path FROM range({part} * 4000, {part + 1} * 4000) t(i))
            TO 'parts/{part}.parquet'"""
        )
    con.execute("SET threads = 4")
    con.execute("SET preserve_insertion_order = false")
    table(f"{CREATE}SELECT audio_path FROM 'parts/*.parquet'")
    same = "SELECT count(DISTINCT audio_path), count(*), bool_and(predicted || '.wav' = audio_path) FROM t"
    assert con.sql(same).fetchall() == [(32_000, 32_000, True)]
    assert calls.reads_ahead


def test_rows_from_a_pipe_all_arrive(
    con: thano_duckdb.Connection, table: Callable[..., list[Any]], calls: Calls, tmp_path: Path
) -> None:
    pipe = tmp_path / "pipe.csv"
    os.mkfifo(pipe)
    rows = "".join(f"c{number}.wav\n" for number in range(5_000))
    writer = threading.Thread(target=pipe.write_text, args=[f"audio_path\n{rows}"], daemon=True)
    writer.start()
    columns = "columns := {'audio_path': 'VARCHAR'}, header := true, auto_detect := false, delim := ','"
    table(f"{CREATE}FROM read_csv('{pipe}', {columns})")
    writer.join()
    assert con.sql("SELECT count(*) FROM t WHERE predicted || '.wav' = audio_path").fetchall() == [(5_000,)]
    assert not calls.reads_ahead


def test_an_error_in_a_file_is_that_of_the_statement(
    con: thano_duckdb.Connection, table: Callable[..., list[Any]], folder: Path
) -> None:
    Path("c.csv").write_text("audio_path,n\n" + "c.wav,1\n" * 30_000 + "c.wav,many\n")
    with pytest.raises(duckdb.Error, match="many"):
        table(f"{CREATE}FROM read_csv('c.csv', sample_size := 100)")
    assert ahead_threads() == []
