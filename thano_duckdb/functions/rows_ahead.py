"""Reads the rows of a statement ahead of DuckDB, which asks for the transcripts of one vector after the other.

A cursor of its own reads the statement's query once more: its audio paths, hotwords and languages, nothing else. See
`connection/second_reading.py` for the statements of which that is right, and `speech/jobs_ahead.py` for what follows.
Reading begins when there is something to compute: where the cache has every transcript, it would only double the work.
"""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Generator, Sequence
from typing import TYPE_CHECKING, Any

import duckdb
import pyarrow as pa

from thano_duckdb.connection.running_statement import RunningStatement
from thano_duckdb.connection.second_reading import SecondReading
from thano_duckdb.connection.session import Session
from thano_duckdb.errors import ThanoError
from thano_duckdb.monitoring.statement_bar import Progress

from .audio_column import audio as audio_argument
from .engine_calls import EngineCall, Vector, engine_calls
from .macros import create_macros

if TYPE_CHECKING:
    from thano_duckdb.monitoring.monitor import Monitor
    from thano_duckdb.speech.cache import TranscriptCache
    from thano_duckdb.speech.engine import Compute
    from thano_duckdb.speech.job_runner import CallOptions, Job
    from thano_duckdb.speech.jobs_ahead import JobsAhead
    from thano_duckdb.speech.transcript import Transcript

VECTOR_ROWS = 2_048
"""The rows of a full vector of DuckDB's: a first one with fewer is probably all there is."""
CLOSE_TIMEOUT_S = 0.5
_LIGHT = ("varchar", "enum")
_NUMBERS = ("tinyint", "smallint", "integer", "bigint", "float", "double", "decimal")


class RowsAhead:
    """The rows of one statement that are read ahead."""

    def __init__(self, session: Session, statement: RunningStatement, reading: SecondReading) -> None:
        """`reading` gives the audio, the hotwords and the language of each row."""
        self._session, self._statement, self._reading = session, statement, reading
        self._unheard = RunningStatement("", Progress(shown=False))
        """Takes what our own table functions report of the second reading: it is not part of the statement."""
        self._first: Vector | None = None
        self._n_vectors = self._n_rows = 0
        """What DuckDB had asked for when the reading began."""
        self._starting = threading.Lock()
        self._is_closed = False
        self._jobs: JobsAhead | None = None
        self._thread = threading.Thread(target=self._read, name="thano-rows-ahead", daemon=True)
        self._cursor: duckdb.DuckDBPyConnection | None = None

    def begin(self, vector: Vector) -> None:
        """DuckDB asks for the transcripts of `vector`."""
        with self._starting:
            self._first = self._first or vector
            if self._jobs is None:
                self._n_vectors += 1
                self._n_rows += len(vector.audio)

    def asked(self, call: EngineCall) -> tuple[TranscriptCache, Compute]:
        """The cache and the computation for one call of the engine by DuckDB: with what was read ahead, if anything."""
        from thano_duckdb.speech.jobs_ahead import AskedVector

        if self._jobs is not None:
            vector = AskedVector(self._jobs, call.engine, call.options, call.cache)
            return vector, vector.compute

        def compute(
            jobs: Sequence[Job], options: CallOptions, monitor: Monitor
        ) -> Generator[tuple[Job, Transcript], None, None]:
            self._start()
            yield from call.engine.compute(jobs, options, monitor)

        return call.cache, compute

    def _start(self) -> None:
        """Read on from the next vector, unless a first one that is not full is probably all there is."""
        from thano_duckdb.speech.jobs_ahead import JobsAhead

        with self._starting:
            is_all = self._n_vectors == 1 and self._n_rows < VECTOR_ROWS
            if self._jobs is None and not is_all and not self._is_closed:
                self._jobs = JobsAhead(self._statement)
                self._thread.start()

    def close(self) -> None:
        """End the reading and the transcribing: the statement has ended."""
        with self._starting:
            self._is_closed = True
        if self._jobs is None:
            return
        self._jobs.close()
        self._unheard.cancel()
        deadline_s = time.monotonic() + CLOSE_TIMEOUT_S
        while self._thread.is_alive() and time.monotonic() < deadline_s:
            with contextlib.suppress(duckdb.Error):
                if (cursor := self._cursor) is not None:
                    cursor.interrupt()  # without effect unless DuckDB is at work just now
            self._thread.join(0.02)

    def _read(self) -> None:
        """The reading thread. DuckDB meets by itself whatever goes wrong here, and reports it."""
        assert self._jobs is not None, "the thread starts with it"
        expected = contextlib.suppress(duckdb.Error, ThanoError, LookupError, OSError, pa.ArrowException)
        with expected, contextlib.closing(self._session.file_cursor()) as cursor:
            self._cursor = cursor
            self._reading.prepare(cursor)
            # The cursor's own session, so that what `thano_audio` does and says is not done and said twice.
            session = Session(cursor, self._session.settings, self._session.registry)
            session.file_settings = self._session.file_settings
            if self._reading.calls_macros:
                create_macros(cursor, session.token)
            with session.statements.running(self._unheard):
                relation = cursor.sql(self._reading.clips_sql)
                if _is_light(relation.types[0]):
                    self._read_rows(relation.to_arrow_reader(VECTOR_ROWS), self._jobs)
        self._jobs.end_of_rows()

    def _read_rows(self, batches: pa.RecordBatchReader, ahead: JobsAhead) -> None:
        n_asked = self._n_rows
        with self._session.access() as access:
            for batch in batches:
                if not ahead.is_open:
                    return
                if n_asked >= batch.num_rows:
                    n_asked -= batch.num_rows
                    continue
                n_asked, rows = 0, batch.slice(n_asked)
                for call in engine_calls(self._vector(rows), self._session, self._statement, access):
                    if isinstance(call, EngineCall):
                        jobs = call.engine.jobs(call.clips, call.options, call.decoders)
                        if not ahead.read(call.group, call.engine, call.options, call.cache, jobs):
                            return

    def _vector(self, batch: pa.RecordBatch) -> Vector:
        """The rows of a batch, with the constants of the statement as in the vector that DuckDB asked for first."""
        first = self._first
        assert first is not None, "the thread starts with it"
        audio, hotwords, languages = (pa.chunked_array([column]) for column in batch.columns)
        n_rows = batch.num_rows
        return Vector(
            _repeated(first.models, n_rows),
            audio_argument(audio),
            _repeated(first.options, n_rows),
            hotwords if _has_type(first.hotwords) else _repeated(first.hotwords, n_rows),
            _repeated(first.channels, n_rows),
            languages if _has_type(first.languages) else _repeated(first.languages, n_rows),
            first.function,
        )


def rows_ahead(session: Session, statement: RunningStatement, vector: Vector) -> RowsAhead | None:
    """The rows ahead of `vector`, for which DuckDB asks now; None where the statement is not read ahead."""
    reading = statement.second_reading
    if reading is None:
        return None

    def begin() -> RowsAhead:
        ahead = RowsAhead(session, statement, reading)
        statement.at_end_of_work(ahead.close)
        return ahead

    ahead: RowsAhead = statement.pinned("rows ahead", begin)
    ahead.begin(vector)
    return ahead


def _is_light(kind: Any) -> bool:
    """Whether values of a DuckDB type are paths, not contents."""
    if kind.id == "struct":
        return all(field.id in (*_LIGHT, *_NUMBERS) for _, field in kind.children)
    return kind.id in _LIGHT


def _has_type(column: pa.ChunkedArray) -> bool:
    return not pa.types.is_null(column.type)


def _repeated(column: pa.ChunkedArray, n_rows: int) -> pa.ChunkedArray:
    return pa.chunked_array([pa.repeat(column[0], n_rows)])
