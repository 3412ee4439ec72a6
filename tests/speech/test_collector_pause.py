"""The collector's pause: it ends with its block, and within it for what may take long."""

from __future__ import annotations

import gc
from concurrent.futures import ThreadPoolExecutor

import pytest

from thano_duckdb.speech.collector_pause import collector_paused, collector_running


def test_nothing_is_collected_within_a_pause_but_where_something_may_take_long() -> None:
    with collector_paused(), collector_paused():
        assert not gc.isenabled()
        with collector_running():
            assert gc.isenabled()
            with collector_paused():
                assert not gc.isenabled()
            assert gc.isenabled()
        assert not gc.isenabled()
    assert gc.isenabled()


def test_outside_a_pause_nothing_changes() -> None:
    with collector_running():
        assert gc.isenabled()
    gc.disable()
    try:
        with collector_paused(), collector_running():
            assert not gc.isenabled()
        assert not gc.isenabled()
    finally:
        gc.enable()


def test_each_thread_ends_its_own_pauses_only() -> None:
    def run_long() -> bool:
        with collector_paused(), collector_running():
            return gc.isenabled()

    with ThreadPoolExecutor(1) as other, collector_paused():
        assert not other.submit(run_long).result()
        assert not gc.isenabled()
    assert gc.isenabled()


def test_an_error_ends_the_pause() -> None:
    with pytest.raises(RuntimeError), collector_paused(), collector_running():
        raise RuntimeError
    assert gc.isenabled()
