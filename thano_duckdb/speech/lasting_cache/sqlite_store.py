"""The store in the model home: a SQLite database, which `kill -9` leaves whole.

Many processes may read and write it, where one DuckDB file would be open to one process at a time. Readers do not wait
for writers (write-ahead log), a transaction is in the file as a whole or not at all, and what is deleted makes room for
what comes. No path is in it: versions of files are hashes.
"""

from __future__ import annotations

import contextlib
import errno
import os
import sqlite3
import threading
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from .sqlite_tables import APPLICATION_ID, FIND, FORMAT, INSERT, TABLES
from .store import Batch, Known, Recognition, StoreError, UnusableStoreError
from .transcript_codec import TranscriptRow, checksum, from_trusted_row, to_row

FILE_NAME = "transcripts.sqlite"
BUSY_S = 10.0
"""How long one process waits for another that writes; each transaction takes milliseconds."""
WRITER_CACHE_KIB = 32_768
READER_CACHE_KIB = 4_096
"""Pages are in the memory of the system anyway: what also fits into the cache of the processor is read faster."""
MAX_KEYS = 512
"""In one query."""
STALE_S = 24 * 3600
"""The time of use is written again after a day: writing it at each use would take longer than reading."""
EVICTED_AT_A_TIME = 1024
ROOM_SHARE = 0.02
"""When the limit is reached, so much more is deleted that the next batches have room."""

_GIVE_BACK = "PRAGMA incremental_vacuum"
"""Free pages go back to the file system; by `execute` it would be one page only."""


class SqliteStore:
    """Implements `TranscriptStore` in a file.

    Attributes:
        path: of the file.
        max_bytes: its size at most; None for any. What was not used for longest is deleted first.
        inode: of the file, by which one sees whether it was replaced.
    """

    def __init__(self, path: Path, max_bytes: int | None = None) -> None:
        """Open the file, which is created if it does not exist, for its owner alone.

        Raises:
            StoreError: it cannot be opened, is damaged, or was made by a newer version of this package.
        """
        self.path = path
        self.max_bytes = max_bytes
        # A connection takes one query at a time, and reading must not wait until something is written.
        self._reading, self._writing = threading.Lock(), threading.Lock()
        with self._errors(), contextlib.ExitStack() as stack:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            # The log and the index beside it get the same permissions.
            file = os.open(self.path, os.O_RDWR | os.O_CREAT | getattr(os, "O_CLOEXEC", 0), 0o600)
            try:
                self.inode = os.fstat(file).st_ino
            finally:
                os.close(file)
            self._writer = _connect(self.path, WRITER_CACHE_KIB)
            stack.callback(self._writer.close)
            self._prepare()
            self._reader = _connect(self.path, READER_CACHE_KIB)
            stack.pop_all()

    def _prepare(self) -> None:
        if self._has_tables() and self._is_logged():
            return  # without waiting for a process that writes
        if not self._pragma("page_count"):
            self._writer.execute("PRAGMA auto_vacuum = INCREMENTAL")
        deadline_s = time.monotonic() + BUSY_S
        while True:  # SQLite does not wait here for another process that does the same
            try:
                self._writer.execute("PRAGMA journal_mode = WAL").fetchall()
                break
            except sqlite3.OperationalError as error:
                if not _is_busy(error) or time.monotonic() > deadline_s:
                    raise
                time.sleep(0.02)
        with self._transaction():
            self._create_tables()

    def _is_logged(self) -> bool:
        """Whether it has a write-ahead log already."""
        return bool(self._writer.execute("PRAGMA journal_mode").fetchone()[0] == "wal")

    def _has_tables(self) -> bool:
        """Whether the file has our tables; False for a new one.

        Raises:
            StoreError: it has others.
        """
        version = self._pragma("user_version")
        if version > FORMAT:
            raise UnusableStoreError(
                f"the transcript cache {self.path} was made by a newer version of thano_duckdb: upgrade, or DELETE "
                "CACHE moves it aside and begins a new one"
            )
        if version == 0 and self._writer.execute("SELECT 1 FROM sqlite_master LIMIT 1").fetchall():
            raise StoreError(f"{self.path} is another SQLite database, and not a transcript cache: move it elsewhere")
        return version == FORMAT

    def _create_tables(self) -> None:
        if self._has_tables():
            return
        for statement in _statements(TABLES):
            self._writer.execute(statement)
        self._writer.execute(f"PRAGMA application_id = {APPLICATION_ID}")
        self._writer.execute(f"PRAGMA user_version = {FORMAT}")

    # Reading

    def find_files(self, versions: Sequence[bytes]) -> dict[bytes, bytes]:
        """See `TranscriptStore`."""
        found: dict[bytes, bytes] = {}
        with self._errors(), self._reading:
            for keys, marks in _in_parts(versions):
                query = f"SELECT version, content FROM files WHERE version IN ({marks})"
                found.update(self._reader.execute(query, keys).fetchall())
        return found

    def find(self, recognition: Recognition, keys: Sequence[bytes]) -> Known:
        """See `TranscriptStore`."""
        found = Known({}, [])
        stale_before = int(time.time()) - STALE_S
        with self._errors(), self._reading:
            for part, marks in _in_parts(keys):
                rows = self._reader.execute(FIND.format(marks), (recognition.fingerprint, *part)).fetchall()
                for clip, used, expected, *columns in rows:
                    row = TranscriptRow._make(columns)
                    if checksum(row, recognition.fingerprint, clip) != expected:  # SQLite has none
                        raise ValueError("the checksum of a transcript is wrong")
                    found.transcripts[clip] = from_trusted_row(row)
                    if used < stale_before:
                        found.stale.append(clip)
        return found

    # Writing

    def write(self, batch: Batch) -> None:
        """See `TranscriptStore`."""
        now = int(time.time())
        with self._errors(), self._writing:
            with self._transaction():
                numbers: dict[bytes, int] = {}
                for recognition in (*(each for each, _, _ in batch.transcripts), *(each for each, _ in batch.used)):
                    if recognition.fingerprint not in numbers:
                        numbers[recognition.fingerprint] = self._kept_number(recognition, now)
                self._writer.executemany(
                    INSERT,
                    [
                        (numbers[each.fingerprint], key, now, *row, checksum(row, each.fingerprint, key))
                        for each, key, row in ((each, key, to_row(text)) for each, key, text in batch.transcripts)
                    ],
                )
                self._writer.executemany(
                    "INSERT INTO files VALUES (?, ?, ?) ON CONFLICT DO UPDATE SET used = excluded.used",
                    [(version, content, now) for version, content in batch.files.items()],
                )
                self._writer.executemany(
                    "UPDATE transcripts SET used = ? WHERE recognition = ? AND clip = ?",
                    [(now, numbers[each.fingerprint], key) for each, key in batch.used],
                )
            self._evict()

    def _kept_number(self, recognition: Recognition, now: int) -> int:
        """The number of a recognition in this file, which it gets here if it has none."""
        r = recognition
        self._writer.execute(
            "INSERT INTO recognitions "
            "(fingerprint, model, content, language, precision, decoder, skip_silence, level, first_used, last_used) "
            "VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?) "
            "ON CONFLICT DO UPDATE SET last_used = excluded.last_used, model = excluded.model",
            (r.fingerprint, r.model, r.content, r.language, r.precision, r.decoder, r.skip_silence, r.level, now, now),
        )
        query = "SELECT id FROM recognitions WHERE fingerprint = ?"
        number: int = self._writer.execute(query, (r.fingerprint,)).fetchone()[0]
        self._writer.execute("INSERT OR IGNORE INTO names VALUES (?, ?)", (number, r.model))
        return number

    def _evict(self) -> None:
        """Delete what was not used for longest, if the file has grown beyond its limit."""
        if self.max_bytes is None or self._used_bytes() <= self.max_bytes:
            return
        while self._used_bytes() > (1 - ROOM_SHARE) * self.max_bytes:
            with self._transaction():
                oldest = f"SELECT id FROM transcripts ORDER BY used, id LIMIT {EVICTED_AT_A_TIME}"
                deleted = self._writer.execute(f"DELETE FROM transcripts WHERE id IN ({oldest})").rowcount
                oldest = f"SELECT version FROM files ORDER BY used LIMIT {EVICTED_AT_A_TIME}"
                deleted += self._writer.execute(f"DELETE FROM files WHERE version IN ({oldest})").rowcount
            if not deleted:
                break
        if self._pragma("freelist_count") * self._pragma("page_size") > self.max_bytes / 4:
            self._writer.executescript(_GIVE_BACK)

    def _used_bytes(self) -> int:
        return (self._pragma("page_count") - self._pragma("freelist_count")) * self._pragma("page_size")

    def close(self) -> None:
        """See `TranscriptStore`."""
        for lock, connection in ((self._reading, self._reader), (self._writing, self._writer)):
            with lock, contextlib.suppress(sqlite3.Error):
                connection.close()

    # Looking at it, and clearing it

    def summary(self) -> list[dict[str, object]]:
        """A row for each recognition: what it is, and how much of it is kept; that last used first."""
        query = (
            "SELECT r.*, (SELECT group_concat(n.model, char(10)) FROM names n WHERE n.recognition = r.id) AS names "
            "FROM recognitions r WHERE clips > 0 ORDER BY last_used DESC, id"
        )
        with self._errors(), self._reading:
            cursor = self._reader.execute(query)
            names = [column[0] for column in cursor.description]
            return [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]

    def delete(self, model: str | None) -> list[dict[str, object]]:
        """Delete the transcripts of a model, by any name that it was used by, also without its version; None: all.

        Returns:
            The rows of `summary` that are gone.
        """
        rows = self.summary()
        if model is not None:
            rows = [row for row in rows if any(_means(model, name) for name in str(row["names"]).split("\n"))]
        with self._errors(), self._writing:
            self._writer.execute("PRAGMA secure_delete = ON")  # the texts do not stay in free pages of the file
            with self._transaction():
                for row in rows:
                    for table in ("transcripts", "names"):
                        self._writer.execute(f"DELETE FROM {table} WHERE recognition = ?", (row["id"],))
                    self._writer.execute("DELETE FROM recognitions WHERE id = ?", (row["id"],))
                if model is None:
                    self._writer.execute("DELETE FROM files")
            self._writer.execute("PRAGMA secure_delete = OFF")
            self._writer.executescript(_GIVE_BACK)
            self._writer.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
        return rows

    # Internal

    def _pragma(self, name: str) -> int:
        number: int = self._writer.execute(f"PRAGMA {name}").fetchone()[0]
        return number

    @contextlib.contextmanager
    def _transaction(self) -> Iterator[None]:
        self._writer.execute("BEGIN IMMEDIATE")
        try:
            yield
            self._writer.execute("COMMIT")
        except BaseException:
            with contextlib.suppress(sqlite3.Error):
                self._writer.execute("ROLLBACK")
            raise

    @contextlib.contextmanager
    def _errors(self) -> Iterator[None]:
        """Turn what SQLite and the file system raise into a `StoreError` that says what to do."""
        try:
            yield
        except (sqlite3.Error, OSError, ValueError, KeyError, TypeError) as error:
            raise _problem(self.path, error) from error


def _means(model: str, name: str) -> bool:
    """Whether `model` is a name, or that name without the version after its last `@`."""
    return model.casefold() in (name.casefold(), name.casefold().rpartition("@")[0])


def _connect(path: Path, cache_kib: int) -> sqlite3.Connection:
    connection = sqlite3.connect(path, timeout=BUSY_S, isolation_level=None, check_same_thread=False)
    connection.execute("PRAGMA synchronous = NORMAL")
    connection.execute(f"PRAGMA cache_size = -{cache_kib}")
    return connection


def _is_busy(error: Exception) -> bool:
    return getattr(error, "sqlite_errorname", "").startswith(("SQLITE_BUSY", "SQLITE_LOCKED"))


def _problem(path: Path, error: Exception) -> StoreError:
    name = getattr(error, "sqlite_errorname", "") or ""
    number = error.errno if isinstance(error, OSError) else None
    if name.startswith("SQLITE_FULL") or number in _NO_SPACE:
        return StoreError(f"there is no space left for the transcript cache {path}")
    if _is_busy(error):
        return StoreError(f"another process keeps the transcript cache {path} locked")
    if name.startswith("SQLITE_IOERR"):
        return StoreError(f"the transcript cache {path} cannot be read or written ({error}); the disk may be full")
    if name.startswith(_REFUSED) or number is not None:
        return StoreError(f"the transcript cache {path} cannot be opened for writing ({error})")
    return UnusableStoreError(
        f"the transcript cache {path} is damaged ({error}): DELETE CACHE moves it aside and begins a new one"
    )


_REFUSED = ("SQLITE_READONLY", "SQLITE_CANTOPEN", "SQLITE_PERM")
_NO_SPACE = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


def _in_parts(keys: Sequence[bytes]) -> Iterator[tuple[Sequence[bytes], str]]:
    """Keys for one query each, with as many question marks."""
    for start in range(0, len(keys), MAX_KEYS):
        part = keys[start : start + MAX_KEYS]
        yield part, ",".join("?" * len(part))


def _statements(script: str) -> Iterator[str]:
    """The statements of a script, triggers whole; `executescript` would end the transaction."""
    statement = ""
    for line in script.splitlines(keepends=True):
        statement += line
        if sqlite3.complete_statement(statement):
            yield statement
            statement = ""


def move_aside(path: Path) -> Path:
    """Give a store that cannot be read another name, with the files beside it; returns the new name.

    Raises:
        OSError: that is not possible.
    """
    aside = path.with_name(f"{path.name}.damaged-{time.strftime('%Y%m%d-%H%M%S')}-{os.getpid()}")
    for suffix in ("-wal", "-shm", ""):  # a log without its database does no harm, but the reverse would
        with contextlib.suppress(FileNotFoundError):
            os.rename(f"{path}{suffix}", f"{aside}{suffix}")
    return aside
