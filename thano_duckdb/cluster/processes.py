"""A `WorkerPool` of processes on this machine: one for each device, or several that share the processors."""

from __future__ import annotations

import itertools
import pickle
import queue
import socket
import time
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from thano_duckdb.errors import ModelError

from .messages import Alive, Broken, Cancel, Decoders, Load, Loaded, Transcribe, Transcribed
from .worker_pool import Advanced, Batch, Died, Event, Failed, Finished, ModelSource, Ready, WorkerInfo
from .worker_process import EXIT_S, WorkerProcess

SILENT_S = 60.0
"""A worker that should say each second that it lives, and has not done so for this long, is killed."""
MAX_CLOCK_STEP_S = 1.0
"""Between two looks: a longer pause is not the worker's, see `dispatcher`."""
MAX_DECODERS = 4096
"""That a worker keeps, such as those of rows with hotwords of their own."""


@dataclass
class _Worker:
    """A worker, and what it was sent."""

    process: WorkerProcess
    device: str
    state: str = "starting"
    n_queued: int = 0
    decoders: dict[Any, int] = field(default_factory=dict)
    silent_s: float = 0.0
    n_clips: int = 0
    audio_s: float = 0.0
    load_error: str = ""


class ProcessPool:
    """Workers on this machine. See `WorkerPool`."""

    def __init__(self, source: ModelSource, devices: Sequence[str], *, model: str, n_threads: int | None) -> None:
        """Prepare workers.

        Args:
            source: the model; its device counts for nothing.
            devices: of each worker, such as `cuda:1` or `cpu`.
            model: its name, for `thano_workers()`.
            n_threads: that compute in each worker; None: as many as torch takes.
        """
        self._source = source
        self._devices = devices
        self._model = model
        self._n_threads = n_threads
        self._workers: dict[str, _Worker] = {}
        self._numbers = itertools.count(1)
        self._generation = 0
        self._inbox: queue.SimpleQueue[tuple[WorkerProcess, Any]] = queue.SimpleQueue()
        self._looked_at_s = time.monotonic()
        self._decoder_numbers = itertools.count()

    def start(self) -> None:
        """See `WorkerPool`."""
        for number, device in enumerate(self._devices, 1):
            try:
                self._start(device)
            except OSError as error:
                why = error.strerror or str(error)
                raise ModelError(
                    f"worker process {number} of {len(self._devices)} cannot be started: {why}. The option 'workers' "
                    "says how many there are"
                ) from error

    def start_worker(self) -> bool:
        """See `WorkerPool`. It gets the device that has fewer workers than it should."""
        missing = list(self._devices)
        for worker in self._workers.values():
            if worker.state != "dead":
                missing.remove(worker.device)
        if not missing:
            return False
        try:
            self._start(missing[0])
        except OSError:  # the system has no room for it now; the others go on
            return False
        return True

    def _start(self, device: str) -> None:
        name = f"worker {next(self._numbers)}"
        environment = {} if self._n_threads is None else {"OMP_NUM_THREADS": str(self._n_threads)}
        process = WorkerProcess(
            name,
            environment,
            on_message=lambda process, message: self._inbox.put((process, message)),
            on_end=lambda process, reason: self._inbox.put((process, Died(process.name, reason))),
        )
        self._workers[name] = _Worker(process, device)
        process.send(Load(replace(self._source, device=device), self._n_threads))

    def submit(self, worker: str, batch: Batch) -> None:
        """See `WorkerPool`."""
        target = self._workers[worker]
        decoders = batch.decoders or (batch.options.decoder,) * len(batch.clips)
        numbers = self._numbers_of(target, [batch.options.decoder, *decoders])
        options = replace(batch.options, decoder=None)
        target.process.send(
            Transcribe(self._generation, batch.number, batch.clips, tuple(numbers[1:]), options, numbers[0])
        )
        target.n_queued += 1

    def _numbers_of(self, target: _Worker, decoders: Sequence[Any]) -> list[int]:
        """The numbers by which a worker knows some decoders; it is sent those that it does not know."""
        distinct = set(decoders)
        new = distinct.difference(target.decoders)
        is_full = len(target.decoders) + len(new) > MAX_DECODERS
        if is_full:
            target.decoders.clear()
            new = distinct
        if new:
            added = {next(self._decoder_numbers): decoder for decoder in new}
            pickled = {number: pickle.dumps(decoder) for number, decoder in added.items()}
            target.process.send(Decoders(pickled, replaces_all=is_full))
            target.decoders.update((decoder, number) for number, decoder in added.items())
        return [target.decoders[decoder] for decoder in decoders]

    def poll(self, timeout_s: float) -> Sequence[Event]:
        """See `WorkerPool`."""
        events: list[Event] = []
        try:
            received = self._inbox.get(timeout=timeout_s) if timeout_s else self._inbox.get_nowait()
            while True:
                if (event := self._event(*received)) is not None:
                    events.append(event)
                received = self._inbox.get_nowait()
        except queue.Empty:
            pass
        self._check_silence()
        return events

    def _event(self, process: WorkerProcess, message: Any) -> Event | None:
        name = process.name
        worker = self._workers[name]
        worker.silent_s = 0.0
        match message:
            case Loaded(facts):
                worker.state = "ready"
                return Ready(name, facts)
            case Alive(generation, n_clips, audio_s):
                is_old = generation != self._generation
                return Advanced(name, 0.0, 0.0) if is_old else Advanced(name, n_clips, audio_s)
            case Transcribed(generation, number, transcripts):
                worker.n_clips += len(transcripts)
                worker.audio_s += sum(transcript.duration_s or 0.0 for transcript in transcripts)
                if generation == self._generation:
                    worker.n_queued -= 1
                    return Finished(name, number, transcripts)
            case Broken(_, None, error):
                worker.load_error = str(error) or type(error).__name__
            case Broken(generation, int(number), error) if generation == self._generation:
                worker.n_queued -= 1
                return Failed(name, number, error)
            case Died():
                worker.state = "dead"
                return Died(name, worker.load_error or message.reason)
        return None

    def _check_silence(self) -> None:
        """Kill the workers that do not answer: they are stopped, or their machine has no memory left."""
        now_s = time.monotonic()
        passed_s, self._looked_at_s = min(now_s - self._looked_at_s, MAX_CLOCK_STEP_S), now_s
        for worker in self._workers.values():
            if worker.state == "starting" or (worker.state == "ready" and worker.n_queued):
                worker.silent_s += passed_s
                if worker.silent_s >= SILENT_S:
                    worker.silent_s = 0.0
                    worker.process.kill(f"its process {worker.process.pid} did not answer for {SILENT_S:.0f} s")

    def cancel(self) -> None:
        """See `WorkerPool`. A worker that does not stop ends itself soon after."""
        self._generation += 1
        for worker in self._workers.values():
            if worker.state != "dead":
                worker.n_queued = 0
                worker.process.send(Cancel(self._generation))

    def workers(self) -> Sequence[WorkerInfo]:
        """See `WorkerPool`."""
        return [
            WorkerInfo(
                name,
                "process",
                socket.gethostname(),
                worker.process.pid,
                worker.device,
                "busy" if worker.state == "ready" and worker.n_queued else worker.state,
                self._model,
                worker.n_clips,
                worker.audio_s,
            )
            for name, worker in self._workers.items()
        ]

    def close(self) -> None:
        """See `WorkerPool`."""
        alive = [worker.process for worker in self._workers.values() if worker.state != "dead"]
        for process in alive:
            process.begin_close()
        deadline_s = time.monotonic() + EXIT_S
        for process in alive:
            process.close(max(0.0, deadline_s - time.monotonic()))
