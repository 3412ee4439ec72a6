"""The folder of a running build in the model home. It allows a build to be stopped at any time and resumed later.

    <staging>/<identity>/run.json             the id of the run, for the registry's lineage
                         base.json            the figures of the base, before the training
                         checkpoint-000002/   the weights after epoch 2, the one to publish unless a later one is better
                         checkpoint-000003/   the complete state after epoch 3, the last one
                         partial/             a checkpoint that is being written
                         result/              a finished model that is about to be published

A checkpoint is first synced to disk and then renamed, so it is either complete or does not exist.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import uuid
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from thano_duckdb.errors import ModelInUseError
from thano_duckdb.models.staging import sync, sync_tree

_PREFIX = "checkpoint-"
_NEEDED_TO_GO_ON = ("optimizer.pt", "scheduler.pt", "scaler.pt", "rng_state.pth")
"""What a checkpoint holds besides the weights."""


class BuildFolder:
    """The folder of one build; the caller holds the lock of `staging`.

    Attributes:
        run: the id of the run, which stays the same when the run is resumed.
        partial: where a checkpoint is written.
        result: where the files of the finished model are collected.
    """

    def __init__(self, staging: Path, identity: str, *, resume: bool) -> None:
        """Open the folder of the build with this `identity`, and remove the folders of other builds.

        Args:
            staging: the folder that the registry keeps for the builds of this name.
            identity: a hash of everything that the result of the build depends on.
            resume: whether to keep the checkpoint of an earlier run.
        """
        for other in staging.iterdir():
            if other.is_dir() and (other.name != identity or not resume):
                shutil.rmtree(other)
        self._folder = staging / identity
        self._folder.mkdir(exist_ok=True)
        self.partial = self._folder / "partial"
        self.result = self._folder / "result"
        self.run = self._run_id()

    def last_checkpoint(self) -> Path | None:
        """The checkpoint to resume from, if there is one."""
        return max(self._checkpoints(), default=None)

    def checkpoint(self, epoch: int) -> Path:
        """The checkpoint of an epoch: the last one, or the one that was to be kept."""
        return self._folder / f"{_PREFIX}{epoch:06d}"

    def commit(self, written: Path, epoch: int, *, keep: int) -> None:
        """Turn the folder `written` into the checkpoint of an epoch, atomically, and remove those no longer needed.

        Args:
            written: a complete checkpoint.
            epoch: the one after which it was written.
            keep: the epoch whose weights are kept as well, this one or an earlier one that was kept so far.
        """
        older = self._checkpoints()
        sync_tree(written)
        os.rename(written, self.checkpoint(epoch))
        sync(self._folder)
        for checkpoint in older:
            if checkpoint != self.checkpoint(keep):
                shutil.rmtree(checkpoint)
            else:
                for name in _NEEDED_TO_GO_ON:
                    (checkpoint / name).unlink(missing_ok=True)

    def save_base(self, figures: Mapping[str, Any]) -> None:
        """Keep the figures of the base, so that a build that is resumed need not compute them again."""
        partial = self._folder / "base.json.partial"
        with contextlib.suppress(OSError):  # the first checkpoint reports a full disk
            partial.write_text(json.dumps(figures) + "\n", encoding="utf-8")
            os.replace(partial, self._folder / "base.json")

    def base(self) -> dict[str, Any] | None:
        """The figures that `save_base` kept, or None."""
        try:
            figures: dict[str, Any] = json.loads((self._folder / "base.json").read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return None
        return figures

    def make_empty(self, folder: Path) -> Path:
        """Create `folder`, or remove what is in it."""
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir()
        return folder

    def remove(self) -> None:
        """Remove the folder, once the model is published."""
        shutil.rmtree(self._folder)

    def restart(self) -> None:
        """Discard what an earlier run left, and start a new run."""
        self.remove()
        self._folder.mkdir()
        self.run = self._run_id()

    def _checkpoints(self) -> list[Path]:
        return [path for path in self._folder.iterdir() if path.name.startswith(_PREFIX)]

    def _run_id(self) -> str:
        path = self._folder / "run.json"
        try:
            return str(json.loads(path.read_text(encoding="utf-8"))["run"])
        except (OSError, ValueError, KeyError):
            run = uuid.uuid4().hex
            path.write_text(json.dumps({"run": run}) + "\n", encoding="utf-8")
            return run


class BuildLock:
    """Records which process is building a model, for the error message of a second process."""

    def __init__(self, home: Path, key: str) -> None:
        """`key` is the argument of the registry's `stage`."""
        self._path = home / ".staging" / f"build-{key}" / "pid"

    def claim(self) -> None:
        """Record the id of this process; the caller holds the lock."""
        self._path.write_text(f"{os.getpid()}\n", encoding="utf-8")

    def error(self, name: str) -> ModelInUseError:
        """The error for a process that tries to build the same model."""
        try:
            builder = f"process {int(self._path.read_text(encoding='utf-8'))}"
        except (OSError, ValueError):
            builder = "another process"
        return ModelInUseError(f"the model '{name}' is being built by {builder}; wait for that build, or stop it")
