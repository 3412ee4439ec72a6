"""The writer collects batches, writes them on time, and says what was not kept."""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence

import pytest

from tests.speech.lasting_cache.kit import RECOGNITION, key, transcript
from thano_duckdb.speech.lasting_cache import store_writer
from thano_duckdb.speech.lasting_cache.store import Batch, Known, Recognition, StoreError
from thano_duckdb.speech.lasting_cache.store_writer import BATCH_S, BATCH_SIZE, StoreWriter


class RecordingStore:
    """Remembers the batches; raises `problem` if that is set, and waits for `gate`."""

    def __init__(self) -> None:
        self.sizes: list[int] = []
        self.problem: Exception | None = None
        self.gate = threading.Event()
        self.gate.set()
        self.entered = threading.Event()

    def find_files(self, _versions: Sequence[bytes]) -> dict[bytes, bytes]:
        return {}

    def find(self, _recognition: Recognition, _keys: Sequence[bytes]) -> Known:
        return Known({}, [])

    def write(self, batch: Batch) -> None:
        self.entered.set()
        self.gate.wait(30)
        if self.problem is not None:
            raise self.problem
        self.sizes.append(len(batch))

    def close(self) -> None:
        pass


def keep(writer: StoreWriter, n: int) -> None:
    for number in range(n):
        writer.keep(RECOGNITION, key(number), transcript("X"))


def wait_for(store: RecordingStore, n: int, timeout_s: float) -> None:
    until_s = time.monotonic() + timeout_s
    while sum(store.sizes) < n and time.monotonic() < until_s:
        time.sleep(0.01)


def test_a_full_batch_is_written_without_waiting() -> None:
    store = RecordingStore()
    writer = StoreWriter(store)
    keep(writer, BATCH_SIZE)
    wait_for(store, BATCH_SIZE, BATCH_S / 2)
    assert sum(store.sizes) == BATCH_SIZE
    writer.close()


def test_a_few_transcripts_are_written_after_two_seconds() -> None:
    store = RecordingStore()
    writer = StoreWriter(store)
    keep(writer, 3)
    assert store.sizes == []
    wait_for(store, 3, 10 * BATCH_S)
    assert store.sizes == [3]
    writer.close()


def test_flush_returns_when_everything_is_written() -> None:
    store = RecordingStore()
    writer = StoreWriter(store)
    for _ in range(3):
        keep(writer, 5)
        writer.flush()
    assert store.sizes == [5, 5, 5]
    writer.close()


def test_what_cannot_be_written_is_reported_and_the_next_batch_is_tried_again() -> None:
    store = RecordingStore()
    writer = StoreWriter(store)
    for problem in (StoreError("the disk is full"), ZeroDivisionError("a fault")):
        store.problem = problem
        keep(writer, 1)
        writer.flush()
        assert str(problem) in writer.problem
    assert writer.n_problems == 2
    store.problem = None
    keep(writer, 2)
    writer.flush()
    assert store.sizes == [2]
    writer.close()


def test_a_slow_store_delays_the_statement_and_loses_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(store_writer, "MAX_WAITING", 2 * BATCH_SIZE)
    store = RecordingStore()
    writer = StoreWriter(store)
    keep(writer, 40 * BATCH_SIZE)
    writer.close()
    assert (sum(store.sizes), writer.n_problems) == (40 * BATCH_SIZE, 0)


def test_a_store_that_hangs_costs_neither_memory_nor_the_statement(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(store_writer, "WAIT_S", 0.2)
    store = RecordingStore()
    store.gate.clear()
    writer = StoreWriter(store)
    keep(writer, BATCH_SIZE)
    store.entered.wait(30)
    keep(writer, store_writer.MAX_WAITING + 1)
    started_s = time.monotonic()
    writer.flush(timeout_s=0.2)
    assert time.monotonic() - started_s < 5
    assert "takes too long" in writer.problem
    store.gate.set()
    writer.close()
