"""Writes transcripts to a store while the statement runs, in batches on a thread of its own."""

from __future__ import annotations

import threading
import time

from thano_duckdb.speech.transcript import Transcript

from .store import Batch, Recognition, StoreError, TranscriptStore

BATCH_SIZE = 256
BATCH_S = 2.0
"""A batch is written when it has so many transcripts, or is so old: what `kill -9` may lose."""
MAX_WAITING = 16_384
"""With more, the store is slow, or locked: the statement waits, once and for some seconds; if that does not help, what
comes is not kept."""
WAIT_S = 10.0
FLUSH_TIMEOUT_S = 15.0


class StoreWriter:
    """Collects what is to be kept, and writes it. Any thread may call it, and never waits for the disk but in `flush`.

    Attributes:
        n_problems: how often something was not kept.
        problem: why, the last time; a sentence without its full stop.
    """

    def __init__(self, store: TranscriptStore, *, is_idle: bool = False) -> None:
        """Write to `store`; the thread starts with the first transcript. An idle writer keeps nothing."""
        self.n_problems = 0
        self.problem = ""
        self._store = store
        self._is_idle = is_idle
        self._changed = threading.Condition()
        self._waiting = Batch()
        self._waits_since_s = 0.0
        self._n_flushes = 0
        self._n_flushed = 0
        self._is_closed = False
        self._is_stuck = False
        self._thread: threading.Thread | None = None

    def keep(self, recognition: Recognition, key: bytes, transcript: Transcript) -> None:
        """Keep the transcript of a clip."""
        with self._changed:
            if self._has_room():
                self._waiting.transcripts.append((recognition, key, transcript))
                self._notice(len(self._waiting.transcripts))

    def keep_files(self, hashes: dict[bytes, bytes]) -> None:
        """Keep the content hashes of files, by the keys of their versions."""
        with self._changed:
            if hashes and self._has_room():
                self._waiting.files.update(hashes)
                self._notice(len(self._waiting.files))

    def used(self, recognition: Recognition, keys: list[bytes]) -> None:
        """Note that transcripts were used again."""
        with self._changed:
            if keys and self._has_room():
                self._waiting.used += [(recognition, key) for key in keys]
                self._notice(0)

    def flush(self, timeout_s: float = FLUSH_TIMEOUT_S) -> None:
        """Wait until everything is written, or cannot be."""
        with self._changed:
            if self._thread is None:
                return
            self._n_flushes += 1
            target = self._n_flushes
            self._changed.notify_all()
            self._changed.wait_for(lambda: self._n_flushed >= target, timeout_s)

    def close(self) -> None:
        """Write what is left and end the thread; the store stays open."""
        self.flush()
        with self._changed:
            self._is_closed = True
            self._changed.notify_all()
        if self._thread is not None:
            self._thread.join(FLUSH_TIMEOUT_S)

    def _has_room(self) -> bool:
        """Whether more can wait; where the store is slow, this waits for it."""
        if self._is_idle:
            return False
        if len(self._waiting) < MAX_WAITING:
            return True
        if not self._is_stuck and self._changed.wait_for(lambda: len(self._waiting) < MAX_WAITING, WAIT_S):
            return True
        self._is_stuck = True
        self._fail("the transcript cache takes too long to write")
        return False

    def _fail(self, problem: str) -> None:
        self.n_problems += 1
        self.problem = problem

    def _notice(self, n_waiting: int) -> None:
        """Something was added."""
        if self._thread is None:
            self._thread = threading.Thread(target=self._run, name="thano-cache", daemon=True)
            self._thread.start()
        if not self._waits_since_s:
            self._waits_since_s = time.monotonic()
            self._changed.notify_all()
        elif n_waiting % BATCH_SIZE == 0:
            self._changed.notify_all()

    def _due_in_s(self) -> float | None:
        """In how many seconds the batch is to be written; None: nothing waits."""
        if not len(self._waiting):
            return None
        if len(self._waiting.transcripts) >= BATCH_SIZE:
            return 0.0
        return max(0.0, self._waits_since_s + BATCH_S - time.monotonic())

    def _run(self) -> None:
        while True:
            with self._changed:
                while self._n_flushed == self._n_flushes and not self._is_closed:
                    due_in_s = self._due_in_s()
                    if due_in_s is not None and due_in_s <= 0:
                        break
                    self._changed.wait(due_in_s)
                batch, self._waiting, self._waits_since_s = self._waiting, Batch(), 0.0
                flushed, is_closed = self._n_flushes, self._is_closed
                self._changed.notify_all()  # there is room again
            problem = self._write(batch)
            with self._changed:
                if problem:
                    self._fail(problem)
                self._n_flushed = flushed
                self._is_stuck = False
                self._changed.notify_all()
            if is_closed:
                return

    def _write(self, batch: Batch) -> str:
        """Write a batch; why that was not possible, or nothing."""
        if not len(batch):
            return ""
        try:
            self._store.write(batch)
        except StoreError as error:
            return str(error)
        except Exception as error:  # noqa: BLE001 - the thread must go on, or nothing would be kept and nobody would know
            return f"the transcript cache cannot be written ({type(error).__name__}: {error})"
        return ""
