"""Folders in the cache of the user: each is complete or not there; those not used for long make space for others."""

from __future__ import annotations

import contextlib
import os
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import filelock
import platformdirs

MAX_BYTES = 20 * 2**30
"""Of all folders of a cache; those that were used last stay."""
MIN_AGE_S = 3600
"""A folder that was used within this time is not removed: a process may be about to read it."""
LOCK_S = 1800
"""How long a process waits for another one that is writing the same folder."""
POLL_S = 0.5
"""How often it asks meanwhile whether to give up."""


class FolderCache:
    """The folders of one kind, by keys that identify their content.

    <folder>/<key>/            is complete; its time is when it was last used
    <folder>/<key>.lock        is held by the process that writes it
    <folder>/<key>.xxxxxxxx/   is being written, or was left by a process that died
    """

    def __init__(self, kind: str, folder: Path | None = None, *, max_bytes: int = MAX_BYTES) -> None:
        """Keep folders of a `kind` in `folder`; None: in the cache of the user."""
        self.folder = folder or platformdirs.user_cache_path("thano_duckdb", appauthor=False) / kind
        self._max_bytes = max_bytes

    def find(self, key: str, is_complete: Callable[[Path], bool] = Path.is_dir) -> Path | None:
        """The folder of a key, which counts as used now; None if there is none, or it is not complete."""
        folder = self.folder / key
        with contextlib.suppress(OSError):
            if is_complete(folder):
                with contextlib.suppress(OSError):  # the folder of somebody else, or of a medium that is read-only
                    os.utime(folder)
                return folder
        return None

    def create(
        self,
        key: str,
        write: Callable[[Path], None],
        *,
        n_bytes: int,
        is_complete: Callable[[Path], bool] = Path.is_dir,
        gives_up: Callable[[], bool] = lambda: False,
    ) -> Path:
        """The folder of a key, written unless another process was faster.

        Args:
            key: identifies its content.
            write: writes the files into the folder that it is given.
            n_bytes: of the files, about; others are removed to make space for so many.
            is_complete: whether a folder need not be written again.
            gives_up: is asked from time to time while another process writes it: whether to wait no longer.

        Raises:
            filelock.Timeout: another process has been writing it for too long, or `gives_up` said so.
            OSError: it cannot be written.
        """
        self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        with _locked(self.folder / f"{key}.lock", gives_up):
            if found := self.find(key, is_complete):
                return found
            for left in self.folder.glob(f"{key}.*/"):  # by a process that died while it held the lock
                shutil.rmtree(left, ignore_errors=True)
            self._make_space(n_bytes)
            return self._write(key, write)

    def _write(self, key: str, write: Callable[[Path], None]) -> Path:
        unfinished = Path(tempfile.mkdtemp(prefix=f"{key}.", dir=self.folder))
        try:
            write(unfinished)
            folder = self.folder / key
            shutil.rmtree(folder, ignore_errors=True)  # a damaged one
            unfinished.rename(folder)
        except BaseException:
            shutil.rmtree(unfinished, ignore_errors=True)
            raise
        return folder

    def _make_space(self, n_bytes: int) -> None:
        """Remove folders, those first that were not used for the longest time, so that `n_bytes` more fit."""
        found = sorted(
            ((used, path, size) for path in self.folder.iterdir() for used, size in _use_of(path)),
        )
        total = sum(size for _, _, size in found)
        for used, path, size in found:
            if total + n_bytes <= self._max_bytes or time.time() - used < MIN_AGE_S:
                return
            shutil.rmtree(path, ignore_errors=True)
            total -= size


@contextlib.contextmanager
def _locked(path: Path, gives_up: Callable[[], bool]) -> Iterator[None]:
    until_s = time.monotonic() + LOCK_S
    lock = filelock.FileLock(path)
    while True:
        try:
            lock.acquire(timeout=POLL_S)
            break
        except filelock.Timeout:
            if gives_up() or time.monotonic() > until_s:
                raise
    try:
        yield
    finally:
        lock.release()


def _use_of(folder: Path) -> Iterator[tuple[float, int]]:
    """When a folder was last used, and its bytes; nothing if it is none, or another process removes files of it now."""
    with contextlib.suppress(OSError):
        if folder.is_dir():
            yield folder.stat().st_mtime, sum(file.stat().st_size for file in folder.iterdir())
