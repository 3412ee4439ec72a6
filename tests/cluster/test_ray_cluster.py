"""Joining a Ray cluster, or starting one: what is tried, and what the messages say. Ray itself is a stub."""

from __future__ import annotations

import re
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest

from thano_duckdb.cluster import ray_cluster
from thano_duckdb.cluster.ray_cluster import join_cluster
from thano_duckdb.errors import ClusterUnavailableError, ThanoError
from thano_duckdb.option import StatementKind
from thano_duckdb.options import find_option


@dataclass
class StubRay:
    """`ray.init` that answers as it is told, for each address; unknown addresses have no cluster."""

    answers: dict[str, list[Exception | None]] = field(default_factory=dict)
    inits: list[str] = field(default_factory=list)
    threads: list[threading.Thread] = field(default_factory=list)

    def init(self, *, address: str, **_more: Any) -> None:
        self.inits.append(address)
        self.threads.append(threading.current_thread())
        given = self.answers.get(address)
        answer = given.pop(0) if given else ConnectionError("Could not find any running Ray instance.")
        if answer is not None:
            raise answer

    def is_initialized(self) -> bool:
        return ray_cluster._own_address is not None

    def shutdown(self) -> None:
        pass


@pytest.fixture
def stub(monkeypatch: pytest.MonkeyPatch) -> StubRay:
    found = StubRay()
    monkeypatch.setitem(sys.modules, "ray", found)
    monkeypatch.setattr(ray_cluster, "_own_address", None)
    for name in ("RAY_ADDRESS", "RAY_USAGE_STATS_ENABLED"):
        monkeypatch.setenv(name, "")  # so that what is set in the test is undone
        monkeypatch.delenv(name)
    return found


@pytest.fixture
def address() -> Iterator[str]:
    """An address at which something listens."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield f"127.0.0.1:{server.getsockname()[1]}"


def test_auto_joins_the_cluster_of_this_machine(stub: StubRay) -> None:
    stub.answers["auto"] = [None]
    assert join_cluster("auto").address == "auto"
    assert stub.inits == ["auto"]


def test_auto_starts_none(stub: StubRay) -> None:
    with pytest.raises(ClusterUnavailableError, match="no Ray cluster runs on this machine"):
        join_cluster("auto")
    assert stub.inits == ["auto"]


def test_ray_starts_one_where_none_runs(stub: StubRay) -> None:
    stub.answers["local"] = [None]
    assert join_cluster("ray").address == "local"
    assert stub.inits == ["auto", "local"]


def test_the_thread_that_started_a_cluster_lives_on(stub: StubRay) -> None:
    stub.answers["local"] = [None]
    join_cluster("ray")
    joined, started = stub.threads
    joined.join(10)
    started.join(0.2)
    assert started.is_alive()  # Linux ends what a thread has started when that thread ends, if it was asked to
    assert started.daemon


def test_a_start_is_tried_twice(stub: StubRay) -> None:
    stub.answers["local"] = [RuntimeError("the raylet is slow"), None]
    assert join_cluster("ray").address == "local"


def test_two_failed_starts_are_one_sentence_with_a_remedy(stub: StubRay) -> None:
    stub.answers["local"] = [RuntimeError("the raylet is slow"), RuntimeError("slow\nagain")]
    with pytest.raises(
        ClusterUnavailableError, match=r"in 2 attempts \(slow again\): start it with `ray start --head`"
    ):
        join_cluster("ray")


def test_an_address_in_the_environment_comes_first(
    stub: StubRay, address: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RAY_ADDRESS", address)
    stub.answers[address] = [None]
    assert join_cluster("auto").address == address


@pytest.mark.parametrize("write", ["{}", "ray://{}"])
def test_an_address_where_nothing_listens_is_an_error_at_once(stub: StubRay, write: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        free = f"127.0.0.1:{server.getsockname()[1]}"
    with pytest.raises(ClusterUnavailableError, match=f"nothing answers .*'{re.escape(write.format(free))}'"):
        join_cluster(write.format(free))
    assert stub.inits == []


def test_a_cluster_of_another_version_is_one_sentence(stub: StubRay, address: str) -> None:
    stub.answers[address] = [RuntimeError("Version mismatch:\n  The cluster was started with Ray 2.9")]
    with pytest.raises(ClusterUnavailableError, match="cannot be used: Version mismatch: The cluster was started"):
        join_cluster(address)


def test_a_cluster_that_never_answers_is_given_up(stub: StubRay, address: str, monkeypatch: pytest.MonkeyPatch) -> None:
    ends = threading.Event()
    monkeypatch.setattr(stub, "init", lambda **_given: ends.wait(60))
    monkeypatch.setattr(ray_cluster, "CONNECT_S", 0.1)
    with pytest.raises(ClusterUnavailableError, match="did not answer"):
        join_cluster(address)
    ends.set()


def test_a_process_stays_in_its_cluster(stub: StubRay, address: str) -> None:
    stub.answers[address] = [None]
    join_cluster(address)
    assert join_cluster("auto").address == address
    with pytest.raises(ClusterUnavailableError, match="can be in one at a time"):
        join_cluster("ray://other:10001")


def test_without_ray_the_message_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(ClusterUnavailableError, match=r"pip install 'thano_duckdb\[ray\]'"):
        join_cluster("auto")


@pytest.mark.parametrize("value", ["auto", "ray", "off", "ray://head:10001", "ray://head", "10.0.0.1:6379"])
def test_values_of_the_option(value: str) -> None:
    assert find_option(StatementKind.PREDICT, "cluster").accept(value) == value


@pytest.mark.parametrize("value", ["", "on", "rays", "head", "http://head:1", "ray://", "a b:1", "head:port", 1])
def test_other_values_are_refused(value: str) -> None:
    with pytest.raises(ThanoError, match="'ray://head:10001'"):
        find_option(StatementKind.PREDICT, "cluster").accept(value)


def test_ray_is_imported_only_when_it_is_needed() -> None:
    code = "import sys, thano_duckdb.cluster.ray_pool; print('ray' in sys.modules)"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "False"
