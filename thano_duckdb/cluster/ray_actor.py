"""The class of the actors, imported only where Ray is: its client does not take the group of a call with each call."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar, cast

import ray

from .ray_worker import RayWorker, Report

Method = TypeVar("Method", bound=Callable[..., Any])

GROUPS = {"control": 1}
"""Groups of methods that run beside the work, and on how many threads."""


def _control(method: Method) -> Method:
    return cast(Method, ray.method(concurrency_group="control")(method))


class RayActor(RayWorker):
    """A worker whose `report` and `cancel` are answered while it works."""

    @_control
    def report(self) -> Report:
        """See `RayWorker`."""
        return super().report()

    @_control
    def cancel(self, generation: int) -> None:
        """See `RayWorker`."""
        super().cancel(generation)
