"""Temporary folders that a later process removes where the one that made them was killed.

<temporary files>/thano-<kind>-xxxxxxxx/lock     held as long as the folder is used: the kernel releases it
"""

from __future__ import annotations

import contextlib
import os
import shutil
import stat
import tempfile
import time
from pathlib import Path
from types import TracebackType
from typing import Self

import filelock

from thano_duckdb.errors import ThanoError

PREFIX = "thano-"
_LOCK = "lock"
_MAX_AGE_WITHOUT_LOCK_S = 24 * 3600
"""A folder lacks its lock for a moment after it is made; if its process is killed in that moment, for ever."""


class TemporaryFolder:
    """A folder among the temporary files of this machine, removed by `close` or with the object.

    Attributes:
        path: of the folder.
    """

    def __init__(self, kind: str) -> None:
        """Make the folder `thano-<kind>-..`, and remove those of the same kind that dead processes left.

        Raises:
            ThanoError: there is no folder for temporary files in which one can be made.
        """
        prefix = f"{PREFIX}{kind}-"
        try:
            _remove_stale(Path(tempfile.gettempdir()), prefix)
            self.path, self._owner = _make(prefix)
        except OSError as error:
            raise ThanoError(
                f"no temporary folder can be made: {error.strerror or error}; set TMPDIR to a folder on a disk with "
                f"space"
            ) from error

    def close(self) -> None:
        """Remove the folder; a second call does nothing."""
        self._owner.release()  # first: Windows removes no file that is open
        shutil.rmtree(self.path, ignore_errors=True)

    def __del__(self) -> None:
        with contextlib.suppress(Exception):  # at the end of the process modules may be gone
            self.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, _kind: type[BaseException] | None, _error: BaseException | None, _at: TracebackType | None
    ) -> None:
        self.close()


def _make(prefix: str) -> tuple[Path, filelock.BaseFileLock]:
    """A new folder, and its lock, which is held."""
    while True:
        path = Path(tempfile.mkdtemp(prefix=prefix))
        owner = filelock.FileLock(path / _LOCK, thread_local=False)
        with contextlib.suppress(filelock.Timeout, FileNotFoundError):
            owner.acquire(timeout=0)
            if Path(owner.lock_file).exists():
                return path, owner
            owner.release()
        # Another process took the folder for a stale one between its lock's being made and being held.


def _remove_stale(parent: Path, prefix: str) -> None:
    for folder in parent.glob(f"{prefix}*"):
        with contextlib.suppress(OSError, filelock.Timeout):  # in use, or just removed
            status = folder.lstat()
            if not stat.S_ISDIR(status.st_mode) or (os.name == "posix" and status.st_uid != os.geteuid()):
                continue
            if not (folder / _LOCK).exists():
                if time.time() - status.st_mtime > _MAX_AGE_WITHOUT_LOCK_S:
                    shutil.rmtree(folder, ignore_errors=True)
                continue
            owner = filelock.FileLock(folder / _LOCK, thread_local=False)
            owner.acquire(timeout=0)
            try:
                shutil.rmtree(folder, ignore_errors=True)
            finally:
                owner.release()
