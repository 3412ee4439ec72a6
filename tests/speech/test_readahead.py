"""Reading ahead keeps the order, the limit on memory, and can be interrupted."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

import pytest

from thano_duckdb.errors import Cancelled
from thano_duckdb.monitoring.monitor import SilentMonitor
from thano_duckdb.speech.readahead import FIRST_READS, ReadAhead


def reading(
    read: Callable[[int], int],
    n_items: int,
    *,
    max_bytes: int = 1_000_000,
    n_threads: int = 4,
    monitor: SilentMonitor | None = None,
) -> ReadAhead[int, int]:
    """Reads 0, 1 and so on; a result is as large as its value."""
    return ReadAhead(
        read,
        range(n_items),
        n_bytes=lambda result: result,
        max_bytes=max_bytes,
        n_threads=n_threads,
        monitor=monitor or SilentMonitor(),
    )


@pytest.mark.parametrize("n_threads", [1, 2, 7])
def test_results_come_in_order_whichever_read_ends_first(n_threads: int) -> None:
    def slow_start(item: int) -> int:
        time.sleep(0.003 if item % 3 == 0 else 0)
        return item

    for _ in range(5):
        with reading(slow_start, 60, n_threads=n_threads) as results:
            assert list(results) == list(range(60))


def test_reads_run_ahead_of_the_consumer() -> None:
    third_read = threading.Event()

    def read(item: int) -> int:
        if item == 3:
            third_read.set()
        return item

    with reading(read, 10) as results:
        next(iter(results))
        assert third_read.wait(5)


def test_few_reads_start_before_a_result_says_how_large_they_are() -> None:
    first, others, lock = threading.Event(), threading.Event(), threading.Lock()
    n_started, started_before = 0, []

    def read(item: int) -> int:
        nonlocal n_started
        with lock:
            n_started += 1
        (others if item else first).wait(10)
        return 10

    def finish_first() -> None:
        started_before.append(n_started)
        first.set()

    with reading(read, 100, max_bytes=500, n_threads=80) as results:
        threading.Timer(0.3, finish_first).start()
        iterator = iter(results)
        next(iterator)
        time.sleep(0.3)
        assert started_before == [FIRST_READS]
        assert n_started == 50  # as many as the limit on memory allows
        others.set()
        assert list(iterator) == [10] * 99


def test_results_stay_within_the_limit_on_memory() -> None:
    lock, live, most = threading.Lock(), 0, 0

    def read(_item: int) -> int:
        nonlocal live, most
        with lock:
            live += 100
            most = max(most, live)
        return 100

    with reading(read, 200, max_bytes=1_000, n_threads=4) as results:
        for result in results:
            time.sleep(0.0005)
            with lock:
                live -= result
            results.release(result)
    # The size of a result is unknown until the first read has ended: until then, every thread reads one.
    assert 500 < most <= 1_000 + 4 * 100


def test_results_larger_than_the_limit_are_read_one_by_one() -> None:
    with reading(lambda _item: 5_000, 6, max_bytes=1_000) as results:
        assert list(results) == [5_000] * 6  # though nothing is released


def test_an_error_is_raised_in_order_and_ends_the_threads() -> None:
    def read(item: int) -> int:
        if item == 5:
            raise ZeroDivisionError("a bug")
        return item

    def collect() -> None:
        with reading(read, 100) as results:
            for result in results:
                seen.append(result)

    before, seen = set(threading.enumerate()), list[int]()
    with pytest.raises(ZeroDivisionError):
        collect()
    assert seen == [0, 1, 2, 3, 4]
    assert set(threading.enumerate()) <= before


def test_waiting_for_a_read_that_hangs_can_be_interrupted() -> None:
    released, cancelled = threading.Event(), threading.Event()

    class Monitor(SilentMonitor):
        def raise_if_cancelled(self) -> None:
            if cancelled.is_set():
                raise Cancelled("stop")

    threading.Timer(0.2, cancelled.set).start()
    started_s = time.monotonic()
    with pytest.raises(Cancelled), reading(lambda item: int(released.wait(30)), 3, monitor=Monitor()) as results:
        list(results)
    assert time.monotonic() - started_s < 1.2
    released.set()
