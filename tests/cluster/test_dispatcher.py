"""The dispatcher, with workers that exist on paper and die as planned."""

from __future__ import annotations

import contextlib
import threading
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.cluster.fake_pool import FACTS, OPTIONS, Clock, FakePool, transcript_of
from thano_duckdb.audio.limits import ReadLimits
from thano_duckdb.audio.source import Clip
from thano_duckdb.cluster.batch_cutter import BatchCutter, Task, absolute, estimated_s
from thano_duckdb.cluster.dispatcher import MAX_BATCHES, NO_WORKER_S, Dispatcher
from thano_duckdb.errors import Cancelled, ModelError, ThanoError
from thano_duckdb.monitoring.monitor import Monitor, SilentMonitor
from thano_duckdb.speech.decoding.greedy import GreedyDecoder
from thano_duckdb.speech.job_runner import Job
from thano_duckdb.speech.transcript import Transcript


def jobs_of(n_clips: int) -> list[Job]:
    return [Job(Clip(f"https://host/{number}.wav"), None, OPTIONS.decoder, [number]) for number in range(n_clips)]


def run(pool: FakePool, clock: Clock, jobs: Sequence[Job], monitor: Monitor | None = None) -> list[Transcript]:
    """The transcript of each job; each comes exactly once."""
    dispatcher = Dispatcher(lambda: pool, clock=clock)
    found = list(dispatcher.run(jobs, OPTIONS, monitor or SilentMonitor()))
    assert Counter(id(job) for job, _ in found) == Counter(map(id, jobs))
    by_row = {job.rows[0]: transcript for job, transcript in found}
    return [by_row[job.rows[0]] for job in jobs]


@dataclass
class Counting(SilentMonitor):
    """A monitor that adds up the progress, and is cancelled after some looks."""

    looks_left: int | None = None
    n_clips: float = 0.0
    audio_s: float = 0.0
    shares: list[float] = field(default_factory=list)

    def raise_if_cancelled(self) -> None:
        if self.looks_left is not None:
            self.looks_left -= 1
            if self.looks_left < 0:
                raise Cancelled("stop")

    def clip_advanced(self, share: float, audio_s: float) -> None:
        self.shares.append(share)
        self.n_clips += share
        self.audio_s += audio_s


@given(
    n_clips=st.integers(0, 300),
    n_workers=st.integers(1, 9),
    deaths=st.sets(st.integers(0, 60), max_size=8),
    poison=st.sets(st.integers(0, 299), max_size=2),
    start_s=st.lists(st.floats(0, 20), min_size=1, max_size=4),
)
def test_every_job_is_given_once_whatever_dies(
    n_clips: int, n_workers: int, deaths: set[int], poison: set[int], start_s: list[float]
) -> None:
    clock, batches = Clock(), iter(range(10**6))
    poisoned = frozenset(f"https://host/{number}.wav" for number in poison)
    pool = FakePool(
        n_workers, clock, start_s=start_s, poison=poisoned, dies=lambda _worker, _batch: next(batches) in deaths
    )
    monitor = Counting()
    jobs = jobs_of(n_clips)
    found = run(pool, clock, jobs, monitor)
    for job, transcript in zip(jobs, found, strict=True):
        if transcript.error is None:
            assert transcript == transcript_of(job.clip)
            assert job.clip.location not in poisoned
        else:
            assert "died, 2 times: it was killed by signal 9" in transcript.error
    assert pool.most_in_flight <= MAX_BATCHES
    assert monitor.n_clips == pytest.approx(0)
    assert monitor.audio_s == pytest.approx(0)


def test_a_clip_that_kills_twice_is_a_failed_transcript_and_no_other() -> None:
    clock = Clock()
    pool = FakePool(2, clock, poison=frozenset({"https://host/77.wav"}))
    found = run(pool, clock, jobs_of(1_000))
    [failed] = [number for number, transcript in enumerate(found) if transcript.error is not None]
    assert failed == 77
    assert found[77].error == "The worker that transcribed it died, 2 times: it was killed by signal 9."


def test_only_a_worker_that_has_answered_gets_work() -> None:
    clock = Clock()
    pool = FakePool(3, clock, start_s=(1.0, 10**6, 10**6))  # two never answer
    assert len(run(pool, clock, jobs_of(100))) == 100
    assert {worker for worker, _ in pool.sent} == {"worker 1"}


def test_all_workers_have_work_to_the_end() -> None:
    clock = Clock()
    pool = FakePool(8, clock, clip_s=1.0)
    run(pool, clock, jobs_of(800))
    assert clock.now_s < 1.0 + 1.1 * 100
    clips = Counter[str]()
    for worker, batch in pool.sent:
        clips[worker] += len(batch.clips)
    assert min(clips.values()) > 80


def test_few_clips_are_divided_among_all_workers() -> None:
    clock = Clock()
    pool = FakePool(4, clock, clip_s=1.0)
    run(pool, clock, jobs_of(4))
    assert {len(batch.clips) for _, batch in pool.sent} == {1}
    assert len({worker for worker, _ in pool.sent}) == 4


def test_without_any_worker_left_an_error_says_why() -> None:
    clock = Clock()
    pool = FakePool(2, clock, dies=lambda _worker, _batch: True, can_replace=False)
    with pytest.raises(ModelError, match="no worker is left: it was killed by signal 9"):
        run(pool, clock, jobs_of(10))
    assert pool.is_closed


def test_workers_that_always_die_end_the_call() -> None:
    clock = Clock()
    pool = FakePool(1, clock, dies=lambda _worker, _batch: True)
    with pytest.raises(ModelError, match="11 workers died one after the other, the last one: it was killed"):
        run(pool, clock, jobs_of(500))


def test_workers_that_cannot_start_are_an_error_at_once() -> None:
    clock = Clock()
    with pytest.raises(ModelError, match="no worker could be started: it cannot load the model"):
        run(FakePool(3, clock, start_s=(None,)), clock, jobs_of(10))
    assert clock.now_s < 1


def test_a_device_that_cannot_load_the_model_is_given_up() -> None:
    clock = Clock()
    starts = [1.0, *[None] * 20]
    pool = FakePool(2, clock, start_s=starts)
    assert len(run(pool, clock, jobs_of(2_000))) == 2_000
    assert len(pool.workers()) < 8


def test_no_ready_worker_for_a_minute_is_an_error_that_lists_them() -> None:
    clock = Clock()
    with pytest.raises(
        ModelError, match=r"no worker was ready for 60 s; of 2 workers: 2 starting \(process, here, cpu"
    ):
        run(FakePool(2, clock, start_s=(10**6,)), clock, jobs_of(10))
    assert clock.now_s == pytest.approx(NO_WORKER_S, abs=1)


def test_a_worker_that_loads_for_minutes_is_waited_for() -> None:
    clock = Clock()
    assert len(run(FakePool(2, clock, start_s=(400.0,), loads=True), clock, jobs_of(10))) == 10


def test_workers_that_compute_differently_are_refused() -> None:
    clock = Clock()
    pool = FakePool(2, clock, facts=(FACTS, replace(FACTS, fingerprint="model, bfloat16")))
    with pytest.raises(ThanoError, match=r"OPTIONS \(precision='float32'\)"):
        run(pool, clock, jobs_of(10))


def test_an_error_that_no_clip_is_to_blame_for_is_raised() -> None:
    clock = Clock()
    with pytest.raises(RuntimeError, match="not even silence"):
        run(FakePool(2, clock, fails=RuntimeError("not even silence")), clock, jobs_of(10))


def test_a_cancelled_call_stops_the_workers_and_the_next_one_runs() -> None:
    clock = Clock()
    pool = FakePool(2, clock, clip_s=1.0)
    dispatcher = Dispatcher(lambda: pool, clock=clock)
    with pytest.raises(Cancelled):
        list(dispatcher.run(jobs_of(100), OPTIONS, Counting(looks_left=15)))
    assert pool.n_cancelled == 1
    assert len(list(dispatcher.run(jobs_of(20), OPTIONS, SilentMonitor()))) == 20


def test_a_call_that_is_closed_early_stops_the_workers() -> None:
    clock = Clock()
    pool = FakePool(2, clock)
    dispatcher = Dispatcher(lambda: pool, clock=clock)
    with contextlib.closing(dispatcher.run(jobs_of(1_000), OPTIONS, SilentMonitor())) as found:
        next(found)
    assert pool.n_cancelled == 1


@pytest.mark.parametrize("looks_left", [0, 30])  # while the workers start, and while they transcribe
def test_a_cancelled_call_ends_workers_whose_devices_others_may_wait_for(looks_left: int) -> None:
    clock = Clock()
    pools = [FakePool(2, clock), FakePool(2, clock)]
    unused = iter(pools)
    dispatcher = Dispatcher(lambda: next(unused), clock=clock, closes_on_interrupt=True)
    with pytest.raises(Cancelled):
        list(dispatcher.run(jobs_of(1_000), OPTIONS, Counting(looks_left=looks_left)))
    if looks_left:
        assert pools[0].is_closed
    assert len(list(dispatcher.run(jobs_of(20), OPTIONS, SilentMonitor()))) == 20
    assert not pools[1].is_closed


def test_a_cancelled_call_leaves_another_alone() -> None:
    clock = Clock()
    pool = FakePool(2, clock, clip_s=1.0)
    dispatcher = Dispatcher(lambda: pool, clock=clock)
    other = dispatcher.run(jobs_of(200), OPTIONS, SilentMonitor())
    first = next(other)
    with pytest.raises(Cancelled):
        list(dispatcher.run(jobs_of(100), OPTIONS, Counting(looks_left=5)))
    assert pool.n_cancelled == 0
    assert len([first, *other]) == 200


def test_calls_of_several_threads_share_the_workers() -> None:
    clock = Clock()
    pool = FakePool(3, clock)
    dispatcher = Dispatcher(lambda: pool, clock=clock)
    found: list[int] = []

    def call() -> None:
        found.append(len(list(dispatcher.run(jobs_of(300), OPTIONS, SilentMonitor()))))

    threads = [threading.Thread(target=call) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert found == [300] * 4
    assert pool.most_in_flight <= MAX_BATCHES


def test_a_call_that_runs_keeps_nobody_else_from_the_pool() -> None:
    clock = Clock()
    pool = FakePool(1, clock, start_s=(10**9,), loads=True, look_s=0.05)
    dispatcher = Dispatcher(lambda: pool, clock=clock)
    stopped = threading.Event()

    class Stopping(SilentMonitor):
        def raise_if_cancelled(self) -> None:
            if stopped.is_set():
                raise Cancelled("stop")

    def call() -> None:
        with contextlib.suppress(Cancelled):
            list(dispatcher.run(jobs_of(10), OPTIONS, Stopping()))

    running = threading.Thread(target=call)
    running.start()
    begun_s = time.monotonic()
    for _ in range(20):
        dispatcher.workers()
    elapsed_s = time.monotonic() - begun_s
    stopped.set()
    running.join(10)
    assert elapsed_s < 5


def test_a_worker_that_died_between_two_calls_is_replaced() -> None:
    clock = Clock()
    pool = FakePool(2, clock)
    dispatcher = Dispatcher(lambda: pool, clock=clock)
    list(dispatcher.run(jobs_of(10), OPTIONS, SilentMonitor()))
    pool.kill("worker 1")
    pool.kill("worker 2")
    assert len(list(dispatcher.run(jobs_of(50), OPTIONS, SilentMonitor()))) == 50


def test_after_it_was_closed_the_next_call_starts_another_pool() -> None:
    clock = Clock()
    pools: list[FakePool] = []

    def open_pool() -> FakePool:
        pools.append(FakePool(1, clock))
        return pools[-1]

    dispatcher = Dispatcher(open_pool, clock=clock)
    assert dispatcher.facts(SilentMonitor()) is FACTS
    assert dispatcher.close(only_if_idle=True)
    assert pools[0].is_closed
    assert dispatcher.workers() == ()
    assert len(list(dispatcher.run(jobs_of(5), OPTIONS, SilentMonitor()))) == 5
    assert len(pools) == 2


def test_a_decoder_for_each_row_is_sent_with_its_clip() -> None:
    clock = Clock()
    pool = FakePool(1, clock)
    jobs = jobs_of(3)
    other = GreedyDecoder()
    jobs[1].decoder = other
    run(pool, clock, jobs)
    sent = {
        clip.location: decoder
        for _, batch in pool.sent
        for clip, decoder in zip(batch.clips, batch.decoders or (OPTIONS.decoder,) * 3, strict=False)
    }
    assert sent["https://host/1.wav"] is other
    assert sent["https://host/0.wav"] is OPTIONS.decoder


class Database:
    """Opens the URLs of one protocol, without any server."""

    def reads(self, url: str, protocol: str) -> bool:
        """Those of s3."""
        return protocol == "s3"

    def open(self, url: str) -> _File:
        """A file whose content is its name."""
        return _File(url)


class _File:
    def __init__(self, url: str) -> None:
        self._url = url

    def n_bytes(self) -> int:
        return len(self._url)

    def content(self) -> bytes:
        if "missing" in self._url:
            raise OSError("404")
        return self._url.encode()

    def interrupt(self) -> None:
        pass

    def close(self) -> None:
        pass


def test_what_only_the_database_can_open_is_read_here_and_sent_as_a_blob() -> None:
    clock = Clock()
    pool = FakePool(2, clock)
    locations = ["s3://bucket/a.wav", "https://host/b.wav", "s3://bucket/missing.wav"]
    jobs = [Job(Clip(location), None, OPTIONS.decoder, [row]) for row, location in enumerate(locations)]
    options = replace(OPTIONS, read_limits=ReadLimits(database=Database()))
    dispatcher = Dispatcher(lambda: pool, clock=clock)
    found = {job.rows[0]: transcript for job, transcript in dispatcher.run(jobs, options, SilentMonitor())}
    assert found[0].text == "S3://BUCKET/A.WAV"
    assert found[2].error is not None
    sent = {clip.location: clip.data for _, batch in pool.sent for clip in batch.clips}
    assert sent == {"s3://bucket/a.wav": b"s3://bucket/a.wav", "https://host/b.wav": None}
    assert all(batch.options.read_limits.database is None for _, batch in pool.sent)


def test_relative_paths_are_those_of_this_process(tmp_path: object, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(str(tmp_path))
    assert absolute(Clip("a.wav", channel=1)) == Clip(f"{tmp_path}/a.wav", channel=1)
    for same in (Clip("https://host/a.wav"), Clip(""), Clip.of(b"RIFF"), Clip("/a\0b.wav")):
        assert absolute(same) == same


@pytest.mark.parametrize(
    ("clip", "seconds"),
    [
        (Clip("https://host/a.wav"), 10.0),
        (Clip("/missing.wav"), 10.0),
        (Clip("/missing.wav", start_s=3.0, stop_s=5.0), 2.0),
        (Clip("<blob>", b"RIFF" + bytes(320_000 - 4)), 10.0),
        (Clip("<blob>", b"ID3." + bytes(80_000 - 4)), 10.0),
    ],
)
def test_lengths_are_guessed_without_opening_anything(clip: Clip, seconds: float) -> None:
    assert estimated_s(clip) == pytest.approx(seconds)


@given(st.lists(st.floats(0.1, 4_000), max_size=200), st.integers(1, 16))
def test_batches_hold_every_task_once_and_shrink_towards_the_end(seconds: list[float], n_workers: int) -> None:
    cutter = BatchCutter(
        Task(Job(Clip(str(number)), None, None), Clip(str(number)), each) for number, each in enumerate(seconds)
    )
    groups = []
    while cutter:
        groups.append(cutter.cut(n_workers, (60.0, 1_200.0)))
    assert sorted(task.clip.location for group in groups for task in group.tasks) == sorted(
        map(str, range(len(seconds)))
    )
    totals = [sum(task.estimated_s for task in group.tasks) for group in groups]
    assert all(total <= 1_200 or len(group.tasks) == 1 for total, group in zip(totals, groups, strict=True))
    assert not seconds or totals[-1] <= max(max(seconds), 60, sum(seconds) / n_workers)
