"""How many workers a cluster is asked for, and with what."""

from __future__ import annotations

import pytest

from thano_duckdb.cluster.ray_plan import ClusterNode, WorkerPlan, described, plan_workers
from thano_duckdb.errors import ModelError


def nodes(*have: tuple[int, int]) -> list[ClusterNode]:
    """Machines with so many CPUs and GPUs."""
    return [
        ClusterNode(f"n{number}", {"CPU": float(cpus), "GPU": float(gpus)}) for number, (cpus, gpus) in enumerate(have)
    ]


@pytest.mark.parametrize(
    ("have", "device", "wanted", "plan"),
    [
        ([(64, 8), (64, 8)], "auto", None, WorkerPlan(16, 1, 1, "cuda")),
        ([(64, 8), (16, 0)], "cuda", 4, WorkerPlan(4, 1, 1, "cuda")),
        ([(64, 8)], "cpu", None, WorkerPlan(16, 4, 0, "cpu")),
        ([(1, 0), (1, 0)], "auto", None, WorkerPlan(2, 1, 0, "cpu")),
        ([(8, 0), (8, 0)], "auto", None, WorkerPlan(4, 4, 0, "cpu")),
        ([(8, 0), (2, 0)], "auto", None, WorkerPlan(5, 2, 0, "cpu")),
        ([(8, 0), (8, 0)], "auto", 8, WorkerPlan(8, 2, 0, "cpu")),
        ([(2, 0)], "auto", 8, WorkerPlan(8, 1, 0, "cpu")),  # six of them wait until the cluster grows
        ([(0, 0), (8, 0)], "auto", None, WorkerPlan(2, 4, 0, "cpu")),  # a head that computes nothing
    ],
)
def test_workers_fill_the_cluster(
    have: list[tuple[int, int]], device: str, wanted: int | None, plan: WorkerPlan
) -> None:
    assert plan_workers(nodes(*have), device, wanted) == plan


def test_gpus_that_a_cluster_does_not_have_are_an_error_that_says_what_it_has() -> None:
    with pytest.raises(ModelError, match=r"needs GPUs.*1 machine: n0: 4 CPUs"):
        plan_workers(nodes((4, 0)), "cuda")


def test_a_gpu_of_this_machine_means_nothing_in_a_cluster() -> None:
    with pytest.raises(ModelError, match="write device='cuda'"):
        plan_workers(nodes((4, 2)), "cuda:1")


def test_a_worker_fits_where_one_machine_has_all_that_it_needs() -> None:
    plan = WorkerPlan(1, 4, 1, "cuda")
    assert plan.fits(nodes((4, 1)))
    assert not plan.fits(nodes((4, 0), (1, 1)))


def test_many_machines_are_described_in_a_few_words() -> None:
    assert described(nodes(*[(2, 1)] * 9)).endswith("n5: 2 CPUs, 1 GPU; and 3 more")
