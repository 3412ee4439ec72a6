"""As much of Ray as the pool uses, in this process: actors are objects, whose methods run on threads of their own."""

from __future__ import annotations

import time
import types
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from typing import Any


class RayError(Exception):
    pass


class ActorDiedError(RayError):
    pass


class NodeDiedError(RayError):
    pass


class OutOfMemoryError(RayError):
    pass


class ObjectLostError(RayError):
    pass


class ActorUnavailableError(RayError):
    pass


@dataclass(eq=False)
class Actor:
    """An actor; `is_placed` says whether the cluster has room for it."""

    worker: Any
    is_placed: bool = True
    is_dead: bool = False
    work: ThreadPoolExecutor = field(default_factory=lambda: ThreadPoolExecutor(1))
    control: ThreadPoolExecutor = field(default_factory=lambda: ThreadPoolExecutor(1))
    refs: list[Future[Any]] = field(default_factory=list)

    def __getattr__(self, name: str) -> Method:
        if name.startswith("_"):
            raise AttributeError(name)
        return Method(self, name)

    def call(self, name: str, threads: ThreadPoolExecutor, arguments: Sequence[Any]) -> Future[Any]:
        ref: Future[Any] = Future()
        self.refs.append(ref)
        if self.is_dead:
            ref.set_exception(ActorDiedError("The actor died."))
        elif self.is_placed:
            threads.submit(self._run, ref, name, arguments)
        return ref

    def _run(self, ref: Future[Any], name: str, arguments: Sequence[Any]) -> None:
        given = [each.result() if isinstance(each, Future) else each for each in arguments]
        answer = getattr(self.worker, name)(*given)
        if not ref.done():
            ref.set_result(answer)

    def die(self, error: RayError) -> None:
        """End, and answer nothing any more."""
        self.is_dead = True
        for ref in self.refs:
            if not ref.done():
                ref.set_exception(error)
        self.work.shutdown(wait=False, cancel_futures=True)
        self.control.shutdown(wait=False, cancel_futures=True)


@dataclass(frozen=True)
class Method:
    actor: Actor
    name: str

    def remote(self, *arguments: Any) -> Future[Any]:
        threads = self.actor.control if self.name in ("report", "cancel") else self.actor.work
        return self.actor.call(self.name, threads, arguments)


@dataclass
class FakeRay:
    """The module. `nodes_` are the machines of the cluster; `has_room` says whether actors start."""

    nodes_: list[dict[str, Any]] = field(default_factory=list)
    has_room: bool = True
    is_connected: bool = True
    actors: list[Actor] = field(default_factory=list)
    asked: list[dict[str, Any]] = field(default_factory=list)
    n_put_bytes: int = 0
    exceptions: Any = field(
        default_factory=lambda: types.SimpleNamespace(
            RayError=RayError,
            ActorDiedError=ActorDiedError,
            NodeDiedError=NodeDiedError,
            OutOfMemoryError=OutOfMemoryError,
            ObjectLostError=ObjectLostError,
            ActorUnavailableError=ActorUnavailableError,
        )
    )
    util: Any = field(default_factory=lambda: types.SimpleNamespace(get_node_ip_address=lambda: "10.0.0.1"))

    @classmethod
    def with_cpus(cls, *n_cpus: int) -> FakeRay:
        """A cluster of machines with so many CPUs each."""
        return cls([node(f"node{number}", CPU=float(n)) for number, n in enumerate(n_cpus)])

    def is_initialized(self) -> bool:
        return self.is_connected

    def shutdown(self) -> None:
        self.is_connected = False
        for actor in self.actors:
            if not actor.is_dead:
                actor.die(ActorDiedError("The driver left."))

    def nodes(self) -> list[dict[str, Any]]:
        return self.nodes_

    def available_resources(self) -> dict[str, float]:
        return {"CPU": 0.0}

    def remote(self, *, concurrency_groups: dict[str, int]) -> Callable[[type], Any]:
        assert concurrency_groups == {"control": 1}

        def decorate(cls: type) -> Any:
            def create() -> Actor:
                actor = Actor(cls(), is_placed=self.has_room)
                self.actors.append(actor)
                return actor

            def options(**asked: Any) -> Any:
                self.asked.append(asked)
                return types.SimpleNamespace(remote=create)

            return types.SimpleNamespace(options=options)

        return decorate

    def method(self, *, concurrency_group: str) -> Callable[[Any], Any]:
        assert concurrency_group == "control"
        return lambda method: method

    def put(self, value: Any) -> Future[Any]:
        self.check()
        ref: Future[Any] = Future()
        ref.set_result(value)
        self.n_put_bytes += sum(len(each or b"") for each in value) if isinstance(value, list) else len(value)
        return ref

    def check(self) -> None:
        assert self.is_connected, "Ray would start a cluster"

    def get(self, ref: Future[Any], timeout: float) -> Any:
        return ref.result(timeout)

    def wait(
        self, refs: Sequence[Future[Any]], *, num_returns: int, timeout: float
    ) -> tuple[list[Future[Any]], list[Future[Any]]]:
        self.check()
        until_s = time.monotonic() + timeout
        while sum(ref.done() for ref in refs) < num_returns and (left_s := until_s - time.monotonic()) > 0:
            wait([ref for ref in refs if not ref.done()], left_s, return_when=FIRST_COMPLETED)
        done = [ref for ref in refs if ref.done()][:num_returns]
        return done, [ref for ref in refs if ref not in done]

    def kill(self, actor: Actor, *, no_restart: bool) -> None:
        assert no_restart
        self.check()
        if not actor.is_dead:
            actor.die(ActorDiedError("The actor was killed."))


def node(name: str, **resources: float) -> dict[str, Any]:
    """A machine as `ray.nodes` gives it."""
    return {"NodeManagerHostname": name, "NodeManagerAddress": "10.0.0.1", "Alive": True, "Resources": resources}


def alive(fake: FakeRay) -> Iterator[Actor]:
    """The actors that were not killed."""
    return (actor for actor in fake.actors if not actor.is_dead)
