"""How many workers a Ray cluster is asked for, and what each of them needs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from thano_duckdb.errors import ModelError, counted

MAX_CPUS = 4
"""Of a worker without a GPU: torch uses more of them with less and less effect, and another worker uses them better."""
MAX_NAMED = 6
"""Machines that a message describes."""


@dataclass(frozen=True)
class ClusterNode:
    """A machine of a cluster: its name and address, and what Ray may give away there (`CPU`, `GPU`)."""

    name: str
    resources: Mapping[str, float]

    @property
    def n_cpus(self) -> int:
        """Whole CPUs."""
        return int(self.resources.get("CPU", 0))

    @property
    def n_gpus(self) -> int:
        """Whole GPUs."""
        return int(self.resources.get("GPU", 0))

    def __str__(self) -> str:
        gpus = f", {counted(self.n_gpus, 'GPU')}" if self.n_gpus else ""
        return f"{self.name}: {counted(self.n_cpus, 'CPU')}{gpus}"


@dataclass(frozen=True)
class WorkerPlan:
    """What a pool asks a cluster for.

    Attributes:
        n_workers: how many.
        n_cpus, n_gpus: for each of them.
        device: on which each computes; Ray shows a worker only the GPU that it has.
    """

    n_workers: int
    n_cpus: int
    n_gpus: int
    device: str

    def fits(self, nodes: Sequence[ClusterNode]) -> bool:
        """Whether one of these machines could hold a worker, if nothing else ran there."""
        return any(node.n_cpus >= self.n_cpus and node.n_gpus >= self.n_gpus for node in nodes)

    def __str__(self) -> str:
        gpus = f" and {counted(self.n_gpus, 'GPU')}" if self.n_gpus else ""
        return f"{counted(self.n_workers, 'worker')} with {counted(self.n_cpus, 'CPU')}{gpus} each"


def plan_workers(nodes: Sequence[ClusterNode], device: str, n_workers: int | None = None) -> WorkerPlan:
    """One worker for each GPU of a cluster; where it has none, one for every few CPUs.

    Args:
        nodes: those of the cluster.
        device: what the statement says; `auto` takes GPUs where there are any.
        n_workers: what the statement says; more than fit now wait until there is space, as in a cluster that grows.

    Raises:
        ModelError: the cluster has no such device.
    """
    kind, _, number = device.partition(":")
    if number:
        raise ModelError(
            f"device '{device}' is a GPU of this machine: Ray gives each worker one of its own, so write device='cuda'"
        )
    n_gpus = sum(node.n_gpus for node in nodes)
    if kind == "cuda" and not n_gpus:
        raise ModelError(f"device 'cuda' needs GPUs, and the Ray cluster has none ({described(nodes)})")
    if n_gpus and kind in ("auto", "cuda"):
        return WorkerPlan(n_workers or n_gpus, 1, 1, "cuda")
    all_cpus = [node.n_cpus for node in nodes if node.n_cpus] or [1]
    n_cpus = min(MAX_CPUS, *all_cpus)
    while n_workers and n_cpus > 1 and _capacity(all_cpus, n_cpus) < n_workers:
        n_cpus -= 1
    return WorkerPlan(n_workers or _capacity(all_cpus, n_cpus), n_cpus, 0, "cpu" if kind == "auto" else kind)


def _capacity(all_cpus: Sequence[int], n_cpus: int) -> int:
    return sum(each // n_cpus for each in all_cpus)


def described(nodes: Sequence[ClusterNode]) -> str:
    """The machines of a cluster and what they have.

    >>> described([ClusterNode("a (10.0.0.1)", {"CPU": 8.0, "GPU": 1.0}), ClusterNode("b (10.0.0.2)", {"CPU": 2.0})])
    '2 machines: a (10.0.0.1): 8 CPUs, 1 GPU; b (10.0.0.2): 2 CPUs'
    """
    listed = "; ".join(map(str, nodes[:MAX_NAMED]))
    more = f"; and {len(nodes) - MAX_NAMED} more" if len(nodes) > MAX_NAMED else ""
    return f"{counted(len(nodes), 'machine')}{': ' if listed else ''}{listed}{more}"
