"""The stores that this process has open, each with its writer: all connections share them."""

from __future__ import annotations

import atexit
import os
import threading
from dataclasses import dataclass
from pathlib import Path

from .sqlite_store import SqliteStore, move_aside
from .store import StoreError
from .store_writer import StoreWriter


@dataclass(frozen=True)
class OpenStore:
    """A store, and what writes to it."""

    store: SqliteStore
    writer: StoreWriter


_open: dict[Path, OpenStore] = {}
_inherited: list[OpenStore] = []
"""Of a forked child: those of its parent. Closing them would release the locks of the parent's files."""
_opening = threading.Lock()


def open_store(path: Path, max_bytes: int | None) -> OpenStore:
    """The store in a file, which is opened at the first call, and again if another file is there now.

    Args:
        path: of the file.
        max_bytes: see `SqliteStore`; that of the last call holds.

    Raises:
        StoreError: see `SqliteStore`.
    """
    with _opening:
        found = _open.get(path)
        if found is not None and _inode(path) != found.store.inode:
            _close(_open.pop(path))
            found = None
        if found is None:
            store = SqliteStore(path, max_bytes)
            found = _open[path] = OpenStore(store, StoreWriter(store))
        found.store.max_bytes = max_bytes
        return found


def replace_store(path: Path) -> Path:
    """Move a store that cannot be read aside, with the files beside it; returns its new name.

    Raises:
        StoreError: that is not possible.
    """
    with _opening:
        if found := _open.pop(path, None):
            _close(found)
        try:
            return move_aside(path)
        except OSError as error:
            raise StoreError(f"the transcript cache {path} cannot be moved aside ({error.strerror})") from error


def _inode(path: Path) -> int | None:
    try:
        return os.stat(path).st_ino
    except OSError:
        return None


def _close(opened: OpenStore) -> None:
    opened.writer.close()
    opened.store.close()


@atexit.register
def _flush_all() -> None:
    for opened in list(_open.values()):
        opened.writer.flush()


def _forget_all() -> None:
    _inherited.extend(_open.values())
    _open.clear()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget_all)
