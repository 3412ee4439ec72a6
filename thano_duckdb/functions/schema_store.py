"""The store in the user's own database: two tables in a schema of it, written while the statement runs.

Each batch is a transaction of its own on a cursor, so that it stays where the statement is rolled back or killed.
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Sequence
from typing import Any

import duckdb
import pyarrow as pa

from thano_duckdb.connection.access import Access
from thano_duckdb.connection.session import Session
from thano_duckdb.dialect.quoting import identifier, literal
from thano_duckdb.errors import ThanoError, brief, did_you_mean
from thano_duckdb.speech.lasting_cache.store import Batch, Known, Recognition, StoreError
from thano_duckdb.speech.lasting_cache.transcript_codec import TranscriptRow, from_row, to_row

TRANSCRIPTS = "thano_transcripts"
FILES = "thano_files"
_TRANSCRIPT_COLUMNS = {
    "recognition": pa.binary(),
    "clip": pa.binary(),
    "model": pa.string(),
    "language": pa.string(),
    "precision": pa.string(),
    "decoder": pa.string(),
    "text": pa.string(),
    "confidence": pa.float64(),
    "duration": pa.float64(),
    "words_utf8": pa.binary(),
    "words": pa.binary(),
    "more": pa.string(),
}
_FILE_COLUMNS = {"version": pa.binary(), "content": pa.binary()}
_SQL_TYPES = {pa.binary(): "BLOB", pa.string(): "VARCHAR", pa.float64(): "DOUBLE"}
_ROWS = "_thano_batch"


class SchemaStore:
    """Implements `TranscriptStore` in a schema of a DuckDB database."""

    def __init__(self, cursor: duckdb.DuckDBPyConnection, database: str, schema: str) -> None:
        """Keep transcripts in a schema of a database, which DuckDB calls a catalog; the store closes `cursor`.

        Raises:
            duckdb.Error: the tables do not exist and cannot be created.
        """
        self._cursor = cursor
        self._lock = threading.Lock()
        within = f"{identifier(database)}.{identifier(schema)}"  # an attached database may have the name of the schema
        self._transcripts, self._files = f"{within}.{TRANSCRIPTS}", f"{within}.{FILES}"
        for table, columns in ((self._transcripts, _TRANSCRIPT_COLUMNS), (self._files, _FILE_COLUMNS)):
            described = ", ".join(f"{name} {_SQL_TYPES[kind]}" for name, kind in columns.items())
            cursor.execute(f"CREATE TABLE IF NOT EXISTS {table} ({described})")

    def find_files(self, versions: Sequence[bytes]) -> dict[bytes, bytes]:
        """See `TranscriptStore`."""
        query = f"SELECT version, content FROM {self._files} SEMI JOIN {_ROWS} USING (version)"
        return dict(self._rows(query, pa.table({"version": pa.array(versions, pa.binary())})))

    def find(self, recognition: Recognition, keys: Sequence[bytes]) -> Known:
        """See `TranscriptStore`."""
        query = (
            "SELECT clip, text, confidence, duration, words_utf8, words, more "
            f"FROM {self._transcripts} SEMI JOIN {_ROWS} USING (recognition, clip)"
        )
        wanted = pa.table(
            {
                "recognition": pa.array([recognition.fingerprint] * len(keys), pa.binary()),
                "clip": pa.array(keys, pa.binary()),
            }
        )
        rows = self._rows(query, wanted)
        try:
            return Known({clip: from_row(TranscriptRow(*columns)) for clip, *columns in rows}, [])
        except ValueError as error:
            raise StoreError(f"{self._transcripts} holds rows that are not transcripts: DELETE them") from error

    def write(self, batch: Batch) -> None:
        """See `TranscriptStore`."""
        transcripts = [
            (r.fingerprint, key, r.model, r.language, r.precision, r.decoder, *to_row(transcript))
            for r, key, transcript in batch.transcripts
        ]
        self._insert(self._transcripts, _TRANSCRIPT_COLUMNS, transcripts, "recognition, clip")
        self._insert(self._files, _FILE_COLUMNS, list(batch.files.items()), "version")

    def close(self) -> None:
        """See `TranscriptStore`."""
        with self._lock:
            self._cursor.close()

    def _insert(
        self, table: str, columns: dict[str, pa.DataType], rows: Sequence[tuple[object, ...]], key: str
    ) -> None:
        if rows:
            values = dict(zip(columns, zip(*rows, strict=True), strict=True))
            new = pa.table({name: pa.array(values[name], kind) for name, kind in columns.items()})
            self._rows(f"INSERT INTO {table} FROM {_ROWS} ANTI JOIN {table} USING ({key})", new)

    def _rows(self, query: str, table: pa.Table) -> list[tuple[Any, ...]]:
        """The rows of a query in which `_ROWS` is a table."""
        try:
            with self._lock:
                self._cursor.register(_ROWS, table)
                return self._cursor.execute(query).fetchall()
        except duckdb.Error as error:
            problem = str(error).splitlines()[0]
            raise StoreError(f"{self._transcripts} cannot be used ({problem})") from error


def has_schema_store(session: Session, schema: str) -> bool:
    """Whether a schema of the session's database holds such a store."""
    query = (
        "SELECT 1 FROM system.main.duckdb_tables() WHERE database_name = system.main.current_database() "
        f"AND system.main.lower(schema_name) = {literal(schema.casefold())} AND table_name = {literal(TRANSCRIPTS)}"
    )
    with contextlib.closing(session.cursor()) as cursor:
        return bool(cursor.execute(query).fetchall())


def check_schema(session: Session, access: Access, schema: str) -> tuple[str, str]:
    """The database and the schema that transcripts are kept in, as DuckDB writes their names.

    Raises:
        ThanoError: there is no such schema, or the database is read-only.
    """
    if access.is_read_only:
        raise ThanoError(f"the database is open read-only, so transcripts cannot be kept in its schema {brief(schema)}")
    with contextlib.closing(session.cursor()) as cursor:
        ((database,),) = cursor.execute("SELECT system.main.current_database()").fetchall()
        rows = cursor.execute(
            "SELECT schema_name FROM system.main.duckdb_schemas() WHERE database_name = ? AND NOT internal", [database]
        ).fetchall()
    names = [name for (name,) in rows] + ["main"]
    found = [name for name in names if name.casefold() == schema.casefold()]
    if not found:
        near = did_you_mean(schema, names)
        raise ThanoError(
            f"there is no schema {brief(schema)} in the database {brief(database)} to keep transcripts in: "
            f"run CREATE SCHEMA {identifier(schema)} first, not within a transaction, or write cache=True to keep "
            f"them in the model home.{near}"
        )
    return database, found[0]


def open_schema_store(session: Session, access: Access, schema: str) -> SchemaStore:
    """The store in a schema of the session's database.

    Raises:
        ThanoError: there is no such schema, or the database is read-only.
    """
    database, name = check_schema(session, access, schema)
    cursor = session.cursor()
    try:
        return SchemaStore(cursor, database, name)
    except duckdb.Error as error:
        cursor.close()
        problem = str(error).splitlines()[0]
        raise ThanoError(f"transcripts cannot be kept in the schema {literal(schema)}: {problem}") from error
