"""Whatever is read ahead, each call gets the transcripts of its own clips, and none is computed twice."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Callable, Generator, Iterator, Sequence
from typing import Any, cast

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.speech.oracles import RecordingMonitor
from thano_duckdb.audio.source import Clip
from thano_duckdb.errors import Cancelled
from thano_duckdb.monitoring.monitor import Monitor, SilentMonitor
from thano_duckdb.speech.cache import NoCache, TranscriptCache
from thano_duckdb.speech.engine import Engine
from thano_duckdb.speech.job_runner import CallOptions, Job
from thano_duckdb.speech.jobs_ahead import AskedVector, JobsAhead
from thano_duckdb.speech.transcript import Transcript

OPTIONS = CallOptions(None)


class FakeRecognizer:
    def fingerprint(self, decoder: object) -> str:
        return f"fake with {decoder}"


class FakeRunner:
    """Gives the location of each clip as its text, and no text for `missing`; `before` is called before each."""

    def __init__(self, before: Callable[[Job, Monitor], None] = lambda _job, _monitor: None) -> None:
        self.before = before
        self.computed: list[str] = []
        self.calls: list[int] = []

    def run(
        self, jobs: Sequence[Job], _options: CallOptions, monitor: Monitor
    ) -> Generator[tuple[Job, Transcript], None, None]:
        self.calls.append(len(jobs))
        for job in jobs:
            self.before(job, monitor)
            self.computed.append(job.clip.location)
            if job.clip.location.endswith("missing"):
                yield job, Transcript.failed("It is missing.")
            else:
                yield job, Transcript(job.clip.location, 1.0, 2.0, None, None)


def engine_of(runner: FakeRunner) -> Engine:
    return Engine(cast(Any, FakeRecognizer()), runner=runner)


def clips(names: Sequence[str | None]) -> list[Clip | None]:
    return [None if name is None else Clip(f"https://example.org/{name}") for name in names]


def ask(
    ahead: JobsAhead,
    engine: Engine,
    names: Sequence[str | None],
    monitor: Monitor | None = None,
    cache: TranscriptCache | None = None,
) -> list[str | None]:
    vector = AskedVector(ahead, engine, OPTIONS, cache or NoCache())
    found = engine.transcribe(
        clips(names), OPTIONS, cache=vector, compute=vector.compute, monitor=monitor or SilentMonitor()
    )
    return [None if each is None else each.text.rpartition("/")[2] if each.text else each.error for each in found]


@pytest.fixture
def make_ahead() -> Iterator[Callable[..., JobsAhead]]:
    made: list[JobsAhead] = []

    def make(monitor: Monitor | None = None, **limits: int) -> JobsAhead:
        made.append(JobsAhead(monitor or SilentMonitor(), **limits))
        return made[-1]

    yield make
    for each in made:
        each.close()


def read_in_thread(ahead: JobsAhead, engine: Engine, vectors: Sequence[Sequence[str | None]]) -> threading.Thread:
    def read() -> None:
        for names in vectors:
            if not ahead.read("group", engine, OPTIONS, NoCache(), engine.jobs(clips(names), OPTIONS)):
                return
        ahead.end_of_rows()

    thread = threading.Thread(target=read)
    thread.start()
    return thread


NAMES = st.lists(st.sampled_from(["a", "b", "c", "d", "e", "f", None]), max_size=6)


@settings(max_examples=60, deadline=None)
@given(read=st.lists(NAMES, max_size=8), asked=st.lists(NAMES, max_size=8), same=st.booleans())
def test_each_row_gets_its_own_transcript_whatever_was_read(
    read: list[list[str | None]], asked: list[list[str | None]], same: bool
) -> None:
    runner = FakeRunner()
    engine = engine_of(runner)
    asked = read if same else asked
    ahead = JobsAhead(SilentMonitor(), max_rows=10, max_jobs=4, min_jobs=2)
    try:
        thread = read_in_thread(ahead, engine, read)
        assert [ask(ahead, engine, names) for names in asked] == asked
        ahead.close()
        thread.join()
    finally:
        ahead.close()
    if same:  # at most once for each vector that asks, as without reading ahead
        n_asked = Counter(name for names in asked for name in {*names} if name)
        computed = Counter(location.rpartition("/")[2] for location in runner.computed)
        assert all(computed[name] <= n_asked[name] for name in computed)


def test_the_engine_gets_wide_calls_and_computes_each_clip_once(make_ahead: Callable[..., JobsAhead]) -> None:
    runner = FakeRunner(lambda _job, _monitor: time.sleep(0.0005))
    engine = engine_of(runner)
    ahead = make_ahead(max_rows=160, max_jobs=80, min_jobs=20)
    vectors = [[f"{row}" for row in range(at, at + 10)] for at in range(0, 600, 10)]
    thread = read_in_thread(ahead, engine, vectors)
    monitor = RecordingMonitor()
    assert [ask(ahead, engine, names, monitor) for names in vectors] == vectors
    thread.join()
    assert len(runner.computed) == len(set(runner.computed)) == 600
    assert len(runner.calls) < 30
    assert (monitor.n_received, monitor.n_done, monitor.audio_s) == (600, 600, 1200.0)


def test_reading_stops_at_the_bound_until_rows_are_asked_for(make_ahead: Callable[..., JobsAhead]) -> None:
    runner = FakeRunner()
    engine = engine_of(runner)
    ahead = make_ahead(max_rows=40, max_jobs=20, min_jobs=1)
    vectors = [[f"{row}" for row in range(at, at + 10)] for at in range(0, 200, 10)]
    thread = read_in_thread(ahead, engine, vectors)
    time.sleep(0.3)
    assert len(runner.computed) == 40
    assert ask(ahead, engine, vectors[0]) == vectors[0]
    time.sleep(0.3)
    assert len(runner.computed) == 50
    ahead.close()
    thread.join(1)
    assert not thread.is_alive()


def test_reading_stops_where_other_rows_are_asked_for(make_ahead: Callable[..., JobsAhead]) -> None:
    runner = FakeRunner()
    engine = engine_of(runner)
    ahead = make_ahead(max_rows=20, max_jobs=20, min_jobs=1)
    thread = read_in_thread(ahead, engine, [[f"read {row}" for row in range(10)] for _ in range(50)])
    for at in range(0, 60, 10):
        names = [f"asked {row}" for row in range(at, at + 10)]
        assert ask(ahead, engine, names) == names
    thread.join(1)
    assert not thread.is_alive()


def test_a_failure_is_reported_by_the_call_that_asks_for_the_clip(make_ahead: Callable[..., JobsAhead]) -> None:
    engine = engine_of(FakeRunner())
    of_statement, of_call = RecordingMonitor(), RecordingMonitor()
    ahead = make_ahead(of_statement, min_jobs=1)
    read_in_thread(ahead, engine, [["a", "missing"]]).join()
    assert ask(ahead, engine, ["a", "missing"], of_call) == ["a", "It is missing."]
    assert of_call.failures == [("https://example.org/missing", "It is missing.")]
    assert (of_statement.failures, of_statement.n_received, of_statement.n_done) == ([], 0, 0)


def test_what_the_threads_cannot_compute_is_computed_by_the_call_that_asks(
    make_ahead: Callable[..., JobsAhead],
) -> None:
    def before(job: Job, _monitor: Monitor) -> None:
        if threading.current_thread().name == "thano-ahead" and job.clip.location.endswith("5"):
            raise RuntimeError("the device is lost")

    engine = engine_of(FakeRunner(before))
    ahead = make_ahead(min_jobs=1)
    names = [f"{row}" for row in range(20)]
    read_in_thread(ahead, engine, [names]).join()
    assert ask(ahead, engine, names) == names


def test_waiting_for_a_clip_ends_with_the_statement(make_ahead: Callable[..., JobsAhead]) -> None:
    hangs = threading.Event()

    def before(_job: Job, monitor: Monitor) -> None:
        hangs.set()
        while True:
            time.sleep(0.01)
            monitor.raise_if_cancelled()

    class Stopped(SilentMonitor):
        def raise_if_cancelled(self) -> None:
            raise Cancelled("stop")

    engine = engine_of(FakeRunner(before))
    ahead = make_ahead(min_jobs=1)
    read_in_thread(ahead, engine, [["a"]]).join()
    assert hangs.wait(5)
    begun_s = time.monotonic()
    with pytest.raises(Cancelled):
        ask(ahead, engine, ["a"], Stopped())
    ahead.close()
    assert time.monotonic() - begun_s < 1
    assert not [thread for thread in threading.enumerate() if thread.name == "thano-ahead"]
