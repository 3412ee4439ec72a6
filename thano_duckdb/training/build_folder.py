"""The folder that a build keeps in the model home while it runs, so that it can be stopped at any moment and go on.

    <staging>/<identity>/run.json             names the run, for the registry's lineage
                         checkpoint-000003/   the state after epoch 3, whole; at most the last one is there
                         partial/             a checkpoint or a model being written
                         result/              a finished model on its way into the registry

A checkpoint and a result appear by one rename of a folder that is synced to disk.
"""

from __future__ import annotations

import json
import os
import shutil
import uuid
from pathlib import Path

from thano_duckdb.errors import ModelInUseError
from thano_duckdb.models.staging import sync, sync_tree

_PREFIX = "checkpoint-"


class BuildFolder:
    """The folder of one build; the caller holds the lock of `staging`.

    Attributes:
        run: names the run; the same one when it is resumed.
        partial: an empty or half-written folder.
        result: where the finished model is put together.
    """

    def __init__(self, staging: Path, identity: str, *, resume: bool) -> None:
        """Open the folder of the build that `identity` tells from every other; what other builds left goes.

        Args:
            staging: the folder that the registry keeps for the builds of this name.
            identity: hash of all that the outcome depends on.
            resume: keep what an earlier run left.
        """
        for other in staging.iterdir():
            if other.is_dir() and (other.name != identity or not resume):
                shutil.rmtree(other)
        self._folder = staging / identity
        self._folder.mkdir(exist_ok=True)
        self.partial = self._folder / "partial"
        self.result = self._folder / "result"
        self.run = self._name_run()

    def last_checkpoint(self) -> Path | None:
        """The state to go on from, if there is one."""
        return max(self._checkpoints(), default=None)

    def commit(self, written: Path, epoch: int) -> None:
        """Make a written state the checkpoint of an epoch, whole or not at all, and drop the one before."""
        older = self._checkpoints()
        sync_tree(written)
        os.rename(written, self._folder / f"{_PREFIX}{epoch:06d}")
        sync(self._folder)
        for each in older:
            shutil.rmtree(each)

    def empty(self, folder: Path) -> Path:
        """`folder`, made empty."""
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir()
        return folder

    def forget(self) -> None:
        """Remove all of it: the model is published."""
        shutil.rmtree(self._folder)

    def start_anew(self) -> None:
        """Forget what an earlier run left."""
        self.forget()
        self._folder.mkdir()
        self.run = self._name_run()

    def _checkpoints(self) -> list[Path]:
        return [each for each in self._folder.iterdir() if each.name.startswith(_PREFIX)]

    def _name_run(self) -> str:
        path = self._folder / "run.json"
        try:
            return str(json.loads(path.read_text(encoding="utf-8"))["run"])
        except (OSError, ValueError, KeyError):
            run = uuid.uuid4().hex
            path.write_text(json.dumps({"run": run}) + "\n", encoding="utf-8")
            return run


class BuildLock:
    """Says who builds a name, to whoever is refused."""

    def __init__(self, home: Path, key: str) -> None:
        """`key` is what the registry's `stage` is called with."""
        self._path = home / ".staging" / f"build-{key}" / "pid"

    def claim(self) -> None:
        """Leave this process's number; the caller holds the lock."""
        self._path.write_text(f"{os.getpid()}\n", encoding="utf-8")

    def refusal(self, name: str) -> ModelInUseError:
        """The error for the second."""
        try:
            who = f"process {int(self._path.read_text(encoding='utf-8'))}"
        except (OSError, ValueError):
            who = "another process"
        return ModelInUseError(f"the model '{name}' is being built by {who}; wait until it ends, or stop it")
