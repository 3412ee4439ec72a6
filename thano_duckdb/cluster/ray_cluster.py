"""Joins a Ray cluster, or starts one on this machine. Ray is imported here, when a statement first needs it.

A process is in one cluster at a time, and stays in it until it ends: connecting takes seconds, and starting a cluster
up to a minute on a busy machine. A cluster that was started here ends with the process.
"""

from __future__ import annotations

import contextlib
import functools
import logging
import os
import socket
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from thano_duckdb.errors import ClusterUnavailableError, on_one_line

from .ray_plan import ClusterNode

CONNECT_S = 90.0
"""How long joining a cluster, or starting one, may take."""
REACH_S = 5.0
"""How long an address may take to answer."""
N_STARTS = 2
"""How often starting a cluster is tried: on a busy machine Ray's own processes give each other up too soon."""
DEFAULT_PORTS = {"ray://": 10001, "": 6379}

_MAX_REASON_CHARS = 300


@dataclass(frozen=True)
class RayCluster:
    """A cluster that this process is in.

    Attributes:
        ray: the module.
        address: what the user calls the cluster.
    """

    ray: Any
    address: str

    def nodes(self) -> Sequence[ClusterNode]:
        """The machines that are alive."""
        return [
            ClusterNode(f"{node['NodeManagerHostname']} ({node['NodeManagerAddress']})", node["Resources"])
            for node in self.ray.nodes()
            if node["Alive"]
        ]


def join_cluster(setting: str) -> RayCluster:
    """The cluster that the option `cluster` means.

    Args:
        setting: `auto`: one that runs; `ray`: the same, else a new one on this machine; or an address.

    Raises:
        ClusterUnavailableError: there is none, or it cannot be used; one sentence says why, and what to do.
    """
    ray = _import_ray()
    with _joining:
        if ray.is_initialized():
            return _joined(ray, setting)
        if setting not in ("auto", "ray"):
            _check_answers(setting)
            return _join(ray, setting)
        if address := os.environ.get("RAY_ADDRESS"):
            if setting == "ray" and address == "local":
                return _start(ray)
            _check_answers(address)
            return _join(ray, address)
        try:
            return _join(ray, "auto")
        except _NoneRunsError:
            if setting == "auto":
                raise
        return _start(ray)


_joining = threading.Lock()
_own_address: str | None = None


class _NoneRunsError(ClusterUnavailableError):
    """No cluster runs on this machine."""


def _import_ray() -> Any:
    try:
        import ray
    except ImportError as error:
        raise ClusterUnavailableError(
            f"a Ray cluster needs the package ray: pip install 'thano_duckdb[ray]'"
            f"{'' if error.name in ('ray', None) else f' ({error})'}"
        ) from error
    return ray


def _joined(ray: Any, setting: str) -> RayCluster:
    """The cluster that this process is in already.

    Raises:
        ClusterUnavailableError: it is another one than the statement says.
    """
    if setting in ("auto", "ray") or _own_address in (None, setting):
        return RayCluster(ray, _own_address or setting)
    raise ClusterUnavailableError(
        f"this process is in the Ray cluster '{_own_address}', and can be in one at a time: to use '{setting}', start "
        "another process, or call ray.shutdown() first"
    )


def _join(ray: Any, address: str) -> RayCluster:
    global _own_address
    try:
        _within(CONNECT_S, functools.partial(_init, ray, address=address))
    except ConnectionError as error:
        if address == "auto":
            raise _NoneRunsError(
                "no Ray cluster runs on this machine, and the environment variable RAY_ADDRESS names none"
            ) from error
        raise ClusterUnavailableError(f"the Ray cluster '{address}' cannot be reached: {_reason(error)}") from error
    except TimeoutError as error:
        raise ClusterUnavailableError(f"the Ray cluster '{address}' did not answer in {CONNECT_S:.0f} s") from error
    except Exception as error:  # of many kinds: another version of Ray or Python there, a wrong token
        raise ClusterUnavailableError(f"the Ray cluster '{address}' cannot be used: {_reason(error)}") from error
    _own_address = address
    return RayCluster(ray, address)


def _start(ray: Any) -> RayCluster:
    """Start a cluster of this machine alone."""
    global _own_address
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")  # nothing is reported to the makers of Ray
    for attempt in range(1, N_STARTS + 1):
        try:
            start = functools.partial(_init, ray, address="local", include_dashboard=False)
            _within(CONNECT_S, start, keeps_thread=True)
        except Exception as error:  # of many kinds
            with contextlib.suppress(Exception):
                ray.shutdown()
            if attempt == N_STARTS:
                raise ClusterUnavailableError(
                    f"a Ray cluster could not be started on this machine, in {N_STARTS} attempts ({_reason(error)}): "
                    "start it with `ray start --head`, which waits longer, or write cluster='off'"
                ) from error
        else:
            break
    _own_address = "local"
    return RayCluster(ray, "local")


def _init(ray: Any, **arguments: Any) -> None:
    logger = logging.getLogger("ray._private.worker")  # it warns that this is not the main thread
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        ray.init(**arguments, log_to_driver=False, configure_logging=False)
    finally:
        logger.setLevel(level)


def _within(limit_s: float, work: Callable[[], None], *, keeps_thread: bool = False) -> None:
    """Do some work on a thread of its own, which nobody waits for longer than `limit_s`.

    With `keeps_thread` the thread lives as long as the process: Ray's processes ask Linux to be ended with whoever
    started them, and Linux takes that for the thread.

    Raises:
        TimeoutError: it takes longer.
    """
    outcome: list[BaseException | None] = []
    is_done = threading.Event()

    def run() -> None:
        try:
            work()
        except BaseException as error:  # noqa: BLE001 - raised below; Ray even raises SystemExit
            outcome.append(error)
        else:
            outcome.append(None)
        is_done.set()
        if keeps_thread and outcome == [None]:
            threading.Event().wait()

    threading.Thread(target=run, name="thano-ray", daemon=True).start()
    if not is_done.wait(limit_s):
        raise TimeoutError(f"no answer in {limit_s:.0f} s")
    if (error := outcome[0]) is not None:
        raise error if isinstance(error, Exception) else RuntimeError(str(error))


def _check_answers(address: str) -> None:
    """See that something listens at an address: Ray itself would try for a minute, and end the process then.

    Raises:
        ClusterUnavailableError: nothing does.
    """
    if address in ("auto", "local"):
        return
    scheme = "ray://" if address.startswith("ray://") else ""
    host, _, port = address.removeprefix(scheme).rpartition(":")
    host, port = (host, port) if host else (port, str(DEFAULT_PORTS[scheme]))
    try:
        with socket.create_connection((host.strip("[]"), int(port)), timeout=REACH_S):
            pass
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise ClusterUnavailableError(
            f"nothing answers at the address of the Ray cluster '{address}' ({reason}): is it running, and is the port "
            "open? `ray start --head` prints the address"
        ) from error


def _reason(error: BaseException) -> str:
    """The text of one of Ray's errors on one line, without the advice that follows it."""
    text = on_one_line(" ".join(str(error).split())) or type(error).__name__
    return text if len(text) <= _MAX_REASON_CHARS else f"{text[: _MAX_REASON_CHARS - 3]}..."
