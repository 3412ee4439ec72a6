"""The pool of a Ray cluster, with as much of Ray as it uses: who gets batches, what is sent, what is refused."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import pytest
import soundfile

from tests.cluster.fake_ray import (
    Actor,
    ActorDiedError,
    FakeRay,
    NodeDiedError,
    OutOfMemoryError,
    RayError,
    alive,
    node,
)
from thano_duckdb.audio.source import Clip
from thano_duckdb.cluster import ray_parcels, ray_pool, ray_worker
from thano_duckdb.cluster.node_files import FolderContent
from thano_duckdb.cluster.ray_cluster import RayCluster
from thano_duckdb.cluster.ray_pool import RayPool
from thano_duckdb.cluster.ray_worker import RayWorker
from thano_duckdb.cluster.software import Software
from thano_duckdb.cluster.worker_pool import Advanced, Batch, Died, Event, Failed, Finished, ModelSource, Ready
from thano_duckdb.errors import AudioError, ClusterUnavailableError, ModelError
from thano_duckdb.models import bundled
from thano_duckdb.monitoring.monitor import SilentMonitor
from thano_duckdb.speech.cache import NoCache
from thano_duckdb.speech.job_runner import CallOptions
from thano_duckdb.speech.loading import load_engine

Open = Callable[..., RayPool]


@pytest.fixture
def fake(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[FakeRay]:
    found = FakeRay.with_cpus(1, 1)
    monkeypatch.setitem(sys.modules, "ray", found)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr(ray_worker, "REPORT_S", 0.05)
    yield found
    found.shutdown()


@pytest.fixture
def open_pool(fake: FakeRay, any_small_model: Path) -> Iterator[Open]:
    pools = []

    def make(n_workers: int | None = None, device: str = "auto") -> RayPool:
        pool = RayPool(RayCluster(fake, "fake"), ModelSource(any_small_model, device, "float32"), n_workers)
        pools.append(pool)
        pool.start()
        return pool

    yield make
    for pool in pools:
        pool.close()


def events(pool: RayPool, n: int, kind: type[Event] | tuple[type[Event], ...], limit_s: float = 60.0) -> list[Event]:
    """The next `n` events of a kind; those of others do not count."""
    found: list[Event] = []
    until_s = time.monotonic() + limit_s
    while len(found) < n:
        assert time.monotonic() < until_s, f"only {found} in {limit_s} s"
        found += [event for event in pool.poll(0.05) if isinstance(event, kind)]
    return found


def ready(pool: RayPool, n: int = 2) -> list[Ready]:
    found = events(pool, n, (Ready, Died))
    assert all(isinstance(event, Ready) for event in found), found
    return sorted((event for event in found if isinstance(event, Ready)), key=lambda event: event.worker)


def clips(folder: Path, n: int = 4) -> list[Clip]:
    """Clips of speech of the package, each at a path of its own."""
    sources = sorted(bundled.dataset_folder("librispeech_data").glob("*.flac"))[:n]
    made = []
    for source in sources:
        samples, rate_hz = soundfile.read(source)
        path = folder / f"{source.stem}.wav"
        soundfile.write(path, samples, rate_hz)
        made.append(Clip(str(path)))
    return made


def options(of: Ready) -> CallOptions:
    return CallOptions(of.facts.default_decoder)


def local_texts(model: Path, given: Sequence[Clip]) -> list[str | None]:
    engine = load_engine(model, "cpu", "float32")
    found = engine.transcribe(
        given, CallOptions(engine.recognizer.default_decoder), cache=NoCache(), monitor=SilentMonitor()
    )
    return [None if each is None else each.text for each in found]


def test_workers_write_the_texts_of_this_process(open_pool: Open, any_small_model: Path, tmp_path: Path) -> None:
    given = clips(tmp_path)
    given[1] = Clip.of(Path(given[1].location).read_bytes())
    given.append(Clip(str(tmp_path / "lost.wav")))
    pool = open_pool()
    first, second = ready(pool)
    assert first.facts == second.facts
    pool.submit(first.worker, Batch(7, tuple(given[:2]), None, options(first)))
    pool.submit(second.worker, Batch(8, tuple(given[2:]), None, options(first)))
    found = {event.number: event.transcripts for event in events(pool, 2, Finished) if isinstance(event, Finished)}
    assert [each.text for each in found[7] + found[8]] == local_texts(any_small_model, given)
    assert "No such file" in str(found[8][-1].error)
    assert {info.state for info in pool.workers()} == {"ready"}
    assert sum(info.clips for info in pool.workers()) == 5


def test_each_worker_has_a_gpu_where_the_cluster_has_any(fake: FakeRay, open_pool: Open) -> None:
    fake.nodes_ = [node("a", CPU=8.0, GPU=2.0), node("b", CPU=8.0)]
    pool = open_pool()
    assert [(asked["num_gpus"], asked["num_cpus"]) for asked in fake.asked] == [(1, 1), (1, 1)]
    assert {info.device for info in pool.workers()} == {"cuda"}


def test_ray_neither_restarts_workers_nor_repeats_their_work(fake: FakeRay, open_pool: Open) -> None:
    open_pool(1)
    assert (fake.asked[0]["max_restarts"], fake.asked[0]["max_task_retries"]) == (0, 0)


def test_a_worker_that_does_not_see_the_model_receives_it_once_per_machine(
    fake: FakeRay, open_pool: Open, monkeypatch: pytest.MonkeyPatch, any_small_model: Path
) -> None:
    def not_here(self: FolderContent, folder: Path) -> bool:
        return False

    monkeypatch.setattr(FolderContent, "is_at", not_here)
    pool = open_pool()
    ready(pool)
    n_bytes = sum(path.stat().st_size for path in any_small_model.iterdir() if path.is_file())
    assert 0 < fake.n_put_bytes <= n_bytes


def test_a_model_that_a_worker_sees_is_not_sent(fake: FakeRay, open_pool: Open) -> None:
    ready(open_pool())
    assert fake.n_put_bytes == 0


def test_a_machine_without_the_audio_is_an_error_that_names_both(
    open_pool: Open, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pool = open_pool(1)
    [first] = ready(pool, 1)
    seen_here = clips(tmp_path, 1)
    see = ray_parcels._witness

    def bigger_here(batch: Batch) -> ray_worker.Witness | None:
        witness = see(batch)
        return witness and replace(witness, n_bytes=witness.n_bytes + 1)

    monkeypatch.setattr(ray_parcels, "_witness", bigger_here)
    pool.submit(first.worker, Batch(0, tuple(seen_here), None, options(first)))
    with pytest.raises(AudioError, match=rf"the machine .*10\.0\.0\.1.* does not see .*{seen_here[0].location}.*BLOBs"):
        events(pool, 1, Finished)


def test_a_path_that_leads_nowhere_here_too_is_a_bad_clip_only(open_pool: Open, tmp_path: Path) -> None:
    pool = open_pool(1)
    [first] = ready(pool, 1)
    pool.submit(first.worker, Batch(0, (Clip(str(tmp_path / "lost.wav")),), None, options(first)))
    [event] = events(pool, 1, Finished)
    assert isinstance(event, Finished)
    assert "No such file" in str(event.transcripts[0].error)


@pytest.mark.parametrize(
    ("other", "message"),
    [
        ({"thano_duckdb": "0.0.1"}, "thano_duckdb 0.0.1, not "),
        ({"torch": "1.0"}, "torch 1.0, not "),
        ({"source": "x"}, "other source files"),
    ],
)
def test_other_software_on_a_machine_is_an_error(
    open_pool: Open, monkeypatch: pytest.MonkeyPatch, other: dict[str, str], message: str
) -> None:
    there = replace(Software.current(), **other)
    describe = RayWorker.describe

    def described(self: RayWorker) -> ray_worker.Description | ray_worker.Failure:
        found = describe(self)
        assert isinstance(found, ray_worker.Description)
        return replace(found, software=there)

    monkeypatch.setattr(RayWorker, "describe", described)
    pool = open_pool(1)
    with pytest.raises(ModelError, match=message):
        ready(pool, 1)


def test_a_cluster_without_room_is_an_error_that_says_what_it_has(
    fake: FakeRay, open_pool: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    fake.has_room = False
    monkeypatch.setattr(ray_pool, "NO_WORKER_S", 0.3)
    monkeypatch.setattr(ray_pool, "SIGN_S", 0.05)
    pool = open_pool(2)
    events(pool, 2, Advanced)  # so that the dispatcher leaves the error to the pool
    with pytest.raises(ModelError, match=r"2 workers with 1 CPU each.*node0 \(10\.0\.0\.1\): 1 CPU.*free are 0 CPUs"):
        events(pool, 1, Ready)


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (ActorDiedError("The actor is dead because its process ended."), "ended unexpectedly"),
        (ActorDiedError("The actor is dead because its node has died."), "was lost"),
        (NodeDiedError("gone"), "was lost"),
        (OutOfMemoryError("too much"), "memory"),
        (ActorDiedError("ModuleNotFoundError: No module named 'thano_duckdb'"), "is not installed"),
    ],
)
def test_a_worker_that_dies_is_reported_once_with_a_reason(
    fake: FakeRay, open_pool: Open, error: RayError, reason: str, tmp_path: Path
) -> None:
    pool = open_pool()
    first, _ = ready(pool)
    hold(fake.actors[0])
    pool.submit(first.worker, Batch(0, tuple(clips(tmp_path, 1)), None, options(first)))
    pool.submit(first.worker, Batch(1, tuple(clips(tmp_path, 1)), None, options(first)))
    fake.actors[0].die(error)
    [event] = events(pool, 1, Died)
    assert isinstance(event, Died)
    assert event.worker == first.worker
    assert reason in event.reason
    assert not any(isinstance(event, Died | Finished | Failed) for _ in range(3) for event in pool.poll(0.05))
    assert [info.state for info in pool.workers()] == ["dead", "ready"]


def hold(actor: Actor) -> None:
    """Let a worker take until it is cancelled or dies."""

    def transcribe(*_arguments: object) -> object:
        while not actor.worker._generation and not actor.is_dead:
            time.sleep(0.01)
        return ray_worker.Failure(ModelError("cancelled"))

    actor.worker.transcribe = transcribe


def test_the_end_of_a_worker_without_work_is_noticed(fake: FakeRay, open_pool: Open) -> None:
    pool = open_pool()
    first, _ = ready(pool)
    pool.poll(0)
    fake.actors[0].die(ActorDiedError("gone"))
    [event] = events(pool, 1, Died)
    assert isinstance(event, Died)
    assert event.worker == first.worker


def test_a_worker_that_does_not_answer_is_given_up(
    fake: FakeRay, open_pool: Open, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    pool = open_pool(1)
    [first] = ready(pool, 1)
    monkeypatch.setattr(ray_pool, "SILENT_S", 0.3)
    stuck = fake.actors[0]
    hold(stuck)
    stuck.worker.report = lambda: time.sleep(2)
    pool.submit(first.worker, Batch(0, tuple(clips(tmp_path, 1)), None, options(first)))
    [event] = events(pool, 1, Died)
    assert isinstance(event, Died)
    assert "did not answer" in event.reason


def test_a_model_that_cannot_be_loaded_is_the_reason_of_the_end(
    fake: FakeRay, open_pool: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    def load(*_arguments: object) -> ray_worker.Failure:
        return ray_worker.Failure(ModelError("its weights are too heavy"))

    monkeypatch.setattr(RayWorker, "load", load)
    [event] = events(open_pool(1), 1, Died)
    assert isinstance(event, Died)
    assert "too heavy" in event.reason


def test_nothing_of_a_batch_comes_after_it_was_cancelled(fake: FakeRay, open_pool: Open, tmp_path: Path) -> None:
    pool = open_pool(1)
    [first] = ready(pool, 1)
    given = clips(tmp_path)
    for number in range(3):
        pool.submit(first.worker, Batch(number, tuple(given), None, options(first)))
    pool.cancel()
    assert [info.state for info in pool.workers()] == ["ready"]
    pool.submit(first.worker, Batch(3, tuple(given[:1]), None, options(first)))
    [event] = events(pool, 1, (Finished, Failed, Died))
    assert isinstance(event, Finished)
    assert event.number == 3


def test_blobs_on_their_way_are_bounded(
    fake: FakeRay, open_pool: Open, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    given = [Clip.of(Path(clip.location).read_bytes()) for clip in clips(tmp_path, 2)]
    pool = open_pool()
    workers = ready(pool)
    monkeypatch.setattr(ray_parcels, "MAX_BLOB_BYTES", 1000)
    for worker, clip in zip(workers, given, strict=True):
        pool.submit(worker.worker, Batch(int(worker.worker[-1]), (clip,), None, options(workers[0])))
    assert fake.n_put_bytes == len(given[0].data or b"")
    assert len(events(pool, 2, Finished)) == 2
    assert fake.n_put_bytes == sum(len(clip.data or b"") for clip in given)


def test_the_end_leaves_no_worker(fake: FakeRay, open_pool: Open) -> None:
    pool = open_pool()
    ready(pool, 1)  # the other one may be starting
    pool.close()
    assert list(alive(fake)) == []


def test_after_ray_was_shut_down_nothing_starts_it_again(fake: FakeRay, open_pool: Open) -> None:
    pool = open_pool()
    ready(pool)
    fake.shutdown()
    with pytest.raises(ClusterUnavailableError, match="has left the Ray cluster"):
        pool.poll(0.05)
    pool.close()


def test_a_new_worker_takes_the_place_of_one_that_died(fake: FakeRay, open_pool: Open) -> None:
    pool = open_pool(1)
    [first] = ready(pool, 1)
    fake.actors[0].die(ActorDiedError("gone"))
    events(pool, 1, Died)
    assert pool.start_worker()
    [second] = ready(pool, 1)
    assert second.worker != first.worker
    fake.nodes_ = []
    assert not pool.start_worker()
