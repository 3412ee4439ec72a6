"""Where transcripts are computed: by this process, or by workers. The one place that chooses.

Pools of workers are kept between statements, as loaded models are.
"""

from __future__ import annotations

import atexit
import functools
import os
import sys
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from thano_duckdb.errors import ModelError
from thano_duckdb.models.adapters import chosen_language
from thano_duckdb.models.checkpoint import check_checkpoint, reading_model
from thano_duckdb.speech import loading
from thano_duckdb.speech.recognizer.ctc_checkpoint import fingerprint
from thano_duckdb.speech.threads import Cancellable

from .dispatcher import Dispatcher
from .processes import ProcessPool
from .ray_cluster import RayCluster, join_cluster
from .ray_pool import RayPool
from .worker_pool import ModelFacts, ModelSource, WorkerInfo, WorkerPool

if TYPE_CHECKING:
    from thano_duckdb.speech.decoding.vocabulary import Vocabulary
    from thano_duckdb.speech.engine import Engine

MAX_POOLS = 2
IDLE_S = 600.0
"""After which the workers of a pool that nobody uses are stopped: their models take memory."""
SHARED_IDLE_S = 60.0
"""The same for machines that are shared with others."""
CHECKED_EVERY_S = 15.0


@dataclass(frozen=True)
class WorkerModel:
    """The model that some workers have loaded, as an engine needs to know it: a `ModelDescription`."""

    facts: ModelFacts
    n_workers: int

    @property
    def precision(self) -> str:
        """See `ModelDescription`."""
        return self.facts.precision

    @property
    def notice(self) -> None:
        """See `ModelDescription`: workers do not say."""
        return None

    @property
    def hardware(self) -> str:
        """See `ModelDescription`."""
        return f"{self.n_workers} workers, {self.facts.hardware}"

    @property
    def default_decoder(self) -> Any:
        """See `ModelDescription`."""
        return self.facts.default_decoder

    @property
    def vocabulary(self) -> Vocabulary:
        """See `ModelDescription`."""
        return self.facts.vocabulary

    def fingerprint(self, decoder: Any) -> str:
        """See `ModelDescription`; the same as that of a recognizer in this process."""
        return f"{self.facts.fingerprint}, {decoder.fingerprint}"


@dataclass
class _Pool:
    """A pool that is kept.

    Attributes:
        dispatcher: of its workers.
        idle_s: after which its workers are stopped if nobody uses them.
        engine: of its model, once the first worker has answered.
    """

    dispatcher: Dispatcher
    idle_s: float
    engine: Engine | None = None


def load_engine(
    source: ModelSource, *, model: str, workers: int | None, monitor: Cancellable, cluster: str = "off"
) -> Engine:
    """The engine of a model: in this process, or, where there are several devices, with a worker for each.

    Args:
        source: the model, and the device as the user gives it; `auto` and `cuda` mean all GPUs of this machine.
        model: its name, for `thano_workers()`.
        workers: how many processes; None: one for each GPU, and only this one on a CPU.
        monitor: says whether to go on waiting for the first worker.
        cluster: the value of the option.

    Raises:
        Cancelled: `monitor` was cancelled.
        ModelError: see `speech.loading.load_engine`; or no worker could be started.
        ClusterUnavailableError: there is no such cluster.
    """
    if cluster != "off":
        joined = join_cluster(cluster)
        atexit.unregister(close_all)
        atexit.register(close_all)  # what was registered last runs first: before Ray's own end
        pool = _ray_pool(source, workers, model, joined)
    else:
        devices = devices_of(source.device, workers)
        if len(devices) == 1:
            return loading.load_engine(source.folder, devices[0], source.precision, source.language)
        pool = _process_pool(source, devices, model)
    if pool.engine is None:
        from thano_duckdb.speech.engine import Engine

        facts = pool.dispatcher.facts(monitor)
        n_alive = sum(info.state != "dead" for info in pool.dispatcher.workers())
        with _changing:
            pool.engine = pool.engine or Engine(WorkerModel(facts, n_alive), runner=pool.dispatcher)
    return pool.engine


def converts_first(source: ModelSource, *, workers: int | None, cluster: str = "off") -> bool:
    """Whether `load_engine` first converts the model for OpenVINO, in this process; see `speech.loading`."""
    if cluster != "off" or len(devices := devices_of(source.device, workers)) > 1:
        return False
    return loading.converts_first(source.folder, devices[0], source.precision)


def loaded_engine(source: ModelSource, *, workers: int | None, cluster: str = "off") -> Engine | None:
    """What `load_engine` returns, where it need not load or start anything; else None."""
    if cluster != "off":
        return None
    if "torch" not in sys.modules:  # nothing can be loaded, and importing it takes seconds
        return None
    devices = devices_of(source.device, workers)
    if len(devices) == 1:
        return loading.loaded_engine(source.folder, devices[0], source.precision, source.language)
    try:
        _source, key = _check(source, devices)
    except (OSError, ModelError):  # loading it says what is wrong
        return None
    with _changing:
        found = _pools.get(key)
        if found is not None:
            _pools.move_to_end(key)
        return found.engine if found is not None else None


def devices_of(device: str, workers: int | None) -> list[str]:
    """The device of each worker; a single one is for this process.

    Args:
        device: as the user gives it.
        workers: how many, on as many GPUs as there are; None: one for each.
    """
    if workers == 1:
        return [device]
    names = [device]
    if device in ("auto", "cuda"):
        names = [f"cuda:{number}" for number in range(_n_gpus())] or names
    if names == ["auto"] and workers is not None:
        import torch

        names = ["mps" if torch.backends.mps.is_available() else "cpu"]
    n_workers = workers or len(names)
    return [device] if n_workers == 1 else [names[number % len(names)] for number in range(n_workers)]


@functools.cache
def _n_gpus() -> int:
    import torch

    return torch.cuda.device_count() if torch.cuda.is_available() else 0


def all_workers() -> list[WorkerInfo]:
    """The workers of all pools."""
    with _changing:
        pools = list(_pools.values())
    return [info for pool in pools for info in pool.dispatcher.workers()]


def close_all() -> None:
    """Stop all workers of this process."""
    with _changing:
        pools = list(_pools.values())
        _pools.clear()
    for pool in pools:
        pool.dispatcher.close()


def _check(source: ModelSource, devices: Sequence[str]) -> tuple[ModelSource, Hashable]:
    """The source with its language and precision, and what identifies its pool.

    What a worker would refuse is refused here.

    Raises:
        ModelError: see `speech.loading.load_engine`.
    """
    from thano_duckdb.speech.device import choose_device

    precisions = {choose_device(device, source.precision).precision for device in dict.fromkeys(devices)}
    if len(precisions) == 1:  # else the workers ask for one; what 'auto' means is decided once, here
        [precision] = precisions
        source = replace(source, precision=precision)
    with reading_model(source.folder):
        check_checkpoint(source.folder)
        source = replace(
            source, folder=source.folder.absolute(), language=chosen_language(source.folder, source.language)
        )
        return source, (fingerprint(source.folder, source.language), tuple(devices), source.precision)


def _process_pool(source: ModelSource, devices: Sequence[str], model: str) -> _Pool:
    """The processes of a model, which are not started yet if they are new."""
    source, key = _check(source, devices)
    n_threads = threads_of_each(len(devices))
    return _pool(key, lambda: ProcessPool(source, devices, model=model, n_threads=n_threads))


def _ray_pool(source: ModelSource, workers: int | None, model: str, cluster: RayCluster) -> _Pool:
    """The actors of a model, which are not started yet if they are new."""
    with reading_model(source.folder):
        check_checkpoint(source.folder)
        source = replace(
            source, folder=source.folder.absolute(), language=chosen_language(source.folder, source.language)
        )
        key = (fingerprint(source.folder, source.language), source.device, source.precision, workers, cluster.address)
    return _pool(key, lambda: RayPool(cluster, source, workers, model=model), is_shared=True)


def _pool(key: Hashable, open_pool: Callable[[], WorkerPool], *, is_shared: bool = False) -> _Pool:
    """The pool of a key; `is_shared` says whether others wait for what it holds."""
    with _changing:
        if key not in _pools:
            dispatcher = Dispatcher(open_pool, closes_on_interrupt=is_shared)
            _pools[key] = _Pool(dispatcher, idle_s=SHARED_IDLE_S if is_shared else IDLE_S)
        _pools.move_to_end(key)
        found = _pools[key]
        _close_unused(max_pools=MAX_POOLS)
        _start_watching()
    return found


def threads_of_each(n_workers: int) -> int:
    """How many threads each of some workers uses: they share those that this process would use alone.

    OMP_NUM_THREADS, which the user sets, holds for all of them together.
    """
    from thano_duckdb.speech.cores import n_torch_threads

    return max(1, min(n_processors(), n_torch_threads()) // n_workers)


def n_processors() -> int:
    """That this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _close_unused(*, max_pools: int) -> None:
    """Stop the pools beyond a number, those used last being kept, and those unused for long; none that runs."""
    now_s = time.monotonic()
    for number, (key, pool) in enumerate(reversed(list(_pools.items()))):
        is_old = now_s - pool.dispatcher.used_at_s > pool.idle_s
        if (is_old or number >= max_pools) and pool.dispatcher.close(only_if_idle=True):
            del _pools[key]


def _start_watching() -> None:
    global _watcher
    if _watcher is None or not _watcher.is_alive():
        _watcher = threading.Thread(target=_watch, name="thano-idle-workers", daemon=True)
        _watcher.start()


def _watch() -> None:
    """Runs on a thread as long as there are pools."""
    while True:
        time.sleep(CHECKED_EVERY_S)
        with _changing:
            _close_unused(max_pools=MAX_POOLS)
            if not _pools:
                return


def _forget_in_child() -> None:
    """A forked process has neither the threads nor the workers."""
    global _pools, _changing, _watcher
    _of_parents.append(_pools)  # or its processes would be waited for
    _pools, _changing, _watcher = OrderedDict(), threading.RLock(), None


_pools: OrderedDict[Hashable, _Pool] = OrderedDict()
_changing = threading.RLock()
_watcher: threading.Thread | None = None
_of_parents: list[object] = []

atexit.register(close_all)
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget_in_child)
