"""What runs in a worker process, which `worker_process` starts: it loads a model and transcribes batches.

The main thread computes. A second one receives what comes through the pipe, and ends the process at once when the
other end is gone: a worker never outlives whoever started it.
"""

from __future__ import annotations

import gc
import os
import pickle
import queue
import signal
import sys
import threading
import time
import traceback
from collections.abc import Callable
from dataclasses import replace
from multiprocessing.connection import Connection
from typing import TYPE_CHECKING, Any, cast

from thano_duckdb.errors import Cancelled
from thano_duckdb.models.adapters import chosen_language
from thano_duckdb.monitoring.monitor import SilentMonitor
from thano_duckdb.speech.job_runner import Job, JobRunner
from thano_duckdb.speech.transcript import Transcript

from .messages import HEARTBEAT_S, Alive, Broken, Cancel, Decoders, Load, Loaded, Transcribe, Transcribed, portable
from .worker_pool import ModelFacts, ModelSource

if TYPE_CHECKING:
    from thano_duckdb.speech.recognizer.recognizer import Recognizer

CANCEL_GRACE_S = 3.0
"""How long a cancelled batch may go on; then the process ends, and another one takes its place."""
DEATH_HOOK = "THANO_TEST_WORKER_DIES_ON"
"""An environment variable of the tests: the worker is killed when it gets a clip whose location holds this text."""


def main() -> None:
    """Serve the process at the other end of the pipe, whose file descriptor is the first argument."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for whoever started us, who then says what to do
    connection: Connection[Any, Any] = Connection(int(sys.argv[1]))
    Worker(connection).run()


class Worker:
    """A worker process."""

    def __init__(self, connection: Connection[Any, Any]) -> None:
        """Serve the other end of `connection`."""
        self._connection = connection
        self._sending = threading.Lock()
        self._received: queue.SimpleQueue[Transcribe | Decoders | Load] = queue.SimpleQueue()
        self._generation = 0
        self._computes = True  # or loads: somebody waits for a sign of life
        self._progress = Progress(self.is_cancelled)

    def run(self) -> None:
        """Load the model, and transcribe until the process ends."""
        threading.Thread(target=self._receive, name="thano-receive", daemon=True).start()
        threading.Thread(target=self._beat, name="thano-heartbeat", daemon=True).start()
        try:
            message = self._received.get()
            assert isinstance(message, Load)
            runner, facts = load(message.source, message.n_threads)
        except Exception as error:  # noqa: BLE001 - whoever started us says it
            self._send(Broken(0, None, portable(error)))
            return
        self._send(Loaded(facts))
        decoders = _Decoders()
        while True:
            self._computes = False
            message = self._received.get()
            self._computes = True
            if isinstance(message, Decoders):
                decoders.receive(message)
            elif isinstance(message, Transcribe):
                self._transcribe(message, runner, decoders)

    def is_cancelled(self, generation: int) -> bool:
        """Whether what was sent in `generation` is not wanted any more."""
        return generation < self._generation

    def _transcribe(self, message: Transcribe, runner: JobRunner, decoders: _Decoders) -> None:
        if self.is_cancelled(message.generation):
            return
        self._progress.begin(message.generation)
        transcripts: dict[int, Transcript] = {}
        try:
            jobs = [
                Job(clip, None, decoders[number], rows=[row])
                for row, (clip, number) in enumerate(zip(message.clips, message.decoders, strict=True))
            ]
            die_for_tests(jobs)
            options = replace(message.options, decoder=decoders[message.decoder])
            for job, transcript in runner.run(jobs, options, self._progress):
                transcripts[job.rows[0]] = transcript
                self._progress.finished(job, transcript)
        except Cancelled:
            return
        except Exception as error:  # noqa: BLE001 - whoever sent the batch raises it
            self._send(Broken(message.generation, message.number, portable(error)))
            return
        found = tuple(transcripts[row] for row in range(len(message.clips)))
        self._send(Transcribed(message.generation, message.number, found))

    def _receive(self) -> None:
        """Runs on a thread: take what comes, until the other end is gone."""
        parent = os.getppid()
        try:
            while True:
                while not self._connection.poll(HEARTBEAT_S):
                    if os.getppid() != parent:  # another process may have inherited the other end
                        os._exit(0)
                message = self._connection.recv()
                if isinstance(message, Cancel):
                    self._generation = message.generation
                    threading.Thread(target=self._end_if_stuck, args=(message.generation,), daemon=True).start()
                else:
                    self._received.put(message)
        except (EOFError, OSError):
            os._exit(0)
        except BaseException:  # noqa: BLE001 - whatever it is, nobody would learn of it
            traceback.print_exc()
            os._exit(1)

    def _end_if_stuck(self, generation: int) -> None:
        """Runs on a thread: end the process if it does not stop what was cancelled."""
        time.sleep(CANCEL_GRACE_S)
        if self._computes and self._progress.generation < generation:
            sys.stderr.write("it did not stop when it was cancelled\n")
            sys.stderr.flush()
            os._exit(1)

    def _beat(self) -> None:
        """Runs on a thread: say that the process lives while it loads or computes."""
        while True:
            time.sleep(HEARTBEAT_S)
            if self._computes:
                self._send(Alive(self._progress.generation, *self._progress.take()))

    def _send(self, message: object) -> None:
        try:
            with self._sending:
                self._connection.send(message)
        except OSError:  # the other end is gone
            os._exit(0)


class _Decoders:
    """The decoders that messages name by their numbers; each is unpickled when it is first needed."""

    def __init__(self) -> None:
        self._pickled: dict[int, bytes] = {}
        self._ready: dict[int, Any] = {}

    def receive(self, message: Decoders) -> None:
        """Take more decoders."""
        if message.replaces_all:
            self._pickled.clear()
            self._ready.clear()
        self._pickled.update(message.added)

    def __getitem__(self, number: int) -> Any:
        if number not in self._ready:
            self._ready[number] = pickle.loads(self._pickled[number])
        return self._ready[number]


class Progress(SilentMonitor):
    """The monitor of the batches of a worker.

    Attributes:
        generation: of the present batch.
    """

    def __init__(self, is_cancelled: Callable[[int], bool]) -> None:
        self.generation = 0
        self._is_cancelled = is_cancelled
        self._lock = threading.Lock()
        self._n_clips, self._audio_s = 0.0, 0.0

    def begin(self, generation: int) -> None:
        """Another batch: nothing of the last one is reported any more."""
        with self._lock:
            self.generation = generation
            self._n_clips, self._audio_s = 0.0, 0.0

    def raise_if_cancelled(self) -> None:
        """See `Monitor`."""
        if self._is_cancelled(self.generation):
            raise Cancelled("stopped")

    def clip_advanced(self, share: float, audio_s: float) -> None:
        """See `Monitor`."""
        with self._lock:
            self._n_clips += share
            self._audio_s += audio_s

    def finished(self, job: Job, transcript: Transcript) -> None:
        """A clip is complete."""
        left = 1.0 - job.reported_share
        self.clip_advanced(left, left * (transcript.duration_s or 0.0))

    def take(self) -> tuple[float, float]:
        """Clips and seconds of audio since the last time."""
        with self._lock:
            taken = self._n_clips, self._audio_s
            self._n_clips, self._audio_s = 0.0, 0.0
        return taken


def load(source: ModelSource, n_threads: int | None) -> tuple[JobRunner, ModelFacts]:
    """Load a model; `n_threads` compute, where several workers share the processors.

    Raises:
        ModelError: see `load_engine`.
    """
    from thano_duckdb.speech.libraries import require_libraries
    from thano_duckdb.speech.loading import load_engine
    from thano_duckdb.speech.local_runner import Limits, LocalRunner, n_decode_threads
    from thano_duckdb.speech.recognizer.ctc_checkpoint import fingerprint

    require_libraries()
    limits = Limits()
    if n_threads is not None:
        import torch

        torch.set_num_threads(n_threads)
        limits = Limits(decode_threads=n_decode_threads(n_threads), search_threads=n_threads)
    model = load_engine(source.folder, source.device, source.precision, source.language).recognizer
    # The same as the model's own, so that a transcript is found in the cache wherever it was computed.
    own = f"{fingerprint(source.folder, chosen_language(source.folder, source.language))} in {model.precision}"
    facts = ModelFacts(own, model.vocabulary, model.default_decoder, model.precision, model.hardware)
    gc.collect()
    gc.freeze()  # torch's half a million objects stay: the collector need not walk over them, under the GIL
    return LocalRunner(cast("Recognizer[Any, Any, Any]", model), None, limits), facts


def die_for_tests(jobs: list[Job]) -> None:
    """See `DEATH_HOOK`."""
    if (text := os.environ.get(DEATH_HOOK)) and any(text in job.clip.location for job in jobs):
        os.kill(os.getpid(), signal.SIGKILL)
