"""A `WorkerPool` whose workers are actors of a Ray cluster.

A new worker says what it is, finds or receives the model, and loads it; only then it is ready. Ray neither restarts a
worker nor repeats its work (`max_restarts=0`, `max_task_retries=0`): the dispatcher does that, which knows the clips.
Nothing here waits without a limit: Ray reports a lost machine by itself, and who does not answer is given up.
"""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import time
from collections.abc import Callable, Sequence
from typing import Any

from thano_duckdb.errors import AudioError, Cancelled, ClusterUnavailableError, ModelError, brief_location
from thano_duckdb.models.adapters import chosen_language
from thano_duckdb.speech.recognizer.ctc_checkpoint import fingerprint

from .node_files import FolderContent
from .ray_cluster import RayCluster
from .ray_parcels import Parcels, model_content
from .ray_plan import WorkerPlan, described, plan_workers
from .ray_reasons import death_reason
from .ray_worker import Description, Failure, PathNotVisibleError, Report, WorkerBatch
from .software import Software
from .worker_handle import Expected, WorkerHandle
from .worker_pool import (
    Advanced,
    Batch,
    Died,
    Event,
    Failed,
    Finished,
    ModelFacts,
    ModelSource,
    Ready,
    WorkerInfo,
)

NO_WORKER_S = 60.0
"""How long the cluster may have no room for any worker."""
PREPARE_S = 1800.0
"""How long a worker may take to find or receive files, or to load the model."""
SILENT_S = 120.0
"""A worker answers every second; one that does not for so long is given up."""
CLOSE_S = 3.0
"""How long the end waits until the workers are gone."""
RESULT_S = 60.0
"""How long the bytes of an answer that is complete may take to arrive."""
SIGN_S = 1.0
"""How often a pool without a ready worker says that others are about to be."""
MAX_STEP_S = 1.0
"""A longer pause between two polls is not the workers' fault."""


class RayPool:
    """See the module. `close` it at the end."""

    def __init__(
        self, cluster: RayCluster, source: ModelSource, n_workers: int | None = None, *, model: str = ""
    ) -> None:
        """Prepare a pool for a model.

        Args:
            cluster: where the workers run.
            source: what they load.
            n_workers: how many; None: as many as the cluster has GPUs, or room.
            model: the name of the model.
        """
        self._cluster = cluster
        self._ray = cluster.ray
        self._source = source
        self._n_wanted = n_workers
        self._model_name = model
        self._plan = WorkerPlan(0, 0, 0, source.device)
        self._model = FolderContent(source.folder, ())
        self._parcels = Parcels(cluster.ray)
        self._workers: list[WorkerHandle] = []
        self._expected: dict[Any, Expected] = {}  # by Ray's reference to the answer
        self._events: list[Event] = []
        self._generation = 0
        self._polled_s = self._sign_s = time.monotonic()
        self._without_worker_s = 0.0

    # What the dispatcher calls, see `WorkerPool`

    def start(self) -> None:
        """See `WorkerPool`."""
        self._plan = plan_workers(self._cluster.nodes(), self._source.device, self._n_wanted)
        self._model = model_content(self._source)
        self._polled_s = time.monotonic()
        for _ in range(self._plan.n_workers):
            self._start_worker()

    def start_worker(self) -> bool:
        """See `WorkerPool`."""
        if not self._plan.fits(self._cluster.nodes()):
            return False
        self._start_worker()
        return True

    def submit(self, worker: str, batch: Batch) -> None:
        """See `WorkerPool`."""
        found = next(each for each in self._workers if each.name == worker)
        if found.state == "dead":  # the event is not read yet
            return
        found.state = "busy"
        found.waiting.append(self._parcels.parcel(batch))
        self._send(found)

    def poll(self, timeout_s: float) -> Sequence[Event]:
        """See `WorkerPool`.

        Raises:
            ModelError: the cluster has no room for any worker, or a machine of it has other software.
            ClusterUnavailableError: this process is in no cluster any more.
            AudioError: a machine does not see the audio.
        """
        self._check_connected()
        self._check_time()
        self._take_answers(0.0 if self._events else timeout_s)
        for worker in self._workers:
            self._send(worker)
            self._ask_for_report(worker)
        events, self._events = self._events, []
        return events

    def cancel(self) -> None:
        """See `WorkerPool`."""
        self._generation += 1
        self._expected = {ref: each for ref, each in self._expected.items() if each.number is None}
        self._events = [event for event in self._events if not isinstance(event, Finished | Failed | Advanced)]
        self._parcels.forget_batches()
        for worker in self._workers:
            if worker.state == "busy":
                worker.state = "ready"
                worker.waiting.clear()
                worker.sent.clear()
                worker.actor.cancel.remote(self._generation)

    def workers(self) -> Sequence[WorkerInfo]:
        """See `WorkerPool`."""
        return [
            WorkerInfo(
                worker.name,
                "ray",
                worker.node,
                worker.pid,
                self._plan.device,
                worker.state,
                self._model_name,
                worker.n_clips,
                worker.audio_s,
            )
            for worker in self._workers
        ]

    def close(self) -> None:
        """See `WorkerPool`."""
        self._expected.clear()
        self._events.clear()
        self._parcels = Parcels(self._ray)
        if not self._ray.is_initialized():  # the workers have ended with the connection
            return
        alive = [worker for worker in self._workers if worker.state != "dead"]
        for worker in alive:
            self._kill(worker)
        with contextlib.suppress(Exception):  # the cluster itself may be gone
            answers = [worker.actor.report.remote() for worker in alive]
            if answers:  # an error, as soon as the actor is gone
                self._ray.wait(answers, num_returns=len(answers), timeout=CLOSE_S)

    # How a worker gets ready

    def _start_worker(self) -> None:
        from .ray_actor import GROUPS, RayActor

        actor_class = self._ray.remote(concurrency_groups=GROUPS)(RayActor).options(
            num_cpus=self._plan.n_cpus,
            num_gpus=self._plan.n_gpus,
            max_restarts=0,
            max_task_retries=0,
            scheduling_strategy="SPREAD",
        )
        worker = WorkerHandle(f"ray-{len(self._workers) + 1}", actor_class.remote())
        self._workers.append(worker)
        self._expect(worker.actor.describe.remote(), worker, self._described)

    def _described(self, worker: WorkerHandle, description: Description) -> None:
        worker.description = description
        if difference := Software.current().difference(description.software):
            raise ModelError(
                f"the machine {description.node} of the Ray cluster has {difference} as this process has: install the "
                "same versions on all machines"
            )
        self._need(worker, self._model)

    def _need(self, worker: WorkerHandle, content: FolderContent) -> None:
        """Let a worker have some files, if it does not have them yet."""
        if content.digest not in worker.files:
            worker.files[content.digest] = False
            self._expect(worker.actor.find.remote(content), worker, functools.partial(self._found, content=content))

    def _found(self, worker: WorkerHandle, is_found: bool, content: FolderContent) -> None:
        if not is_found:
            received = worker.actor.receive.remote(content, self._parcels.chunks(content))
            self._expect(received, worker, functools.partial(self._found, content=content))
            return
        worker.files[content.digest] = True
        if worker.state == "starting":
            source = dataclasses.replace(self._source, device=self._plan.device)
            identity = fingerprint(source.folder, chosen_language(source.folder, source.language))
            n_threads = None if self._plan.n_gpus else self._plan.n_cpus
            self._expect(worker.actor.load.remote(content, source, identity, n_threads), worker, self._loaded)

    def _loaded(self, worker: WorkerHandle, facts: ModelFacts) -> None:
        worker.state = "ready"
        self._events.append(Ready(worker.name, facts))
        if not any(each.is_preparing for each in self._workers):
            self._parcels.forget_chunks()

    # Batches

    def _send(self, worker: WorkerHandle) -> None:
        """Send the batches of a worker for which it has all files, and for whose BLOBs there is room."""
        while worker.state == "busy" and worker.waiting:
            parcel = worker.waiting[0]
            contents = list(parcel.language_models)
            for content in contents:
                self._need(worker, content)
            if not all(worker.files[content.digest] for content in contents) or not self._parcels.has_room(parcel):
                return
            worker.waiting.popleft()
            number = parcel.batch.number
            worker.sent.append(number)
            batch, blobs = self._parcels.send(parcel, self._generation)
            answer = functools.partial(self._transcribed, number=number, batch=batch)
            self._expect(worker.actor.transcribe.remote(batch, blobs), worker, answer, number)

    def _transcribed(self, worker: WorkerHandle, answer: Any, number: int, batch: WorkerBatch) -> None:
        worker.sent.remove(number)
        self._parcels.arrived(number)
        if not worker.sent and not worker.waiting:
            worker.state = "ready"
        if not isinstance(answer, Failure):
            worker.n_clips += len(answer)
            worker.audio_s += sum(transcript.duration_s or 0.0 for transcript in answer)
            self._events.append(Finished(worker.name, number, answer))
        elif isinstance(answer.error, PathNotVisibleError):
            assert batch.witness is not None
            raise AudioError(
                f"the machine {worker.node} of the Ray cluster does not see {brief_location(batch.witness.path)} "
                f"({answer.error}): keep audio on storage that all machines have at the same path, give URLs, or give "
                "BLOBs, as in PREDICT .. OPTIONS (audio_col='content') AS SELECT * FROM read_blob('..')"
            )
        elif not isinstance(answer.error, Cancelled):
            self._events.append(Failed(worker.name, number, answer.error))

    def _ask_for_report(self, worker: WorkerHandle) -> None:
        """Always: so the end of a worker is noticed before it gets its next batch."""
        if worker.state in ("ready", "busy") and not worker.is_reporting:
            worker.is_reporting = True
            self._expect(worker.actor.report.remote(), worker, self._reported)

    def _reported(self, worker: WorkerHandle, report: Report) -> None:
        worker.is_reporting = False
        if worker.state == "busy" and (report.n_clips or report.audio_s):
            self._events.append(Advanced(worker.name, report.n_clips, report.audio_s))

    # Answers

    def _expect(self, ref: Any, worker: WorkerHandle, handle: Callable[..., None], number: int | None = None) -> None:
        worker.silent_s = 0.0
        self._expected[ref] = Expected(worker, functools.partial(handle, worker), number)

    def _take_answers(self, timeout_s: float) -> None:
        """Handle all answers that have come; wait for the first one."""
        refs = list(self._expected)
        if not refs:
            time.sleep(timeout_s)
            return
        done, _ = self._ray.wait(refs, num_returns=1, timeout=timeout_s)
        if done and len(refs) > 1:
            done, _ = self._ray.wait(refs, num_returns=len(refs), timeout=0)
        for ref in done:
            expected = self._expected.pop(ref, None)
            if expected is not None:  # else its worker died with another answer
                self._take(ref, expected)

    def _take(self, ref: Any, expected: Expected) -> None:
        worker = expected.worker
        try:
            answer = self._ray.get(ref, timeout=RESULT_S)
        except self._ray.exceptions.RayError as error:
            self._died(worker, death_reason(self._ray, error, worker.node, worker.pid))
            return
        worker.silent_s = 0.0
        if isinstance(answer, Failure) and expected.number is None:
            self._died(worker, f"on {worker.node or 'its machine'}: {answer.error}")
        else:
            expected.handle(answer)

    def _died(self, worker: WorkerHandle, reason: str) -> None:
        self._kill(worker)
        worker.state = "dead"
        self._expected = {ref: each for ref, each in self._expected.items() if each.worker is not worker}
        for number in worker.sent:
            self._parcels.arrived(number)
        worker.waiting.clear()
        worker.sent.clear()
        self._events.append(Died(worker.name, reason))

    def _kill(self, worker: WorkerHandle) -> None:
        with contextlib.suppress(Exception):  # it, or the cluster, is gone already
            self._ray.kill(worker.actor, no_restart=True)

    def _check_connected(self) -> None:
        """Ask Ray for nothing after `ray.shutdown()`: it would start a cluster of its own.

        Raises:
            ClusterUnavailableError: this process is in no cluster.
        """
        if not self._ray.is_initialized():
            raise ClusterUnavailableError("this process has left the Ray cluster (ray.shutdown() was called)")

    def _check_time(self) -> None:
        """Give up workers that do not answer, and a cluster that has no room for any.

        Raises:
            ModelError: there has been no room for a long time.
        """
        now_s = time.monotonic()
        passed_s, self._polled_s = min(now_s - self._polled_s, MAX_STEP_S), now_s
        for worker in self._workers:
            if worker.is_preparing or worker.is_reporting:
                worker.silent_s += passed_s
                limit_s = PREPARE_S if worker.is_preparing else SILENT_S
                if worker.silent_s > limit_s:
                    self._died(worker, f"on {worker.node}: it did not answer for {limit_s:.0f} s")
        starting = [worker for worker in self._workers if worker.state == "starting"]
        if not starting or any(worker.state in ("ready", "busy") for worker in self._workers):
            self._without_worker_s = 0.0
            return
        if now_s - self._sign_s >= SIGN_S:
            self._sign_s = now_s
            self._events.append(Advanced(starting[0].name, 0.0, 0.0))
        has_room = any(worker.is_preparing for worker in starting)
        self._without_worker_s = 0.0 if has_room else self._without_worker_s + passed_s
        if self._without_worker_s >= NO_WORKER_S:
            raise ModelError(
                f"no worker has started in the Ray cluster for {NO_WORKER_S:.0f} s. Asked for: {self._plan}. The "
                f"cluster has {described(self._cluster.nodes())}; {self._free()}. Wait until other jobs are done, ask "
                "for fewer workers=, or add machines"
            )

    def _free(self) -> str:
        with contextlib.suppress(Exception):
            free = self._ray.available_resources()
            return f"free are {free.get('CPU', 0):g} CPUs and {free.get('GPU', 0):g} GPUs"
        return "what is free is not known"
