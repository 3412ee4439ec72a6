"""The folder where models are made before they are published, and the locks that keep processes apart.

home/.lock                     held only while something is changed, never while a model is made
home/.staging/<name>/          a model that is being made, or one that was deleted and is about to be removed
home/.staging/<name>.lock      held within `stage`: the kernel releases it, however its process ends
"""

from __future__ import annotations

import contextlib
import errno
import os
import shutil
import tempfile
import time
import uuid
from collections.abc import Iterator
from io import FileIO
from pathlib import Path

import filelock

from thano_duckdb.errors import ModelInUseError, RegistryError

LOCK_TIMEOUT_S = 30

# A build that was stopped is kept, so that the same statement can resume it, but not for ever.
KEEP_STOPPED_BUILD_S = 14 * 24 * 3600

_BUILD_PREFIX = "build-"


class Staging:
    """The staging folder of one model home."""

    def __init__(self, home: Path) -> None:
        """The staging folder under `home`; nothing is written yet."""
        self._home = home
        self._folder = home / ".staging"

    @contextlib.contextmanager
    def locked(self) -> Iterator[None]:
        """Lock the home, which is created if it does not exist: nobody else changes it within the block.

        Raises:
            RegistryError: the home cannot be written, the disk is full, or another process keeps the lock.
        """
        with self.errors_with_remedy():
            self._folder.mkdir(parents=True, exist_ok=True)
            with filelock.FileLock(self._home / ".lock", timeout=LOCK_TIMEOUT_S):
                yield

    @contextlib.contextmanager
    def stage(self, key: str | None) -> Iterator[Path]:
        """See `Registry.stage`."""
        name = uuid.uuid4().hex if key is None else _BUILD_PREFIX + key
        folder = self._folder / name
        owner = self._owner_lock(name)
        with self.locked():
            self._clean()
            try:
                owner.acquire(timeout=0)
            except filelock.Timeout:
                raise ModelInUseError("the same model is being built by another process; wait until it ends") from None
            folder.mkdir(exist_ok=True)
        try:
            yield folder
        finally:
            if key is None:
                shutil.rmtree(folder, ignore_errors=True)
            if not folder.exists():
                self._remove_lock(owner)
            owner.release()

    def temporary_file(self) -> FileIO:
        """See `Registry.temporary_file`."""
        self._folder.mkdir(parents=True, exist_ok=True)
        return tempfile.TemporaryFile(buffering=0, dir=self._folder)

    def move_to_trash(self, folder: Path) -> Path:
        """Move a model that is to be deleted to `home/.staging`, in one step. Only while `locked`.

        Returns:
            Where it is now, for the caller to remove; if the process dies before that, a later `stage` removes it.
        """
        trash = self._folder / uuid.uuid4().hex
        os.rename(folder, trash)
        return trash

    @contextlib.contextmanager
    def errors_with_remedy(self, what: str = "a model") -> Iterator[None]:
        """Turn errors of the file system into a `RegistryError` with the remedy; `what` is written."""
        try:
            yield
        except filelock.Timeout as error:
            raise RegistryError(f"another process keeps the model home {self._home} locked; try again") from error
        except OSError as error:
            if error.errno in (errno.ENOSPC, errno.EDQUOT):
                raise RegistryError(
                    f"there is no space left for {what} in {self._home}; its models are unharmed. Free some space, or "
                    f"set THANO_HOME (or model_home=) to a folder on another disk"
                ) from error
            refused = (errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOTDIR, errno.EEXIST)
            if error.errno in refused or not self._home.is_dir():  # /proc/models: there is no such file
                raise RegistryError(
                    f"the model home {self._home} cannot be written ({error.strerror}); set THANO_HOME (or "
                    f"model_home=) to a folder that you may write to"
                ) from error
            if error.errno == errno.EFBIG:
                raise RegistryError(
                    f"a file of {what} in {self._home} would be larger than this process or its disk allows (`ulimit "
                    f"-f`); its models are unharmed. Raise the limit, or set THANO_HOME (or model_home=) to a folder "
                    f"on another disk"
                ) from error
            raise RegistryError(f"a change in the model home {self._home} failed: {error}") from error

    def _owner_lock(self, name: str) -> filelock.BaseFileLock:
        return filelock.FileLock(self._folder / f"{name}.lock", thread_local=False)

    def _remove_lock(self, owner: filelock.BaseFileLock) -> None:
        """Remove the file of a lock that this process holds, and whose folder is gone.

        Locks are taken only while the home is locked. So nobody waits for this file, and nobody takes it between here
        and the release: who comes later makes a new one. Where the home cannot be locked, the next `stage` removes it.
        """
        with contextlib.suppress(RegistryError, OSError), self.locked():
            Path(owner.lock_file).unlink(missing_ok=True)

    def _clean(self) -> None:
        """Remove what dead processes left behind.

        Called while `locked`, so that no process is between taking the lock of its folder and creating the folder.
        """
        for name in {child.name.removesuffix(".lock") for child in self._folder.iterdir()}:
            folder = self._folder / name
            if name.startswith(_BUILD_PREFIX) and folder.exists():
                age_s = time.time() - folder.stat().st_mtime
                if age_s < KEEP_STOPPED_BUILD_S:
                    continue
            owner = self._owner_lock(name)
            try:
                owner.acquire(timeout=0)
            except filelock.Timeout:
                continue  # its process is alive
            shutil.rmtree(folder, ignore_errors=True)
            Path(owner.lock_file).unlink(missing_ok=True)
            owner.release()


def sync_tree(folder: Path) -> None:
    """Force a folder and all that it holds to disk: a rename after this cannot reach the disk before the content."""
    for root, _, files in os.walk(folder):
        for name in files:
            sync(Path(root, name))
        sync(Path(root))


def sync(path: Path) -> None:
    """Force a file, or the entries of a folder, to disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
