"""Statements over a table of clips, with a runner that only writes down what it is asked for."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from unittest import mock

import pytest

import thano_duckdb
from thano_duckdb.connection import request
from thano_duckdb.monitoring.monitor import Monitor
from thano_duckdb.speech.job_runner import CallOptions, Job
from thano_duckdb.speech.local_runner import LocalRunner
from thano_duckdb.speech.transcript import Transcript

N_ROWS = 7_000


@dataclass
class Calls:
    """What the runner was asked for: the thread and the number of clips of each call, and the clips."""

    threads: list[str] = field(default_factory=list)
    locations: list[str] = field(default_factory=list)
    before: Callable[[Job, Monitor], None] = lambda _job, _monitor: None

    @property
    def reads_ahead(self) -> bool:
        return any(name.startswith("thano-ahead") for name in self.threads)


def write_down_calls(monkeypatch: pytest.MonkeyPatch) -> Calls:
    """Put a runner in place of the model's, which gives the name of each file as its text, and no text for `bad`."""
    calls = Calls()

    def run(
        _runner: LocalRunner, jobs: Sequence[Job], _options: CallOptions, monitor: Monitor
    ) -> Generator[tuple[Job, Transcript], None, None]:
        thread = threading.current_thread().name
        calls.threads.append(thread)
        if thread == "thano-ahead":
            time.sleep(0.02)
        elif ahead_threads():
            time.sleep(0.4)  # so that reading gets ahead
            deadline_s = time.monotonic() + 20  # on a busy machine too, with the headers of thousands of files to read
            while ahead_threads() and not calls.reads_ahead and time.monotonic() < deadline_s:
                monitor.raise_if_cancelled()
                time.sleep(0.02)
        for job in jobs:
            monitor.raise_if_cancelled()
            calls.before(job, monitor)
            calls.locations.append(job.clip.location)
            name = Path(job.clip.location).stem
            if name.startswith("bad"):
                yield job, Transcript.failed("It is bad.")
            else:
                yield job, Transcript(name, 0.5, 1.0, None, None)

    monkeypatch.setattr(LocalRunner, "run", run)
    return calls


def make_table(con: thano_duckdb.Connection, model: Path) -> Callable[..., list[Any]]:
    """Make a table `clips` with NULLs, repetitions and bad files, and return what runs statements.

    `USING M` in a statement stands for the model.
    """
    con.execute(
        f"""CREATE TABLE clips AS SELECT
            i AS id,
            CASE WHEN i % 97 = 5 THEN NULL WHEN i % 1000 = 507 THEN 'bad' || i ELSE 'clip' || (i // 3) END
                || '.wav' AS audio_path,
            'CLIP' AS text
        FROM range({N_ROWS}) t(i)"""
    )

    def run(*statements: str) -> list[Any]:
        for sql in statements:
            con.execute(sql.replace("USING M", f"USING '{model}'"))
        return con.fetchall()

    return run


def without_reading_ahead() -> Any:
    return mock.patch.object(request, "find_second_reading", return_value=None)


def ahead_threads() -> list[str]:
    return [thread.name for thread in threading.enumerate() if "ahead" in thread.name]
