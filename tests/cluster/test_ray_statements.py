"""The option `cluster` in SQL, with as much of Ray as is used: the same texts, and what is refused."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import thano_duckdb
from tests.cluster.fake_ray import FakeRay, alive
from thano_duckdb import ThanoError, ThanoWarning
from thano_duckdb.cluster import engines, ray_cluster, ray_worker
from thano_duckdb.errors import ClusterUnavailableError
from thano_duckdb.models import bundled

PATHS = f"SELECT file AS audio_path FROM glob('{bundled.dataset_folder('librispeech_data')}/09*.flac') ORDER BY file"


@pytest.fixture
def fake(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[FakeRay]:
    found = FakeRay.with_cpus(1, 1)
    monkeypatch.setitem(sys.modules, "ray", found)
    monkeypatch.setattr(ray_cluster, "_own_address", None)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr(ray_worker, "REPORT_S", 0.05)
    yield found
    engines.close_all()
    assert list(alive(found)) == []


@pytest.fixture
def no_cluster(monkeypatch: pytest.MonkeyPatch) -> None:
    def join(_setting: str) -> None:
        raise ClusterUnavailableError("no Ray cluster runs on this machine")

    monkeypatch.setattr(engines, "join_cluster", join)


def predict(model: Path, options: str = "batch_size=4") -> str:
    return f"SELECT predicted FROM (PREDICT USING '{model}' OPTIONS ({options}) AS {PATHS})"


@pytest.mark.parametrize("how", ["option", "setting", "connect"])
def test_texts_of_a_cluster_are_those_of_this_machine(fake: FakeRay, any_small_model: Path, how: str) -> None:
    with thano_duckdb.connect() as con:
        expected = con.execute(predict(any_small_model, "device='cpu', level='exact'")).fetchall()
    assert not fake.actors
    with thano_duckdb.connect(cluster="ray" if how == "connect" else "off") as con:
        if how == "setting":
            con.execute("SET thano_cluster = 'ray'")
        # Another level in each run, so that no text comes from the cache of this process.
        option = "cluster='ray', " if how == "option" else ""
        rows = con.execute(predict(any_small_model, f"{option}level='exact', max_duration={len(how)}000")).fetchall()
        kinds = con.execute("SELECT kind FROM thano_workers()").fetchall()
    assert rows == expected
    assert len(rows) > 3
    assert len(fake.actors) == 2
    assert kinds == [("ray",)] * 2


def test_without_a_cluster_auto_warns_and_runs_here(no_cluster: None, any_small_model: Path) -> None:
    with thano_duckdb.connect(cluster="auto") as con:
        with pytest.warns(ThanoWarning, match="This machine transcribes, without a cluster: no Ray cluster runs"):
            rows = con.execute(predict(any_small_model)).fetchall()
        with pytest.raises(ThanoError, match="no Ray cluster runs on this machine"):
            con.execute(predict(any_small_model, "cluster='ray'")).fetchall()
    assert len(rows) > 3


def test_a_database_without_external_access_reaches_no_cluster(fake: FakeRay, any_small_model: Path) -> None:
    statement = "PREDICT USING Wav2Vec2TinyEn OPTIONS ({}) AS SELECT content AS audio_path FROM clips"
    clip = bundled.dataset_folder("librispeech_data") / "093.flac"
    with thano_duckdb.connect() as con:
        con.execute(f"CREATE TABLE clips AS SELECT content FROM read_blob('{clip}')")
        con.execute("SET enable_external_access = false")
        with pytest.raises(ThanoError, match=r"this database may not use a cluster .*: write cluster='off'"):
            con.execute(statement.format("cluster='ray'")).fetchall()
        with pytest.warns(ThanoWarning, match="This machine transcribes: this database may not use a cluster"):
            assert len(con.execute(statement.format("cluster='auto'")).fetchall()) == 1
    assert not fake.actors


def test_an_address_that_is_none_is_refused_in_the_text() -> None:
    with thano_duckdb.connect() as con:
        with pytest.raises(thano_duckdb.DialectError, match="must be 'auto', 'ray', 'off' or the address"):
            con.execute("PREDICT USING m OPTIONS (cluster='rays') AS FROM calls")
        with pytest.raises(thano_duckdb.DialectError, match="must be 'auto', 'ray', 'off' or the address"):
            con.execute("SET thano_cluster = 'head'")
    with pytest.raises(ThanoError, match="must be 'auto', 'ray', 'off' or the address"):
        thano_duckdb.connect(cluster="local")
