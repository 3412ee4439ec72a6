"""The store in the model home keeps what it is given, for several processes, within its limit, for its owner alone."""

from __future__ import annotations

import contextlib
import dataclasses
import os
import resource
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from random import Random
from typing import Any

import pytest

from tests.speech.lasting_cache.kit import RECOGNITION, RICH, key, transcript
from thano_duckdb.speech.lasting_cache import sqlite_store
from thano_duckdb.speech.lasting_cache.open_stores import open_store, replace_store
from thano_duckdb.speech.lasting_cache.sqlite_store import FILE_NAME, SqliteStore
from thano_duckdb.speech.lasting_cache.store import Batch, Recognition, StoreError, UnusableStoreError
from thano_duckdb.speech.transcript import Transcript


@pytest.fixture
def store(tmp_path: Path) -> Iterator[SqliteStore]:
    opened = SqliteStore(tmp_path / FILE_NAME)
    yield opened
    opened.close()


def keep(store: SqliteStore, numbers: range, recognition: Recognition = RECOGNITION) -> None:
    store.write(Batch([(recognition, key(number), transcript(f"TEXT {number}")) for number in numbers]))


def texts(store: SqliteStore, numbers: range, recognition: Recognition = RECOGNITION) -> list[str | None]:
    found = store.find(recognition, [key(number) for number in numbers]).transcripts
    return [found[key(number)].text if key(number) in found else None for number in numbers]


@pytest.mark.parametrize("stored", [RICH, transcript(""), Transcript("X", None, None, None, None)])
def test_a_transcript_comes_back_as_it_was(store: SqliteStore, stored: Transcript) -> None:
    store.write(Batch([(RECOGNITION, key(1), stored)]))
    assert store.find(RECOGNITION, [key(2), key(1)]) == ({key(1): stored}, [])


def test_thousands_of_transcripts_are_found_by_one_call(store: SqliteStore) -> None:
    keep(store, range(3000))
    assert texts(store, range(1000, 3100)) == [f"TEXT {n}" for n in range(1000, 3000)] + [None] * 100


@pytest.mark.parametrize(
    "change",
    [
        {"content": "other"},
        {"language": "kor"},
        {"precision": "int8"},
        {"decoder": "beam"},
        {"skip_silence": False},
        {"level": "exact"},
    ],
)
def test_another_model_precision_or_decoder_finds_nothing(store: SqliteStore, change: dict[str, Any]) -> None:
    keep(store, range(2))
    other = dataclasses.replace(RECOGNITION, **change)
    assert texts(store, range(2), other) == [None, None]
    keep(store, range(1), other)
    assert texts(store, range(2), other) == ["TEXT 0", None]


def test_the_name_of_a_model_does_not_count(store: SqliteStore) -> None:
    keep(store, range(2))
    assert texts(store, range(2), dataclasses.replace(RECOGNITION, model="alias")) == ["TEXT 0", "TEXT 1"]


def test_what_is_written_is_there_in_another_process(store: SqliteStore) -> None:
    keep(store, range(2))
    code = (
        "from pathlib import Path; from tests.speech.lasting_cache.test_sqlite_store import *\n"
        f"other = SqliteStore(Path({str(store.path)!r}))\n"
        "print(texts(other, range(3))); keep(other, range(2, 3))"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "['TEXT 0', 'TEXT 1', None]"
    assert texts(store, range(3)) == ["TEXT 0", "TEXT 1", "TEXT 2"]


def test_several_processes_write_at_the_same_time(tmp_path: Path) -> None:
    path = tmp_path / "new" / FILE_NAME  # all create it, too
    code = (
        "import sys; from pathlib import Path; from tests.speech.lasting_cache.test_sqlite_store import *\n"
        f"store = SqliteStore(Path({str(path)!r})); first = 500 * int(sys.argv[1])\n"
        "for n in range(first, first + 500, 10): keep(store, range(n, n + 10)); keep(store, range(5))"
    )
    processes = [subprocess.Popen([sys.executable, "-c", code, str(number)]) for number in range(4)]
    assert [process.wait(120) for process in processes] == [0] * 4
    store = SqliteStore(path)
    assert texts(store, range(2000)) == [f"TEXT {n}" for n in range(2000)]
    assert store.summary()[0]["clips"] == 2000
    store.close()


def test_only_the_owner_may_read_it(store: SqliteStore) -> None:
    keep(store, range(2))
    modes = {path.name: path.stat().st_mode & 0o777 for path in store.path.parent.iterdir()}
    assert set(modes) == {FILE_NAME, f"{FILE_NAME}-wal", f"{FILE_NAME}-shm"}
    assert set(modes.values()) == {0o600}


def test_no_path_is_in_the_file(store: SqliteStore) -> None:
    store.write(Batch(files={b"version": b"content"}))
    assert store.find_files([b"other", b"version"]) == {b"version": b"content"}
    assert [row[0] for row in sqlite3.connect(store.path).execute("SELECT name FROM pragma_table_info('files')")] == [
        "version",
        "content",
        "used",
    ]


def test_the_oldest_transcripts_make_room_for_new_ones(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store, now_s = SqliteStore(tmp_path / FILE_NAME, max_bytes=2**20), time.time()
    monkeypatch.setattr(sqlite_store, "EVICTED_AT_A_TIME", 50)
    for day, start in enumerate(range(0, 10_000, 250)):
        monkeypatch.setattr(time, "time", lambda day=day: now_s + day * 24 * 3600)
        keep(store, range(start, start + 250))
        stale = store.find(RECOGNITION, [key(3)]).stale  # used every day
        store.write(Batch(used=[(RECOGNITION, each) for each in stale]))
    kept = texts(store, range(10_000))
    assert kept[3] == "TEXT 3"
    assert kept[:3] == [None] * 3
    assert kept[-250:] == [f"TEXT {n}" for n in range(9750, 10_000)]
    assert sum(path.stat().st_size for path in tmp_path.glob(FILE_NAME)) < 1.3 * 2**20
    [row] = store.summary()
    assert row["clips"] == sum(text is not None for text in kept)
    store.close()


def test_a_smaller_limit_gives_space_back(store: SqliteStore) -> None:
    def size() -> int:
        with contextlib.closing(sqlite3.connect(store.path)) as connection:
            connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
        return store.path.stat().st_size

    keep(store, range(10_000))
    before = size()
    store.max_bytes = before // 4
    keep(store, range(10_000, 10_001))
    assert size() < before // 2


def test_the_summary_counts_and_delete_removes_by_any_name_of_the_model(store: SqliteStore) -> None:
    keep(store, range(5))
    keep(store, range(2), dataclasses.replace(RECOGNITION, model="other", decoder="beam"))
    keep(store, range(5, 6), dataclasses.replace(RECOGNITION, model="Alias"))
    counts = {row["names"]: (row["clips"], row["audio_s"]) for row in store.summary()}
    assert counts == {"Alias\nmine@2": (6, 12.0), "other": (2, 4.0)}
    assert [row["clips"] for row in store.delete("nobody")] == []
    assert [row["clips"] for row in store.delete("MINE")] == [6]
    assert [row["names"] for row in store.summary()] == ["other"]
    assert texts(store, range(1)) == [None]
    store.delete(None)
    assert store.summary() == []


def test_deleted_texts_are_gone_from_the_file(store: SqliteStore) -> None:
    store.write(Batch([(RECOGNITION, key(n), transcript(f"SECRET {n} " * 20)) for n in range(100)]))
    store.delete(None)
    files = [path.read_bytes() for path in store.path.parent.iterdir()]
    assert not any(b"SECRET" in content for content in files)


@pytest.mark.parametrize("content", [b"no database at all" * 1000, None])
def test_a_damaged_file_is_refused_and_moved_aside_on_request(tmp_path: Path, content: bytes | None) -> None:
    path = tmp_path / FILE_NAME
    if content is None:  # a newer format
        with sqlite3.connect(path) as connection:
            connection.execute("PRAGMA user_version = 99")
            connection.execute("CREATE TABLE t (x)")
    else:
        path.write_bytes(content)
    before = path.read_bytes()
    with pytest.raises(UnusableStoreError, match="DELETE CACHE moves it aside"):
        open_store(path, None)
    assert path.read_bytes() == before
    aside = replace_store(path)
    assert aside.read_bytes() == before
    opened = open_store(path, None)
    keep(opened.store, range(1))
    assert texts(opened.store, range(1)) == ["TEXT 0"]


def test_damage_within_the_file_is_an_error_and_no_wrong_text(tmp_path: Path) -> None:
    path = tmp_path / FILE_NAME
    store = SqliteStore(path)
    keep(store, range(5000))
    store.close()
    with path.open("r+b") as file:
        for page in range(1, path.stat().st_size // 4096):
            file.seek(page * 4096)
            file.write(os.urandom(2000))
    with pytest.raises(UnusableStoreError, match="is damaged"):
        texts(SqliteStore(path), range(5000))


def test_no_changed_byte_gives_a_wrong_text(tmp_path: Path) -> None:
    path, damaged = tmp_path / FILE_NAME, tmp_path / "damaged.sqlite"
    store = SqliteStore(path)
    store.write(Batch([(RECOGNITION, key(number), RICH) for number in range(10)]))
    store.close()
    content = path.read_bytes()
    records = content.index(RICH.words.records) if RICH.words else 0
    random = Random(0)
    for position in [records, *(random.randrange(len(content)) for _ in range(400))]:
        changed = bytearray(content)
        changed[position] ^= random.randrange(1, 256)
        damaged.write_bytes(changed)
        with contextlib.suppress(StoreError), contextlib.closing(SqliteStore(damaged)) as opened:
            found = opened.find(RECOGNITION, [key(number) for number in range(10)]).transcripts
            assert all(transcript == RICH for transcript in found.values()), position
            assert position != records, "the times of a word were changed"


def test_another_database_is_not_touched(tmp_path: Path) -> None:
    with sqlite3.connect(tmp_path / FILE_NAME) as connection:
        connection.execute("CREATE TABLE mine (x)")
    with pytest.raises(StoreError, match="is another SQLite database"):
        SqliteStore(tmp_path / FILE_NAME)


def test_a_file_that_was_replaced_is_opened_again(tmp_path: Path) -> None:
    path = tmp_path / FILE_NAME
    first = open_store(path, None)
    keep(first.store, range(1))
    replace_store(path)
    second = open_store(path, None)
    assert second.store is not first.store
    assert texts(second.store, range(1)) == [None]
    assert open_store(path, 5_000_000).store is second.store
    assert second.store.max_bytes == 5_000_000


def test_a_full_disk_keeps_what_was_there(store: SqliteStore) -> None:
    keep(store, range(10))
    size = store.path.with_name(f"{FILE_NAME}-wal").stat().st_size
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size + 20_000, hard))
    try:
        with pytest.raises(StoreError, match=r"no space left|the disk may be full"):
            keep(store, range(10, 5000))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert texts(store, range(11)) == [f"TEXT {n}" for n in range(10)] + [None]
    keep(store, range(10, 11))
    assert texts(store, range(11)) == [f"TEXT {n}" for n in range(11)]


def test_opening_does_not_wait_for_a_process_that_writes(store: SqliteStore) -> None:
    keep(store, range(3))
    other = sqlite3.connect(store.path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    begun_s = time.monotonic()
    with contextlib.closing(SqliteStore(store.path)) as opened:
        assert texts(opened, range(3)) == ["TEXT 0", "TEXT 1", "TEXT 2"]
    assert time.monotonic() - begun_s < 5 < sqlite_store.BUSY_S
    other.execute("ROLLBACK")
    other.close()


def test_readers_do_not_wait_for_a_process_that_writes(store: SqliteStore, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sqlite_store, "BUSY_S", 0.2)
    hurried = SqliteStore(store.path)
    keep(store, range(2))
    other = sqlite3.connect(store.path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    assert texts(hurried, range(2)) == ["TEXT 0", "TEXT 1"]
    with pytest.raises(StoreError, match=r"another process keeps the transcript cache .* locked"):
        keep(hurried, range(3))
    other.execute("ROLLBACK")
    keep(hurried, range(3))
    hurried.close()
